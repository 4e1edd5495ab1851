"""What is left half-written and removed. Kills that leave it, and DVC's own files, are in tests/pipeline/test_side_by_side.py."""

import os
import subprocess
import sys

from harness.engine.repair import remove_partial
from harness.files import writer


def test_only_what_a_process_of_this_machine_left_that_is_no_more_is_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    stays = {f".model.pt{writer(os.getpid())}", f".model.pt.elsewhere.{ended.pid}.partial", ".cifar-10-python.tar.gz.partial",
             ".a.partial", "..partial", ".a.\u00b2.partial"}
    place = tmp_path / "data/raw"
    place.mkdir(parents=True)
    for name in (*stays, f".model.pt{writer(ended.pid)}"):
        (place / name).touch()
    remove_partial()
    assert {file.name for file in place.iterdir()} == stays
