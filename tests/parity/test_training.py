"""The rewrite's stages against the authors' training functions, run beside them, and against the losses that these once gave."""

import numpy as np
import pytest
import torch

from tests.parity.training import TRAININGS, networks_of, run

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
RECORDED_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}  # other processors round sums differently, step after step
trainings = pytest.mark.parametrize("training", TRAININGS, ids=[training.name for training in TRAININGS])


@pytest.fixture
def ran(training, tmp_path):
    """The rewrite's stage has run."""
    with networks_of(training.dtype):
        yield run(training, tmp_path)


def assert_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=tolerance, err_msg=name)


@trainings
def test_the_stage_learns_as_the_authors_code_does(training, ran, reference):
    assert_close(ran.found, training.theirs(reference, ran), TOLERANCE[training.dtype])


@trainings
def test_the_stage_learns_as_the_authors_code_did(training, ran, golden):
    assert_close(ran.found, golden[training.name], RECORDED_TOLERANCE[training.dtype])
    losses = ran.found["loss"]
    assert len(losses) == 20 and losses[0] > losses[-1]  # the steps had something to tell
