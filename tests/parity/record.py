"""python -m tests.parity.record: write golden.npz, what the authors' code gives for each case. Needs the checkout."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np

from harness.files import writing
from tests.parity.cases import CASES
from tests.parity.reference import imported
from tests.parity.training import TRAININGS, networks_of, run

GOLDEN = Path(__file__).with_name("golden.npz")


def main():
    found = {}
    with tempfile.TemporaryDirectory() as root, imported(root) as reference:
        for case in CASES:
            found[case.name] = case.theirs(reference, *case.inputs(np.random.default_rng(0)))
        for training in TRAININGS:
            with tempfile.TemporaryDirectory() as folder, networks_of(training.dtype), contextlib.redirect_stdout(io.StringIO()):
                found[training.name] = training.theirs(reference, training, run(training, folder))
    arrays = {f"{case}/{name}": array for case, named in found.items() for name, array in named.items()}
    with writing(GOLDEN) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{GOLDEN}: {len(arrays)} arrays of {len(found)} cases")


if __name__ == "__main__":
    main()
