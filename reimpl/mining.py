"""Nearest neighbors, and how many of them share the image's class."""

import numpy as np
import torch

from harness.errors import UserError

QUERIES = 4096  # at a time on a GPU: their similarities to a million images take 16 GB
EXACT = 1e14  # products that an exact search on a CPU may take: an hour of one core (3e10 a second, AMD EPYC with AVX-512)
PROBES = 64  # lists that are searched for an image, where not all are
CHECKED = 1000  # images, evenly spaced, by which the recall is measured


def mine(embeddings, k):
    """The k images most similar to each, by inner product of unit vectors, on the device of the embeddings.

    They are found exactly, but on a CPU where that takes more than EXACT products: there in inverted lists (IVF), by faiss.

    Args: float32 [n, dim]; vectors that are not finite count as zero.
    Returns: int64 [n, k + 1] as NumPy, the image itself in column 0 and then its neighbors, nearest first; how many embeddings
    were not finite; and the recall of a search in lists, the share of what an exact one finds, or None.
    (The reference takes whatever comes first for the image itself, which duplicates and rounding can put elsewhere.)
    """
    if k >= len(embeddings):
        raise UserError(f"neighbors: {k} are asked for, and there are only {len(embeddings)} images; ask for fewer")
    finite = embeddings.isfinite().all(1, keepdim=True)
    embeddings, recall = torch.where(finite, embeddings, 0.0), None
    itself = np.arange(len(embeddings))
    if embeddings.device.type != "cpu":
        found = others(search_with_torch(embeddings, k + 1), itself)
    elif len(embeddings) * embeddings.numel() <= EXACT:
        found = others(search_with_faiss(embeddings, k + 1), itself)
    else:
        found = others(search_in_lists(embeddings, k + 1), itself)
        checked = slice(None, None, max(1, len(embeddings) // CHECKED))
        exact = others(search_with_faiss(embeddings, k + 1, embeddings[checked]), itself[checked])
        recall = float(np.mean([np.isin(*pair).mean() for pair in zip(exact, found[checked])]))
    return np.concatenate([itself[:, None], found], axis=1).astype(np.int64), int((~finite).sum()), recall


def others(found, itself):
    """int64 [n, k]: of images found, int64 [n, k + 1], those that are not the image itself, int64 [n]."""
    # Stable: others keep their order, the image itself moves behind them, and the k nearest others remain.
    return np.take_along_axis(found, (found == itself[:, None]).argsort(axis=1, kind="stable"), axis=1)[:, :-1]


def search_with_faiss(embeddings, k, queries=None):
    """int64 [n, k], as NumPy: the k of the embeddings float32 [n, dim] with the greatest inner product with each of the queries
    (themselves, by default). The quickest on a CPU."""
    import faiss  # here, since a machine with a GPU does without

    faiss.omp_set_num_threads(torch.get_num_threads())
    embeddings = embeddings.contiguous().numpy()
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    return index.search(embeddings if queries is None else queries.contiguous().numpy(), k)[1]


def search_in_lists(embeddings, k):
    """The same among the images of the PROBES lists, of 4 sqrt(n), whose centres are nearest. Where these hold too few, the image
    itself fills up, as its own neighbor."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    vectors, lists = embeddings.contiguous().numpy(), int(4 * len(embeddings) ** 0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    index.nprobe = PROBES
    found = index.search(vectors, k)[1]
    return np.where(found < 0, np.arange(len(found))[:, None], found)


def search_with_torch(embeddings, k):
    """The same on any device, in float32 throughout: lower precision would lose neighbors."""
    return np.concatenate([(queries @ embeddings.T).topk(k).indices.cpu().numpy() for queries in embeddings.split(QUERIES)])


def neighbor_accuracy(neighbors, labels):
    """Share of neighbors (int64 [n, k + 1], column 0 the image itself and not counted) with the image's own label.

    None where `labels` is, for images without them.
    """
    return None if labels is None else float((labels[neighbors[:, 1:]] == labels[:, None]).mean())
