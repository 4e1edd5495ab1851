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


@pytest.fixture
def rates(record_property):
    """Called with a rule, a case and how often it is wrong: a line of the table at the end of the output."""
    return lambda rule, case, rate: record_property("rate", (rule, case, float(rate)))


def pytest_terminal_summary(terminalreporter):
    """Simulated error rates, as the tests recorded them (also those of pytest-xdist's workers)."""
    reports = (report for found in terminalreporter.stats.values() for report in found)
    lines = [value for report in reports if getattr(report, "when", "") == "call"
             for key, value in report.user_properties if key == "rate"]
    if lines:
        terminalreporter.section("simulated error rates")
        for rule in dict.fromkeys(rule for rule, _, _ in lines):
            terminalreporter.line(rule)
            for _, case, rate in (line for line in lines if line[0] == rule):
                terminalreporter.line(f"    {case:<34} {100 * rate:5.1f} %")
