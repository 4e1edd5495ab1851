"""Step 1b: mine each image's nearest neighbors in the pretext task's embedding (slides, Step 1)."""

from harness import weights
from harness.files import write_npz
from harness.prepared import PreparedDataset, need_images
from harness.session import Session
from harness.sources import SPLITS
from reimpl.augment import Normalize
from reimpl.mining import mine, neighbor_accuracy
from reimpl.networks import make_backbone, place
from reimpl.predict import embed_all
from reimpl.pretext import load_task
from reimpl.train.task import make_network


def run(cell, settings, inputs, out):
    """Writes neighbors.npz and embeddings.npz (arrays `train` and `test` each) and metrics.json."""
    dataset = PreparedDataset(inputs["data"], settings["dataset"].joint)
    session = Session(cell, inputs, settings)
    task = load_task(cell.variant)(settings["pretext"])
    model = make_network(task, make_backbone(settings["network"], dataset.facts["shape"][2]))
    weights.load_into(model, inputs["pretext"] / "model.pt", "dvc repro")
    place(model, session)
    normalize = Normalize(settings["dataset"].mean, settings["dataset"].std)
    wanted = {"train": settings["neighbors"].train, "test": settings["neighbors"].test}
    scored = {"train": settings["neighbors"].scored, "test": settings["neighbors"].test}
    neighbors, embeddings, metrics, degenerate = {}, {}, {}, []
    for split in SPLITS:
        need_images(f"neighbors.{split}", wanted[split], split, dataset.counts[split], spare=1)
        embedded = embed_all(task, model, session.images(dataset, split), normalize)
        neighbors[split], broken, recall = mine(embedded, wanted[split])
        embeddings[split] = embedded.cpu().numpy()
        metrics[f"{split}_accuracy"] = neighbor_accuracy(neighbors[split][:, : scored[split] + 1], dataset.labels(split))
        if recall is not None:
            metrics[f"{split}_recall"] = recall
        if broken:
            degenerate.append(f"{broken} {split} embeddings are not finite")
    write_npz(out / "neighbors.npz", **neighbors)
    write_npz(out / "embeddings.npz", **embeddings)
    session.record(out, metrics, degenerate=degenerate)
