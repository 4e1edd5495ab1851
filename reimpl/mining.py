"""Nearest neighbors, found exactly, and how many of them share the image's class."""

import faiss
import numpy as np

from harness.errors import UserError


def mine(embeddings, k):
    """The k images most similar to each, by inner product of unit vectors, found exactly.

    Args: float32 [n, dim]; vectors that are not finite count as zero.
    Returns: int64 [n, k + 1], the image itself in column 0 and then its neighbors, nearest first; and the number of
    embeddings that were not finite.
    (The reference takes whatever comes first for the image itself, which duplicates and rounding can put elsewhere.)
    """
    if k >= len(embeddings):
        raise UserError(f"neighbors: {k} are asked for, and there are only {len(embeddings)} images; ask for fewer")
    broken = ~np.isfinite(embeddings).all(1)
    embeddings = np.ascontiguousarray(np.where(broken[:, None], 0, embeddings), np.float32)
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    _, found = index.search(embeddings, k + 1)
    itself = np.arange(len(embeddings))[:, None]
    # Stable: others keep their order, the image itself moves behind them, and the k nearest others remain.
    others = np.take_along_axis(found, (found == itself).argsort(axis=1, kind="stable"), axis=1)[:, :k]
    return np.concatenate([itself, others], axis=1).astype(np.int64), int(broken.sum())


def neighbor_accuracy(neighbors, labels):
    """Share of neighbors (int64 [n, k + 1], column 0 the image itself and not counted) with the image's own label.

    None where `labels` is, for images without them.
    """
    return None if labels is None else float((labels[neighbors[:, 1:]] == labels[:, None]).mean())
