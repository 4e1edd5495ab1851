"""Images that stay in their files, as those of a large data set do: the same weights and predictions, bit for bit. And whole
photographs, which are cropped as they are read."""

import shutil

import pytest

from .conftest import STAGES
from .test_unlabelled import as_folder

TRAINED = ("pretext", "scan", "selflabel")


@pytest.mark.parametrize("name", ["pretext", "neighbors", "scan", "selflabel"])
def test_a_stage_makes_the_same_of_images_that_it_reads_batch_by_batch(project, name):
    out = STAGES[name][-1]
    before = project.bytes(f"{out}/*.[pn][tp]*")
    assert before
    shutil.rmtree(project.folder / out)
    project.edit("params.yaml", lambda params: params["execution"].update(resident_mib=0))
    project.stage(name)
    assert project.bytes(f"{out}/*.[pn][tp]*") == before


def test_what_is_trained_on_whole_photographs_is_what_they_are_cropped_to(project):
    """Weights differ from those of the middles alone."""
    as_folder(project, labelled=("train", "test"))
    found = []
    for whole in (False, True):
        project.edit("params/digits.yaml", lambda digits, whole=whole: (
            digits["dataset"].update(size=8, shorter=10, whole=whole), digits["augmentation"]["simclr"].update(rotation=0),
            digits["pretext"]["simclr"]["augmentation"]["simclr"].update(rotation=0)))
        for name in ("dataset", "pretext", "neighbors", *TRAINED[1:]):
            shutil.rmtree(project.folder / STAGES[name][-1], ignore_errors=True)
            project.stage(name)
        assert len(list((project.folder / "data/digits").glob("*_whole.bin"))) == 2 * whole
        found.append([project.bytes(f"{STAGES[name][-1]}/model.pt") for name in TRAINED])
    assert all(middles != whole for middles, whole in zip(*found))
