import numpy as np
import pytest

from tests.parity import reference as authors
from tests.parity.record import GOLDEN


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """The authors' modules; a test that asks for them is skipped where the checkout is not at hand."""
    if not authors.at_hand():
        pytest.skip("the authors' code is not here: `python -m original_ref fetch` brings it")
    with authors.imported(tmp_path_factory.mktemp("reference")) as modules:
        yield modules


@pytest.fixture(scope="session")
def golden():
    """What the authors' code gave, by case: array by name."""
    cases = {}
    with np.load(GOLDEN, allow_pickle=False) as archive:
        for key in archive.files:
            case, name = key.split("/")
            cases.setdefault(case, {})[name] = archive[key]
    return cases
