"""The page's first sentence: how good SCAN's clusters are here, and whether k-means in the same features is as good."""

from report.statistics import spread

CLUSTERS, KMEANS = "reimpl/default/selflabel", "kmeans/embeddings"
BESIDE = {
    "supported": ", more than k-means in the features of its pretext task does ({})",
    "contradicted": ", fewer than k-means in the features of its pretext task does ({})",
    "no difference": ", no more than k-means in the features of its pretext task does ({})",
    "undecided": "; whether that is more than k-means in the features of its pretext task does ({}) is undecided",
}
"""What follows, by the word of the claim that SCAN is above k-means."""


def answer(results):
    """A sentence from the records of the study `main`; None where SCAN with self-labeling has no accuracy.

    Args: results: report.claims.Results.
    """
    main = results.summary("main")
    ours, theirs = (list(main.percent(step, "acc").values()) if main else [] for step in (CLUSTERS, KMEANS))
    if not ours:
        return None
    word = next((one.verdict.word for one in results.claims
                 if (one.study, one.claim.kind, one.claim.of, one.claim.than) == ("main", "above", CLUSTERS, KMEANS)), None)
    beside = BESIDE[word].format(spread(theirs).text()) if theirs and word in BESIDE else ""
    runs = f"mean of {len(ours)} runs" if len(ours) > 1 else "one run"
    return f"SCAN with self-labeling puts {spread(ours).text()} % of the test images into their class ({runs}){beside}."
