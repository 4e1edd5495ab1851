"""Neighbors against an argsort over all similarities, on real digits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from harness.errors import UserError
from reimpl import mining
from reimpl.mining import mine, neighbor_accuracy


def unit(images):
    flat = images.flatten(1).to(torch.float32).numpy()
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def test_neighbors_are_the_most_similar_others(digits):
    vectors = unit(digits)
    similarity = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(similarity, -np.inf)
    expected = np.argsort(-similarity, axis=1)[:, :10]
    found, broken, recall = mine(torch.from_numpy(vectors), 10)
    assert broken == 0 and recall is None and found.dtype == np.int64 and (found[:, 0] == np.arange(len(vectors))).all()
    rows = np.arange(len(vectors))[:, None]
    assert np.allclose(similarity[rows, found[:, 1:]], similarity[rows, expected], atol=1e-6)
    assert (found[:, 1:] == expected).mean() > 0.999


@pytest.mark.parametrize("checked", [1797, 100])
@pytest.mark.parametrize("probes", [8, 2])
def test_neighbors_found_in_lists_are_those_of_an_exact_search_to_the_recall_that_is_said(monkeypatch, probes, checked):
    """169 lists of some ten of 1,797 digits: two of them hold too few for some images."""
    vectors = torch.from_numpy(unit(torch.from_numpy(load_digits().images)))
    expected = mine(vectors, 10)[0]
    monkeypatch.setattr(mining, "EXACT", 0)
    monkeypatch.setattr(mining, "PROBES", probes)
    monkeypatch.setattr(mining, "CHECKED", checked)
    found, _, recall = mine(vectors, 10)
    every = len(vectors) // checked
    shared = np.mean([len({*one} & {*other}) / 10 for one, other in zip(expected[::every, 1:], found[::every, 1:])])
    assert recall == pytest.approx(shared, abs=1e-9) and (0.9 < recall < 1 if probes == 8 else 0.3 < recall < 0.9)
    assert (found[:, 0] == np.arange(len(found))).all() and found.min() >= 0


def test_the_image_itself_stands_first_even_among_duplicates(digits):
    vectors = np.repeat(unit(digits[:5]), 4, axis=0)
    found, _, _ = mine(torch.from_numpy(vectors), 3)
    assert (found[:, 0] == np.arange(20)).all()
    for row in found:
        assert sorted(row) == [4 * (row[0] // 4) + i for i in range(4)]


def test_embeddings_that_are_not_finite_are_counted_not_refused(digits):
    vectors = unit(digits)
    vectors[3, 0] = np.nan
    vectors[7] = np.inf
    found, broken, _ = mine(torch.from_numpy(vectors), 5)
    assert broken == 2 and found.min() >= 0


def test_more_neighbors_than_images_is_an_error(digits):
    assert mine(torch.from_numpy(unit(digits[:6])), 5)[0].shape == (6, 6)
    with pytest.raises(UserError, match="neighbors: 6 are asked for, and there are only 6 images; ask for fewer"):
        mine(torch.from_numpy(unit(digits[:6])), 6)


def test_accuracy_by_hand():
    neighbors = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    assert neighbor_accuracy(neighbors, np.array([5, 5, 6])) == pytest.approx(2 / 6)
