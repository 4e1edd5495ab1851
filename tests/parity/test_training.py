"""The rewrite's stages against the authors' training functions, run beside them, and against the losses that these once gave."""

import numpy as np
import pytest
import torch

from tests.parity.training import TRAININGS, networks_of, run

# Over instruction sets (none, AVX2, AVX-512, AMX), one thread and two, and five starts a unit in the last place apart, rounding
# moved a loss of the twenty steps by 6e-5 in float32, SimCLR's most, and by 7e-15 in float64.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
pytestmark = pytest.mark.rounding
trainings = pytest.mark.parametrize("training", TRAININGS, ids=[training.name for training in TRAININGS])


@pytest.fixture
def ran(training, tmp_path):
    """The rewrite's stage has run."""
    with networks_of(training.dtype):
        yield run(training, tmp_path)


def assert_close(found, expected, dtype):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=TOLERANCE[dtype], err_msg=name)


@trainings
def test_the_stage_learns_as_the_authors_code_does(training, ran, reference):
    assert_close(ran.found, training.theirs(reference, training, ran), training.dtype)


@trainings
def test_the_stage_learns_as_the_authors_code_did(training, ran, golden):
    assert_close(ran.found, golden[training.name], training.dtype)
    losses = ran.found["loss"]
    assert len(losses) == 20 and losses[0] > losses[-1]  # the steps had something to tell
