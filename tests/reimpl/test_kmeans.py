"""The k-means baselines against Lloyd's rules by hand and scikit-learn's scores, on real digits."""

import json
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

import reimpl.kmeans
from harness.errors import UserError
from harness.files import read_npz, write_npz
from harness.pipeline.resolve import in_force
from harness.record import Cell

TRAIN, TEST, CLUSTERS = slice(0, 300), slice(300, 420), 4
EXECUTION = "execution: {device: auto, threads: 1, tracking: disabled, checkpoint_seconds: 0}"


class Lab:
    """A folder with the first digits, 0 to 3, as a data set, and what the k-means that ran in it was given and came to."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.fitted = folder, []
        digits = load_digits(n_class=CLUSTERS)
        self.images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        self.labels = digits.target
        self.data = folder / "data"
        self.data.mkdir()
        self.counts = {}
        for split, rows in {"train": TRAIN, "test": TEST}.items():
            self.put(split, self.images[rows], self.labels[rows])
        (folder / "params.yaml").write_text(EXECUTION)
        (folder / "params").mkdir()
        scikit, kept = reimpl.kmeans.KMeans, self.fitted

        class Kept(scikit):
            def fit(self, features):
                kept.append(self)
                self.seen = features.copy()  # which fit may change in its last bits
                return super().fit(features)

        monkeypatch.setattr(reimpl.kmeans, "KMeans", Kept)
        monkeypatch.chdir(folder)

    def put(self, split, images, labels):
        np.save(self.data / f"{split}_images.npy", images)
        np.save(self.data / f"{split}_labels.npy", labels)
        self.counts[split] = len(images)
        (self.data / "dataset.json").write_text(json.dumps({
            "name": "tiny", "source": "digits", "shape": [8, 8, 1], "classes": list("0123"), "images": self.counts}))

    def run(self, on="pixels", seed="0", clusters=CLUSTERS, restarts=1, features=None, train_images=0):
        """The stage's record; its k-means is the last of `fitted`."""
        (self.folder / "params/tiny.yaml").write_text(json.dumps({"kmeans": {
            "clusters": clusters, "restarts": restarts, "train_images": train_images}}))
        cell = Cell("reimpl", "kmeans", "tiny", seed, variant=on)
        reimpl.kmeans.run(cell, in_force(cell), {"data": self.data, "features": features or self.data}, self.folder / "out")
        return json.loads((self.folder / "out/metrics.json").read_text())


@pytest.fixture
def lab(tmp_path, monkeypatch):
    return Lab(tmp_path, monkeypatch)


def nearest(features, centres):
    """The centre at the least distance from each image, in float64."""
    return np.array([((centres - row) ** 2).sum(1).argmin() for row in np.asarray(features, float)])


def assert_lloyds(fitted, train):
    """Where k-means has come to rest, each centre is the mean of the training images that are nearest to it."""
    belongs = nearest(train, fitted.cluster_centers_)
    means = np.stack([np.asarray(train, float)[belongs == cluster].mean(0) for cluster in range(len(fitted.cluster_centers_))])
    np.testing.assert_allclose(fitted.cluster_centers_, means, atol=1e-5)  # means of 300 float32 of 0 to 1, rounded at 6e-8 each


def assert_scored(metrics, clusters, labels):
    """Of the clusters found by hand: accuracy over all matchings, scikit-learn's NMI and ARI, and the confusion matrix."""
    assert metrics["acc"] == pytest.approx(max(np.mean(np.array(match)[clusters] == labels) for match in permutations(range(4))))
    assert metrics["nmi"] == pytest.approx(normalized_mutual_info_score(labels, clusters))
    assert metrics["ari"] == pytest.approx(adjusted_rand_score(labels, clusters))
    counts = [[int(((labels == label) & (clusters == cluster)).sum()) for cluster in range(4)] for label in range(4)]
    assert sorted(zip(*metrics["confusion"])) == sorted(zip(*counts))


@pytest.mark.parametrize("on", ["pixels", "embeddings"])
def test_centres_are_of_the_training_images_and_scores_of_the_test_images(lab, on):
    """On pixels from 0 to 1, and on embeddings as the file has them: here of another scale, so that one is not the other."""
    train, test = (lab.images[rows].reshape(-1, 64) / 255 for rows in (TRAIN, TEST))
    if on == "embeddings":
        train, test = ((np.sqrt(part)[:, ::2] - 0.5).astype(np.float32) for part in (train, test))
        write_npz(lab.folder / "features/embeddings.npz", train=train, test=test)
    record = lab.run(on, features=lab.folder / "features" if on == "embeddings" else None)
    assert_lloyds(lab.fitted[-1], train)
    clusters = nearest(test, lab.fitted[-1].cluster_centers_)
    assert_scored(record["metrics"], clusters, lab.labels[TEST])
    assert read_npz(lab.folder / "out/predictions.npz", "clusters")[0].tolist() == clusters.tolist()
    assert record["degenerate"] == [] and record["evidence"]["hardware"]["device"] == "cpu"


