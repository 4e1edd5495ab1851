"""A process that has imported the libraries of all stages and forks for each, so that a stage starts at once, not after seconds.

`python -m studies run` has one (`started`). The command of a stage, `python -m reimpl scan ...`, is then a thin client
(`hand_over`): a fork of the server becomes the process that it would have been, and the client waits for the exit code. Where
there is no server, or the fork ends without an exit code, the command runs in the process itself, from the stage's checkpoint if
it has one. A client that ends takes its fork with it; a server that ends leaves the forks at work alone.

A fork computes the same bits. The server runs nothing in parallel and draws no random number, and it inherits the variables that
libraries read while they are imported (OMP_NUM_THREADS, ATEN_CPU_CAPABILITY) from where its clients do. It imports libraries, and
nothing of this project: each fork reads the code as it then stands, and what identifies a training (harness.session) is the same
with a server and without. What a stage changes in a library (original_ref/shims.py) ends with its fork.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

ADDRESS = "SCAN_SERVER"  # the variable that holds the path of the server's socket
LIBRARIES = ("PIL.Image", "faiss", "matplotlib.pyplot", "requests", "scipy.optimize", "sklearn.cluster", "sklearn.datasets",
             "sklearn.metrics", "torch._dynamo", "torchvision.datasets", "torchvision.transforms", "tqdm", "wandb.sdk.launch",
             "yaml")
MOST = 1 << 20  # bytes of a message


@contextlib.contextmanager
def started(device):
    """Have a server for the stages that run inside the block, if they run on a CPU. Yields its process, or None.

    Args: device: as execution.device has it.
    """
    with contextlib.ExitStack() as block:
        server = None
        if device != "cuda":  # which does not survive a fork
            with contextlib.suppress(OSError):  # where there are no such sockets, as on macOS, stages start by themselves
                server = block.enter_context(_started(device))
        yield server


@contextlib.contextmanager
def _started(device):
    with tempfile.TemporaryDirectory(prefix="scan-") as folder:
        address = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:  # each message arrives whole
            listener.bind(address)
            listener.listen()
            command = [sys.executable, "-P", __file__, str(listener.fileno()), device]  # a file alone, and no package
            server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True)
        os.environ[ADDRESS] = address
        try:
            yield server
        finally:
            del os.environ[ADDRESS]
            server.kill()
            server.communicate()


def hand_over(package, arguments):
    """Let a fork of the server run `python -m <package> <arguments>`.

    Returns: its exit code, or None where it is to be run here: there is no server, or the fork was killed.
    """
    address = os.environ.pop(ADDRESS, None)
    if address is None:
        return None
    interrupted = signal.getsignal(signal.SIGINT)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as fork:
            fork.connect(address)
            request = json.dumps([package, arguments, sys.path, os.getcwd(), dict(os.environ)])
            socket.send_fds(fork, [request.encode()], [0, 1, 2])
            pid = int(fork.recv(MOST))
            signal.signal(signal.SIGINT, lambda *_: _interrupt(pid))
            code = int(fork.recv(MOST))
            fork.recv(MOST)  # nothing, once it has ended
            return code
    except (OSError, ValueError):  # the one where nobody listens, the other where nothing is heard any more
        return None
    finally:
        signal.signal(signal.SIGINT, interrupted)


def _interrupt(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)


def serve(listener, device):
    """Fork for each client until the process that started this one has ended, whose end of the standard input then closes."""
    import torch

    if device == "auto" and torch.cuda.is_available():
        return
    os.environ["MPLBACKEND"] = "Agg"  # which matplotlib reads now, and the authors' code needs
    for library in LIBRARIES:
        with contextlib.suppress(ImportError):  # a machine may do without faiss or W&B
            importlib.import_module(library)
    gc.freeze()  # or each fork would look through all of it, and so copy it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the exit code goes to the client
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            run(connection)
        connection.close()


def run(connection):
    """Become the process that the client at the other end would have been, run its command, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(connection, MOST, 3)
    package, arguments, sys.path[:], folder, environment = json.loads(request)
    for ours, theirs in enumerate(streams):
        os.dup2(theirs, ours)
        os.close(theirs)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [package, *arguments]
    connection.send(str(os.getpid()).encode())
    threading.Thread(target=_end_with_the_client, args=(connection,), daemon=True).start()
    code = 1
    try:
        runpy.run_module(package, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    connection.send(str(code).encode())
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)  # to take all libraries down again, as the interpreter does, takes most of a second


def _end_with_the_client(connection):
    connection.recv(MOST)  # returns when the client's end is closed
    os._exit(1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
