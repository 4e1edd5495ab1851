"""Weights and checkpoints on disk: written whole or not at all, read without unpickling."""

import io
import pickle
import zipfile

import torch

from harness.errors import UserError
from harness.files import existing, writing


def save(path, value):
    """Tensors, numbers, strings, and lists and mappings of them."""
    buffer = io.BytesIO()  # torch's own writer would turn a full disk into an error without a name
    torch.save(value, buffer)
    with writing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path, mend, keys=()):
    """The mapping from text that `save` wrote, on the CPU.

    Args: mend: what to do, for messages, about a file that cannot be read; keys: which it has to have.
    """
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is truncated or no file of weights ({_first_line(error)}): {mend}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value) or not set(keys) <= set(value):
        raise UserError(f"{path} is no mapping of {', '.join(keys) or 'names to weights'}: {mend}")
    return value


def load_into(model, path, made_by):
    """Fill `model` with the weights of `path`, all of them and no others."""
    state = load(existing(path, made_by), f"remove it and run `{made_by}`")
    fill(model, state, path, f"remove it and run `{made_by}`")


def fill(model, state, path, mend):
    try:
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise UserError(f"{path} holds the weights of another network ({_first_line(error)}): {mend}") from None


def count_clusters(state, path, mend):
    """How many clusters the weights of a clustering model tell apart, by their head 0."""
    bias = state.get("cluster_head.0.bias")
    if not isinstance(bias, torch.Tensor) or bias.ndim != 1:
        raise UserError(f"{path} holds no cluster head: {mend}")
    return len(bias)


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)][:120] if lines else type(error).__name__
