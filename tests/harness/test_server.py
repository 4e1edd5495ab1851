"""The server against `python -m` itself, on a package of a few lines: what comes through, and what becomes of a killed end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import server

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 300  # seconds, for what takes a few on an idle machine
PACKAGE = """
import os, sys, time, warnings
from pathlib import Path

what = sys.argv[1]
if what == "tell":
    print(Path.cwd(), sys.argv[1:], sys.stdin.read(), os.environ["SAID"], os.environ.get("SCAN_SERVER") or "", sys.path, __name__)
    print("to standard error", file=sys.stderr)
elif what == "code":
    sys.exit(int(sys.argv[2]))
elif what == "raise":
    print("before")
    raise RuntimeError("a bug")
elif what == "sources":
    import harness.command  # as every stage does
    from harness.session import source_files
    print(*source_files())
elif what == "late":
    import atexit
    atexit.register(print, "at exit")
elif what == "wait":
    try:
        Path(f"{os.getpid()}.pid").touch()
        for _ in range(6000):
            time.sleep(0.05)
            if Path("go").exists():
                sys.exit(5)
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(130)
"""
CLIENT = """
import sys
from harness.server import hand_over
code = hand_over("package", sys.argv[1:])
heavy = {"numpy", "torch", "yaml"} & set(sys.modules)
print("here" if code is None else heavy or "", file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module", autouse=True)
def interruptible():
    """What a shell starts in the background ignores interrupts, and all that it starts inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def running(interruptible):
    """A server."""
    with server.started("cpu") as process:
        yield process


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__main__.py").write_text(PACKAGE)
    (tmp_path / "client.py").write_text(CLIENT)
    return tmp_path


def begin(folder, *command, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SAID": "é and \udcff", **more}
    return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, text=True, errors="surrogateescape",
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def client(folder, *arguments):
    return begin(folder, "-m", "client", *arguments)


def finish(process, text=""):
    """Exit code, standard output and standard error."""
    out, error = process.communicate(text, timeout=PATIENCE)
    return process.returncode, out, error


def until(condition):
    """Wait until `condition()` holds; return what it gave."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def at_work(folder):
    """The process that runs the package, once it does."""
    (file,) = until(lambda: list(folder.glob("*.pid")))
    return int(file.stem)


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("arguments", [["tell", "a b", "--c=é"], ["code", "0"], ["code", "3"], ["late"], ["sources"]])
def test_all_is_as_in_a_process_of_its_own(running, folder, arguments):
    """Arguments, folder, streams, environment, exit code, what is registered for the end, and the project's modules imported."""
    code, out, error = finish(begin(folder, "-m", "package", *arguments, **{server.ADDRESS: ""}), "typed\n")
    served = finish(client(folder, *arguments), "typed\n")
    assert served == (code, out, error + "\n")  # CLIENT's own line, empty: neither run here nor anything heavy imported
    assert out or arguments[0] == "code"


def test_a_bug_has_its_traceback_and_ends_the_fork_alone(running, folder):
    code, out, error = finish(client(folder, "raise"))
    assert (code, out) == (1, "before\n")
    assert "Traceback" in error and "package/__main__.py" in error and "\nRuntimeError: a bug\n" in error
    assert finish(client(folder, "code", "4"))[0] == 4


def test_an_interrupt_of_the_client_is_the_stages(running, folder):
    process = client(folder, "wait")
    at_work(folder)
    process.send_signal(signal.SIGINT)
    assert finish(process) == (130, "interrupted\n", "\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_client_that_is_killed_takes_its_stage_with_it(running, folder, number):
    process = client(folder, "wait")
    pid = at_work(folder)
    process.send_signal(number)
    until(lambda: not alive(pid))
    assert finish(process)[0] == -number


def test_a_stage_that_is_killed_is_to_be_run_by_the_client(running, folder):
    process = client(folder, "wait")
    os.kill(at_work(folder), signal.SIGKILL)
    assert finish(process)[2] == "here\n"


def test_a_server_that_is_killed_leaves_the_stages_at_work(monkeypatch, folder):
    monkeypatch.setenv(server.ADDRESS, "")  # so that the other server's comes back
    with server.started("cpu") as process:
        running = client(folder, "wait")
        at_work(folder)
        process.kill()
        process.wait()
        assert finish(client(folder, "code", "3"))[2] == "here\n"
        (folder / "go").touch()
        assert finish(running) == (5, "", "\n")


def test_a_client_does_not_wait_for_a_server_that_ends_while_it_loads(monkeypatch, folder):
    """As one does that finds a GPU."""
    monkeypatch.setenv(server.ADDRESS, "")
    with server.started("cpu") as process:
        waiting = client(folder, "code", "3")
        time.sleep(1)  # within which it most likely has come to wait
        process.kill()
        assert finish(waiting)[2] == "here\n"


def test_a_server_ends_with_the_process_that_started_it(folder):
    program = ("import time\nfrom harness.server import started\n"
               "with started('cpu') as server:\n    print(server.pid, flush=True)\n    time.sleep(600)")
    starter = begin(folder, "-c", program)
    pid = int(starter.stdout.readline())
    starter.kill()
    finish(starter)
    until(lambda: not alive(pid))


@pytest.mark.parametrize("address", ["", "/nowhere/socket"])
def test_without_a_server_the_command_runs_where_it_is(monkeypatch, folder, address):
    monkeypatch.setenv(server.ADDRESS, address)
    assert finish(client(folder, "code", "3"))[2] == "here\n"


def test_there_is_no_server_on_a_gpu(monkeypatch):
    monkeypatch.delenv(server.ADDRESS, raising=False)
    with server.started("cuda") as process:
        assert process is None and server.ADDRESS not in os.environ
