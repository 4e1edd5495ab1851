"""A stage's command as several processes that train together (harness/processes.py), begun and watched by torchrun's agent."""

import contextlib
import logging
import os
import signal
import sys

import psutil
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, launch_agent

SECONDS = 20  # that processes have to end, once one of them has died


def launch(implementation, arguments, processes):
    """Run `python -m <implementation> <arguments>` as so many processes.

    Where one fails all end, and this one with its exit code, as a shell has it: 128 and the signal where it was killed.
    """
    config = LaunchConfig(1, 1, processes, run_id=str(os.getpid()), rdzv_backend="c10d", rdzv_endpoint="localhost:0",
                          local_addr="localhost", max_restarts=0, signals_to_handle="SIGINT,SIGHUP,SIGQUIT",
                          shutdown_timeout=SECONDS)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what it says of exit codes is said here
    with passing_on(signal.SIGTERM, signal.SIGUSR1):
        try:
            launch_agent(config, sys.executable, ["-m", implementation, *arguments])
        except ChildFailedError as failed:
            codes = [(failure.exitcode == -signal.SIGTERM, failure.exitcode, rank) for rank, failure in failed.failures.items()]
            _, code, rank = min(codes)  # a kill goes before what follows from it; by SIGTERM the agent ends those that are left
            if code < 0:
                print(f"error: process {rank} of {processes} was killed by signal {-code}: run the same command again to go on",
                      file=sys.stderr)
            sys.exit(code if code >= 0 else 128 - code)
        except SignalException:
            raise KeyboardInterrupt from None


@contextlib.contextmanager
def passing_on(*numbers):
    """Send signals on to the processes that this one has begun, which save themselves (errors.told_to_stop)."""
    def send(number, _):
        for process in psutil.Process().children():
            process.send_signal(number)

    before = {number: signal.signal(number, send) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
