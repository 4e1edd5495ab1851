"""Step 2b: fine-tuning through self-labeling (slides, Step 2b)."""

from functools import partial

from harness import weights
from harness.files import existing
from harness.prepared import PreparedDataset
from harness.prototypes import captioned_prototypes
from harness.record import score_metrics
from harness.session import Session
from reimpl.augment import Normalize, make_augmentation
from reimpl.networks import make_backbone
from reimpl.predict import assigned, predict, row_of
from reimpl.tasks.selflabel import Task
from reimpl.train.task import make_network
from reimpl.train.trainer import Trainer


def run(cell, settings, inputs, out):
    """Writes model.pt (of the last epoch, as in the reference), predictions.npz and metrics.json."""
    dataset = PreparedDataset(inputs["data"], settings["dataset"].joint)
    selflabel = settings["selflabel"]
    augment, augment_target = (make_augmentation(settings[role], settings["dataset"])
                               for role in ("augmentation", "target_augmentation"))
    session = Session(cell, inputs, settings)
    images, test_images = session.images(dataset, "train"), session.images(dataset, "test")
    task, model = start_from_scan(inputs["scan"] / "model.pt", selflabel, [augment_target, augment],
                                  make_backbone(settings["network"], images.shape[1]))
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)

    def after_epoch(epoch, state):
        return row_of(predict(task, model, test_images, normalize).scores(dataset))

    trainer = Trainer(session, task, model, selflabel.training, images, after_epoch,
                      photographs=dataset.photographs("train", whole=settings["dataset"].whole))
    curves = trainer.run()
    predictions = predict(task, model, test_images, normalize)
    weights.save(out / "model.pt", plain(task.kept(model)))
    predictions.write(out / "predictions.npz", **assigned(task, model, images, normalize))
    metrics = {**score_metrics(predictions.scores(dataset)), "confident": curves[-1]["confident"]}
    trainer.finish(out, metrics, predictions.degenerate() + nothing_learned(curves, selflabel.threshold),
                   partial(captioned_prototypes, dataset, out / "predictions.npz"))


def nothing_learned(curves, threshold):
    """A sentence where no image was ever confident enough to learn from, in a list."""
    if any(row["confident"] > 0 for row in curves):
        return []
    return [f"no image was ever more confident than {threshold}: nothing was learned"]


def start_from_scan(path, settings, views, backbone):
    """The task, and the clustering model that `scan` wrote; its number of clusters is what its head has."""
    mend = "remove it and run `dvc repro`"
    state = weights.load(existing(path, "dvc repro"), mend)
    task = Task(settings, views, weights.count_clusters(state, path, mend))
    model = make_network(task, backbone)
    weights.fill(model, state, path, mend)
    task.begin(model)
    return task, model


def plain(model):
    """The weights of a clustering model without averages of them."""
    return {name: value for name, value in model.state_dict().items() if not name.startswith("average.")}
