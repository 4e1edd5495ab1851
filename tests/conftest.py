"""Real images for every test: patches of scikit-learn's two photographs (RGB) and its handwritten digits (gray)."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_sample_images


@pytest.fixture(scope="session")
def photos():
    """uint8 [256, 3, 32, 32]: patches of a temple and of a flower, half of them thinned out to show more of the scene."""
    rng = np.random.default_rng(0)
    patches = []
    for photo in load_sample_images().images:
        for index in range(128):
            step = 1 + 5 * (index % 2)
            top = rng.integers(photo.shape[0] - 32 * step)
            left = rng.integers(photo.shape[1] - 32 * step)
            patches.append(photo[top : top + 32 * step : step, left : left + 32 * step : step])
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="session")
def digits():
    """uint8 [256, 1, 8, 8]."""
    images = np.rint(load_digits().images[:256] * (255 / 16)).astype(np.uint8)
    return torch.from_numpy(images).unsqueeze(1)


@pytest.fixture
def tf32():
    """What torch's leave to use TF32 is given by, of convolutions and of matrix products; as it was again afterwards."""
    kinds = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = [kind.fp32_precision for kind in kinds]
    yield kinds
    for kind, value in zip(kinds, before):
        kind.fp32_precision = value


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
