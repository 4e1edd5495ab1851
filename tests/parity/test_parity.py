"""The rewrite against the authors' code, function by function.

Where the checkout is at hand, both are run on ten random inputs of each case. golden.npz holds what the authors' code gave
for the first of them (numbers alone), so that the rewrite is held to it where the checkout is not; `python -m
tests.parity.record` renews it.
"""

import numpy as np
import pytest

from tests.parity.cases import CASES
from tests.parity.training import TRAININGS

cases = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def assert_agree(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


@cases
def test_the_rewrite_agrees_with_what_the_authors_code_gave(case, golden):
    assert_agree(case.ours(*case.inputs(np.random.default_rng(0))), golden[case.name], case.tolerance)


@cases
def test_the_rewrite_agrees_with_the_authors_code(case, reference):
    for seed in range(10):
        theirs = case.theirs(reference, *case.inputs(np.random.default_rng(seed)))
        assert_agree(case.ours(*case.inputs(np.random.default_rng(seed))), theirs, case.tolerance)


@cases
def test_the_recorded_numbers_are_the_authors(case, golden, reference):
    assert_agree(case.theirs(reference, *case.inputs(np.random.default_rng(0))), golden[case.name], case.tolerance)


def test_nothing_is_recorded_that_is_not_compared(golden):
    assert golden.keys() == {compared.name for compared in (*CASES, *TRAININGS)}
