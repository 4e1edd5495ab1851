"""How a command ends whose reader has gone."""

import subprocess
import sys

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
