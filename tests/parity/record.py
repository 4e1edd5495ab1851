"""python -m tests.parity.record: write golden.npz, what the authors' code gives for each case. Needs the checkout."""

import tempfile

import numpy as np

from harness.files import writing
from tests.parity.cases import CASES
from tests.parity.reference import imported
from tests.parity.test_parity import GOLDEN


def main():
    with tempfile.TemporaryDirectory() as root, imported(root) as reference:
        arrays = {f"{case.name}/{name}": value for case in CASES
                  for name, value in case.theirs(reference, *case.inputs(np.random.default_rng(0))).items()}
    with writing(GOLDEN) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{GOLDEN}: {len(arrays)} arrays of {len(CASES)} cases")


if __name__ == "__main__":
    main()
