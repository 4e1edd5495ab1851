"""Step 1a: train a backbone on a pretext task (slides, Step 1), a module of reimpl/tasks/ picked by --task."""

import importlib

from harness import processes, weights
from harness.prepared import PreparedDataset
from harness.session import Session
from reimpl.augment import Normalize, make_augmentation
from reimpl.mining import mine, neighbor_accuracy
from reimpl.networks import make_backbone
from reimpl.predict import embed_all
from reimpl.train.task import make_network, training_labels
from reimpl.train.trainer import Trainer

MONITORED_NEIGHBORS = 5


def load_task(name):
    """The class of a pretext task."""
    return importlib.import_module(f"reimpl.tasks.{name}").Task


def run(cell, settings, inputs, out):
    """Writes model.pt and metrics.json."""
    dataset, Task = PreparedDataset(inputs["data"], settings["dataset"].joint), load_task(cell.variant)
    session = Session(cell, inputs, settings)
    if Task.trained:
        train(Task, dataset, settings, session, out)
    else:
        processes.first_goes_on()
        task = Task(settings["pretext"])
        model = make_network(task, make_backbone(settings["network"], dataset.facts["shape"][2]))
        session.inputs |= task.fill(model)
        weights.save(out / "model.pt", model.state_dict())
        session.record(out, {})


def train(Task, dataset, settings, session, out):
    """The same of a task that is trained."""
    pretext, augment = settings["pretext"], make_augmentation(settings["augmentation"], settings["dataset"])
    splits = ["train"] if Task.sees_labels else dataset.pretext_splits
    images, test_images = session.images(dataset, *splits), session.images(dataset, "test")
    task = Task(pretext, [augment] * Task.VIEWS)
    model = make_network(task, make_backbone(settings["network"], images.shape[1]))
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)
    monitored = min(MONITORED_NEIGHBORS, len(test_images) - 1)  # a test image has the others for neighbors, be they few or none

    def after_epoch(epoch, state):
        if epoch % pretext.evaluate_every or not monitored:
            return {}
        found, _, _ = mine(embed_all(task, model, test_images, normalize), monitored)
        return {"neighbor_accuracy": neighbor_accuracy(found, dataset.labels("test"))}

    trainer = Trainer(session, task, model, pretext.training, images, after_epoch, training_labels(task, dataset),
                      dataset.photographs(*splits, whole=settings["dataset"].whole))
    curves = trainer.run()
    weights.save(out / "model.pt", model.state_dict())
    trainer.finish(out, {"loss": curves[-1]["loss"]})
