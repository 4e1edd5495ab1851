"""A stage's command as several processes that train together (harness/processes.py), begun and watched by torchrun's agent."""

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

import psutil
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, launch_agent

from harness.command import NODES
from harness.errors import UserError

JOB = "SCAN_JOB"
"""The variable by which job.sh names its folder, for the exit code of each node."""
SECONDS = 20  # that processes have to end, once one of them has died


def launch(implementation, arguments, processes):
    """Run `python -m <implementation> <arguments>` as so many processes, or those of this node where srun calls it on several.

    Where one fails all end, and this one with its exit code, as a shell has it: 128 and the signal where it was killed.
    """
    nodes = int(os.environ.get(NODES, 1))
    if processes % nodes:
        raise UserError(f"execution.processes in params.yaml is {processes}, and should be a multiple of the job's {nodes} nodes")
    config = LaunchConfig(nodes, nodes, processes // nodes, max_restarts=0, shutdown_timeout=SECONDS,
                          signals_to_handle="SIGINT,SIGHUP,SIGQUIT", **(meeting_of_nodes() if nodes > 1 else meeting_here()))
    logging.disable(logging.ERROR)  # what torchrun's agent says of exit codes, and of agents that ended before it, is said here
    with passing_on(signal.SIGTERM, signal.SIGUSR1):
        try:
            launch_agent(config, sys.executable, ["-m", implementation, *arguments])
        except ChildFailedError as failed:
            codes = [(failure.exitcode == -signal.SIGTERM, failure.exitcode, rank) for rank, failure in failed.failures.items()]
            ended, code, rank = min(codes)  # a kill goes before what follows from it; by SIGTERM agents end those that are left
            if code < 0:
                print(f"error: process {rank} of {processes} was killed by signal {-code}: run the same command again to go on",
                      file=sys.stderr)
            code = code if code >= 0 else 128 - code
            if nodes > 1 and not ended:
                Path(os.environ[JOB], f"node.{os.environ['SLURM_NODEID']}").write_text(f"{code}\n")
            sys.exit(code)
        except SignalException:
            raise KeyboardInterrupt from None


def meeting_here():
    """Where the processes of one machine find each other, as keywords of LaunchConfig."""
    return {"run_id": str(os.getpid()), "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "local_addr": "localhost"}


def meeting_of_nodes():
    """Where those of the nodes of a Slurm job do: on the first node, at a port of the job's own."""
    job = os.environ["SLURM_JOB_ID"]
    return {"run_id": job, "rdzv_backend": "static", "rdzv_configs": {"rank": int(os.environ["SLURM_NODEID"])},
            "rdzv_endpoint": f"{os.environ['SLURM_LAUNCH_NODE_IPADDR']}:{20000 + int(job) % 10000}"}


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
