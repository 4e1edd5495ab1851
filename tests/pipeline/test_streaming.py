"""Images that stay in their files, as those of a large data set do: the same weights and predictions, bit for bit."""

import shutil

import pytest

from .conftest import STAGES


@pytest.mark.parametrize("name", ["pretext", "neighbors", "scan", "selflabel"])
def test_a_stage_makes_the_same_of_images_that_it_reads_batch_by_batch(project, name):
    out = STAGES[name][-1]
    before = project.bytes(f"{out}/*.[pn][tp]*")
    assert before
    shutil.rmtree(project.folder / out)
    project.edit("params.yaml", lambda params: params["execution"].update(resident_mib=0))
    project.stage(name)
    assert project.bytes(f"{out}/*.[pn][tp]*") == before
