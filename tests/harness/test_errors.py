"""How a command ends whose reader has gone, or that is to write where it cannot."""

import subprocess
import sys

import pytest

from harness.errors import guarded
from harness.files import write_json

PRINTS = """
import sys
from harness.errors import guarded
sys.exit(guarded(lambda: [print("line " * 1000, flush=True) for _ in range(1000)]))
"""


def test_a_command_whose_reader_has_read_enough_ends_without_a_traceback():
    """As `python -m studies plan | head` does: five megabytes are more than a pipe holds."""
    with subprocess.Popen([sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        assert command.stdout.readline().startswith("line line")
        command.stdout.close()
        assert command.stderr.read() == "" and command.wait() == 141


@pytest.mark.parametrize("out, says", [
    ("file/listing.json", "file: File exists"), ("file/deeper/listing.json", "file/deeper: Not a directory"),
    ("folder", "/folder: Is a directory"), ("a" * 300, "File name too long"),
])
def test_a_path_that_cannot_be_written_to_is_one_line(tmp_path, capsys, out, says):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert guarded(write_json, tmp_path / out, {}) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}") and says in line
