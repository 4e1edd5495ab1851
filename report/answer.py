"""The page's first sentences: how good SCAN's clusters are here, whether k-means on the same features is as good, and what reads
labels."""

from report.power import FEWEST
from report.statistics import spread

CLUSTERS, KMEANS = "reimpl/default/selflabel", "kmeans/embeddings"
BESIDE = {"supported": "SCAN is above it", "contradicted": "SCAN is below it", "no difference": "no difference that matters",
          "undecided": "whether they differ is undecided"}
"""What follows, by the word of the claim that SCAN is above k-means."""


def answer(results):
    """A sentence or two from the records of the study `main`; None where SCAN with self-labeling has no accuracy.

    Args: results: report.claims.Results.
    """
    main = results.summary("main")
    ours, theirs = (list(main.percent(step, "acc").values()) if main else [] for step in (CLUSTERS, KMEANS))
    if not ours:
        return None
    verdict = next((one.verdict for one in results.claims
                    if (one.study, one.claim.kind, one.claim.of, one.claim.than) == ("main", "above", CLUSTERS, KMEANS)), None)
    runs = f"mean of {len(ours)} runs" if len(ours) > 1 else "one run"
    found = f"SCAN with self-labeling puts {_unbroken(spread(ours))}\u00a0% of the test images into their class ({runs})."
    if not theirs or not verdict or verdict.word not in BESIDE:
        return found
    beside = f": {BESIDE[verdict.word]}" if verdict.finding.n >= FEWEST else ""
    return f"{found} K-means on the features of its pretext task puts {_unbroken(spread(theirs))}\u00a0%{beside}."


def labels_read(results):
    """Sentences on what reads labels, and on what SCAN's epoch and head are chosen by, from the settings of the records."""
    settings = [cell["record"]["settings"] for cell in results.cells()]
    dataset = next((found["dataset"] for found in settings if "dataset" in found), {})
    scan = next((found["scan"] for found in settings if "scan" in found), {})
    kept = ["some of the classes"] if dataset.get("classes") or dataset.get("class_list") else []
    if any(dataset.get(f"{split}_images") for split in results.facts.get("labelled", ("train", "test"))):
        kept.append("the same share of each class")
    stage = f"by the stage dataset, which keeps {' and '.join(kept)}, " if kept else ""
    chosen = {"validation": "epoch and head are", "last": "head is"}.get(scan.get("selection"))
    selection = f" SCAN's {chosen} chosen by its loss on the test images, without their labels." if chosen else ""
    return ("Labels are read by the evaluation, by supervised learning where it was run for comparison, "
            f"{stage}and by nothing else.{selection}")


def _unbroken(entry):
    return entry.text().replace(" ", "\u00a0")
