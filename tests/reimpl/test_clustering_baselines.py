"""DeepCluster, DAC, ADC and JULE: each one's rule by hand or by loops, on real digits."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans

from harness.settings import Optimizer, Training
from reimpl.augment import Normalize
from reimpl.baselines import adc, dac, deepcluster, jule
from reimpl.kmeans import cluster
from reimpl.networks import ResNet
from reimpl.train.batch import Batch

TRAINING = Training(3, 32, Optimizer("adam", 0.01, 0.0))


class View:
    """What a task normalises by."""

    normalize = Normalize((0.0,), (1.0,))


def backbone():
    torch.manual_seed(0)
    return ResNet(1, 8, (1, 1))


def batch(*views):
    return Batch(views, {}, torch.arange(len(views[0])))


def scaled(digits):
    return digits.float() / 255


def test_deepcluster_clusters_whitened_features_of_unit_length():
    """By the eigenvectors of the covariance: it is the identity afterwards, and lengths are 1."""
    features = np.random.default_rng(0).normal(size=(300, 5)) @ np.diag([9.0, 3.0, 1.0, 0.5, 0.1]) + 7
    train, test = deepcluster.unit(features.astype(np.float32), features[:40].astype(np.float32))
    values, vectors = np.linalg.eigh(np.cov(features.T))
    white = (features - features.mean(0)) @ vectors / np.sqrt(values)
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    np.testing.assert_allclose(train @ train.T, white @ white.T, atol=1e-4)  # features come as float32, and spread up to 90-fold
    np.testing.assert_allclose(test, train[:40], atol=1e-6)  # float32


def deep_cluster(**changes):
    settings = deepcluster.Settings(**{"clusters": 4, "training": TRAINING, "augmentation": "none", "restarts": 2,
                                       "overclustering": 2, "every": 2, **changes})
    task = deepcluster.Task(settings, (View,), (128, 1, 8, 8))
    return task, task.network(backbone())


def test_deepcluster_learns_the_clusters_of_its_features_each_as_much_as_any(digits, generator):
    """Its loss is the mean over labels of the mean cross-entropy of the images that have one."""
    task, model = deep_cluster()
    images, before = digits[:128], model.head.weight.clone()
    task.before_epoch(model, images, generator)
    features = model.eval().backbone(scaled(images)).detach()
    (unit,) = deepcluster.unit(features.numpy())
    own = KMeans(8, n_init=10, random_state=0).fit(unit).inertia_
    centres = np.stack([unit[model.labels.numpy() == label].mean(0) for label in range(8)])
    assert np.square(unit - centres[model.labels.numpy()]).sum() == pytest.approx(own, rel=0.1)  # of ten starts, here of one
    model.head.weight.data.mul_(100)  # so that classes differ
    with torch.no_grad():
        each = F.cross_entropy(model.head(features), model.labels, reduction="none")
        found = task.loss(model, batch(scaled(images)), None)["loss"]
    torch.testing.assert_close(found, torch.stack([each[model.labels == label].mean() for label in range(8)]).mean())
    assert not torch.equal(before, model.head.weight) and (model.head.bias == 0).all()


def test_deepcluster_clusters_anew_when_it_should_and_begins_a_new_layer(digits, generator):
    task, model = deep_cluster()
    kept = []
    for _ in range(3):
        task.before_epoch(model, digits[:128], generator)
        kept.append((model.labels.clone(), model.head.weight.detach().clone()))
    (first, layer), (second, same), (third, other) = kept
    assert torch.equal(first, second) and torch.equal(layer, same)
    assert not torch.equal(first, third) and not torch.equal(layer, other)
    assert other.std().item() == pytest.approx(0.01, rel=0.25)  # 128 draws: a deviation of 6 %


def test_deepcluster_refills_a_cluster_that_becomes_empty():
    """A start from which one centre loses every image, and k-means as the method calls it: no cluster is left empty."""
    line = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2]], np.float32)
    task, _ = deep_cluster(clusters=3)
    starts = KMeans(3, init=np.array([[0.1], [10.1], [50.0]]), n_init=1).fit(line)
    assert len(set(starts.labels_)) == 3 and len(set(cluster(line, line, task.settings, 0))) == 3


def test_dac_asks_for_the_pairs_that_it_is_sure_of_by_loops():
    torch.manual_seed(0)
    judged, learned = (F.normalize(torch.rand(12, 4).pow(4), dim=1) for _ in range(2))
    found, counted = [], 0
    for i in range(12):
        for j in range(12):
            similar, answer = (sum(float(a) * float(b) for a, b in zip(part[i], part[j])) for part in (judged, learned))
            if similar >= 0.9 or similar < 0.3:
                counted += 1
                answer = min(max(answer, 1e-6), 1 - 1e-6)
                found.append(-np.log(answer if similar >= 0.9 else 1 - answer))
    assert 12 < counted < 144
    assert dac.pair_loss(judged, learned, 0.3, 0.9).item() == pytest.approx(np.mean(found), rel=1e-4)  # float32 near 0 and 1
    assert dac.pair_loss(judged[:1], learned[:1], -1.0, 2.0).item() == 0


def test_dac_begins_with_few_pairs_and_ends_with_all(digits, monkeypatch):
    """Its thresholds meet at 0.5; labels are judged by the first view, and no gradient reaches that."""
    task = dac.Task(dac.Settings(4, TRAINING, "none", "none", upper=0.9, lower=0.2), (), None)
    model, views = task.network(backbone()), batch(scaled(digits[:32]), scaled(digits[32:64]))
    features = model(views.views[0])
    assert (features >= 0).all() and torch.allclose(features.norm(dim=1), torch.ones(32))
    seen = []
    monkeypatch.setattr(dac, "pair_loss", lambda *given: seen.append(given) or given[1].sum())
    for progress in (0.0, 0.5, 1.0):
        task.loss(model, views, torch.tensor(progress))
    assert [(float(lower), float(upper)) for _, _, lower, upper in seen] == [
        (pytest.approx(low), pytest.approx(high)) for low, high in ((0.2, 0.9), (0.35, 0.7), (0.5, 0.5))]
    judged, learned, *_ = seen[0]
    torch.testing.assert_close(judged, model(views.views[0]).detach())
    assert not judged.requires_grad and learned.requires_grad
    codes = task.embed(model.eval(), views.views[0])
    torch.testing.assert_close(F.normalize(task.predict(model, codes)[0], dim=1), model(views.views[0]))


def test_a_walk_of_adc_by_loops():
    torch.manual_seed(0)
    begun, passed = torch.randn(3, 2), torch.randn(5, 2)
    near = [[sum(float(a) * float(b) for a, b in zip(one, other)) for other in passed] for one in begun]
    there = [[np.exp(x) / sum(map(np.exp, row)) for x in row] for row in near]
    back = [[np.exp(near[i][j]) / sum(np.exp(near[k][j]) for k in range(3)) for i in range(3)] for j in range(5)]
    returns = -np.mean([np.log(sum(there[i][j] * back[j][i] for j in range(5))) for i in range(3)])
    visits = -np.mean([np.log(np.mean([there[i][j] for i in range(3)])) for j in range(5)])
    assert adc.association(begun, passed, 0.7).item() == pytest.approx(returns + 0.7 * visits, rel=1e-5)


def test_adc_walks_between_images_first_and_then_from_centroids(digits, generator):
    """One epoch of each; centroids begin at the centres of k-means on the embedding, and the layer predicts."""
    settings = adc.Settings(4, TRAINING, "none", "none", dim=6, warm_up_epochs=1, restarts=5, visit_weight=0.3, layer_weight=0.5,
                            images_weight=0.2)
    task = adc.Task(settings, (View, View), None)
    model, images = task.network(backbone()), digits[:64]
    task.before_epoch(model, images, generator)
    views = batch(scaled(images[:32]), scaled(images[32:]))
    walks = adc.association(model(views.views[1]), model(views.views[0]))
    torch.testing.assert_close(task.loss(model, views, None)["loss"], walks)
    task.before_epoch(model, images, generator)
    model.eval()
    embedded = model(scaled(images)).detach().numpy()
    own = KMeans(4, n_init=5, random_state=0).fit(embedded).inertia_
    nearest = np.square(embedded[:, None] - model.centroids.detach().numpy()).sum(2).min(1).sum()
    assert nearest == pytest.approx(own, rel=0.05)  # five starts from other draws
    walks = adc.association(model(views.views[1]), model(views.views[0]))
    layer = -torch.diagonal(model.layer(model.centroids).log_softmax(1)).mean()
    whole = adc.association(model.centroids, model(views.views[0]), 0.3) + 0.5 * layer + 0.2 * walks
    torch.testing.assert_close(task.loss(model, views, None)["loss"], whole)
    torch.testing.assert_close(task.predict(model, model.centroids)[0], model.layer(model.centroids).softmax(1))


def by_definition(joined, labels, clusters):
    """The same merges, where each affinity is computed anew from the blocks of the graph."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    while len(groups) > clusters:
        affinity = {}
        for i, one in enumerate(groups):
            for j, other in enumerate(groups[:i]):
                there, back = joined[np.ix_(one, other)], joined[np.ix_(other, one)]
                affinity[i, j] = (there @ back).sum() / len(one) ** 2 + (back @ there).sum() / len(other) ** 2
        i, j = max(affinity, key=affinity.get)
        groups[j] = np.concatenate([groups[j], groups[i]])
        del groups[i]
    return {frozenset(group.tolist()) for group in groups}


