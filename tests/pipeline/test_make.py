"""What the Makefile does by itself."""

import shutil
import subprocess

from tests.pipeline.conftest import ROOT


def test_clean_keeps_what_was_downloaded_and_what_is_the_users(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    made = ["runs/digits/a", "report/output/digits/index.html", "checkpoints/c", "wandb/w", "data/digits/d.npy"]
    kept = ["data/raw/cifar10/archive", "params.yaml", "params/digits.yaml", "report/page.py"]
    for name in made + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert left == {*kept, "Makefile"}
