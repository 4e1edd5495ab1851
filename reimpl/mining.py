"""Nearest neighbors, found exactly, and how many of them share the image's class."""

import numpy as np
import torch

from harness.errors import UserError

QUERIES = 4096  # at a time on a GPU: their similarities to a million images take 16 GB


def mine(embeddings, k):
    """The k images most similar to each, by inner product of unit vectors, found exactly, on the device of the embeddings.

    Args: float32 [n, dim]; vectors that are not finite count as zero.
    Returns: int64 [n, k + 1] as NumPy, the image itself in column 0 and then its neighbors, nearest first; and the number of
    embeddings that were not finite.
    (The reference takes whatever comes first for the image itself, which duplicates and rounding can put elsewhere.)
    """
    if k >= len(embeddings):
        raise UserError(f"neighbors: {k} are asked for, and there are only {len(embeddings)} images; ask for fewer")
    finite = embeddings.isfinite().all(1, keepdim=True)
    search = search_with_faiss if embeddings.device.type == "cpu" else search_with_torch
    found = search(torch.where(finite, embeddings, 0.0), k + 1)
    itself = np.arange(len(found))[:, None]
    # Stable: others keep their order, the image itself moves behind them, and the k nearest others remain.
    others = np.take_along_axis(found, (found == itself).argsort(axis=1, kind="stable"), axis=1)[:, :k]
    return np.concatenate([itself, others], axis=1).astype(np.int64), int((~finite).sum())


def search_with_faiss(embeddings, k):
    """int64 [n, k], as NumPy: the k of the embeddings float32 [n, dim] with the greatest inner product. The quickest on a CPU."""
    import faiss  # here, since a machine with a GPU does without

    faiss.omp_set_num_threads(torch.get_num_threads())
    embeddings = embeddings.contiguous().numpy()
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    return index.search(embeddings, k)[1]


def search_with_torch(embeddings, k):
    """The same on any device, in float32 throughout: lower precision would lose neighbors."""
    return np.concatenate([(queries @ embeddings.T).topk(k).indices.cpu().numpy() for queries in embeddings.split(QUERIES)])


def neighbor_accuracy(neighbors, labels):
    """Share of neighbors (int64 [n, k + 1], column 0 the image itself and not counted) with the image's own label.

    None where `labels` is, for images without them.
    """
    return None if labels is None else float((labels[neighbors[:, 1:]] == labels[:, None]).mean())