def test_each_seed_draws_for_itself_and_the_same_one_alike(lab):
    """Seeds of which each starts elsewhere: one run from new centres ends where these lead it."""
    seeds = ["0", "1", "2", "3", "4", "0"]
    for seed in seeds:
        lab.run(seed=seed)
    states, centres = [run.random_state for run in lab.fitted], [run.cluster_centers_ for run in lab.fitted]
    assert len(set(states)) == 5 and states[0] == states[-1]
    assert len({run.tobytes() for run in centres}) > 2 and np.array_equal(centres[0], centres[-1])


def test_of_the_restarts_the_one_of_least_inertia_counts(lab):
    """Ten starts of one seed include the first, and so end no higher; on digits their inertias differ."""
    lab.run(seed="1", clusters=8)
    lab.run(seed="1", clusters=8, restarts=10)
    one, ten = lab.fitted
    assert ten.n_init == 10 and ten.inertia_ < one.inertia_


def test_centres_of_some_of_the_training_images_are_theirs_alone(lab):
    """40 of 300, each once, which ones by the seed; 300 are all of them."""
    lab.run(train_images=40)
    lab.run(train_images=40, seed="1")
    lab.run(train_images=300)
    lab.run()
    some, others, whole, all_of_them = lab.fitted
    assert len(some.labels_) == len(others.labels_) == 40 and len(whole.labels_) == 300
    assert np.array_equal(whole.cluster_centers_, all_of_them.cluster_centers_)
    images = lab.images[TRAIN].reshape(-1, 64).astype(np.float32) / 255
    first, second = ({next(row for row in range(300) if np.array_equal(images[row], image)) for image in fitted.seen}
                     for fitted in (some, others))
    assert len(first) == len(second) == 40 and first != second
    assert_lloyds(some, some.seen)


def test_what_is_clustered_is_centered_in_place_unless_it_is_needed_again(lab):
    """A copy would not fit where pixels fill the memory; features that are assigned to their own clusters stay as they are."""
    features = lab.images[TRAIN].reshape(-1, 64).astype(np.float32) / 255
    lab.run()
    assert not lab.fitted[-1].copy_x
    before = features.copy()
    clusters = reimpl.kmeans.cluster(features, features, SimpleNamespace(clusters=CLUSTERS, restarts=1), 0)
    assert (features == before).all() and (clusters == lab.fitted[-1].labels_).all()


def test_what_is_not_finite_counts_as_zero(lab):
    train, test = (lab.images[rows].reshape(-1, 64).astype(np.float32) / 255 for rows in (TRAIN, TEST))
    train[3], test[5, 2] = np.nan, np.inf
    write_npz(lab.folder / "features/embeddings.npz", train=train, test=test)
    record = lab.run("embeddings", features=lab.folder / "features")
    train[3], test[5, 2] = 0, 0
    assert_lloyds(lab.fitted[-1], train)
    assert_scored(record["metrics"], nearest(test, lab.fitted[-1].cluster_centers_), lab.labels[TEST])


def test_images_that_are_all_equal_end_in_one_cluster_which_the_record_says(lab):
    for split, rows in {"train": TRAIN, "test": TEST}.items():
        lab.put(split, np.full_like(lab.images[rows], 7), lab.labels[rows])
    record = lab.run()
    assert record["degenerate"] == ["3 of 4 clusters are empty"] and record["metrics"]["nmi"] == 0


def test_one_test_image_is_scored_and_leaves_the_other_clusters_empty(lab):
    lab.put("test", lab.images[:1], lab.labels[:1])
    record = lab.run()
    assert [record["metrics"][name] for name in ("acc", "nmi", "ari")] == [1, 1, 1]
    assert record["degenerate"] == [f"{CLUSTERS - 1} of {CLUSTERS} clusters are empty"]


def test_more_clusters_than_training_images_are_refused_in_a_line(lab):
    lab.put("train", lab.images[:3], lab.labels[:3])
    with pytest.raises(UserError, match="kmeans.clusters is 4, but there are only 3 training images; it should be at most 3"):
        lab.run()


def test_unknown_features_are_named(lab):
    with pytest.raises(UserError, match="--on is 'colours', and should be one of pixels, embeddings"):
        lab.run("colours")