def groups_of(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def test_jule_joins_each_image_with_its_nearest_as_by_hand():
    """On a line: 0 and 1, then 3 and 7, with one neighbor each; squared distances 1, 1, 4 and 16 have the mean 5.5."""
    joined, nearest = jule.graph(np.array([[0.0], [1.0], [3.0], [7.0]]), 1)
    assert nearest.tolist() == [1, 0, 1, 2]
    expected = np.zeros((4, 4))
    expected[[0, 1, 2, 3], nearest] = np.exp(-np.array([1, 1, 4, 16]) / 5.5)
    np.testing.assert_allclose(joined, expected, rtol=1e-6)
    assert jule.chains(nearest).tolist() == [0, 0, 0, 0] and jule.chains(np.array([1, 0, 3, 2, 3])).tolist() == [0, 0, 1, 1, 1]
    assert jule.chains(np.array([3, 3, 1, 0])).tolist() == [0, 0, 0, 0]


def test_jule_merges_the_clusters_of_most_affinity_by_definition(digits):
    joined, nearest = jule.graph(digits[:60].flatten(1).numpy() / 255, 5)
    labels = jule.chains(nearest)
    assert 10 < labels.max() + 1 < 30
    for left in (10, 4):
        found = jule.merge(joined, labels, left)
        assert groups_of(found) == by_definition(joined.astype(np.float64), labels, left) and found.max() + 1 == left


def test_jule_learns_by_all_triplets_of_a_batch_by_loops():
    torch.manual_seed(0)
    features, labels = F.normalize(torch.randn(8, 3), dim=1), torch.tensor([0, 0, 1, 1, 1, 2, 3, 0])
    found = [max(0.0, float((features[a] - features[p]).square().sum() - (features[a] - features[n]).square().sum()) + 0.3)
             for a in range(8) for p in range(8) for n in range(8) if a != p and labels[a] == labels[p] != labels[n]]
    assert jule.triplet_loss(features, labels, 0.3).item() == pytest.approx(np.mean(found), rel=1e-5)
    assert jule.triplet_loss(features, torch.arange(8), 0.3).item() == 0


def test_jule_merges_a_share_of_the_clusters_in_each_round(digits, generator):
    settings = jule.Settings(4, TRAINING, "none", neighbors=5, every=2, unrolled=0.5, margin=0.2)
    task = jule.Task(settings, (View,), (128, 1, 8, 8))
    model, counts = task.network(backbone()), []
    for _ in range(9):
        task.before_epoch(model, digits[:128], generator)
        counts.append(model.labels.max().item() + 1)
    first = counts[0]
    halves = [first, -(-first // 2), -(-first // 4), max(4, -(-first // 8)), 4]
    assert counts[::2] == halves and counts[1::2] == halves[:4]


def test_jule_scores_the_clusters_that_training_ends_with():
    """A merging anew would set the two images that are far off apart, and join all others."""
    settings = jule.Settings(2, TRAINING, "none", neighbors=4, every=2, unrolled=0.5, margin=0.2)
    model = jule.Task(settings, (View,), (8, 1, 8, 8)).network(backbone())
    model.labels.copy_(torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]))
    angles = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 0.7, 3.0, 3.01])
    train, test = (np.stack([np.cos(part), np.sin(part)], 1).astype(np.float32) for part in (angles, np.array([0.1, 0.6])))
    low, high = jule.cluster(train, test, settings, 0, model)
    assert low == high  # the nearest two of three clusters have merged
    model.labels.copy_(torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]))
    low, high = jule.cluster(train, test, settings, 0, model)
    assert low != high
