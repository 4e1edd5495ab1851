"""A Slurm of its own: two nodes, which are this machine, as its programs take for granted that they may be. It takes root.

It has a key, a folder and ports of its own, so it is in no other Slurm's way, and needs no accounting database.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
NODES = ("n1", "n2")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
Prolog={folder}/prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=bf_interval=5,sched_interval=5,batch_sched_delay=0
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
MailProg=/bin/true
KillWait=5
MinJobAge=60
SlurmdTimeout=15
MessageTimeout=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cores} RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cores} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
PROLOG = """#!/bin/sh
# A job's launch fails for each file launch-fails-*.
for file in {folder}/launch-fails-*; do [ -e $file ] && rm $file && exit 1; done
exit 0
"""


def why_not():
    """Why there can be no Slurm here, or None."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        return f"needs {', '.join(missing)}: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "a Slurm for tests takes root"


class Slurm:
    """A context. Its programs find it by the variable SLURM_CONF, whose value is `conf`.

    Args: cores: that each node is said to have.
    """

    def __init__(self, folder, cores=4):
        self.folder, self.conf, self.cores = Path(folder), Path(folder) / "slurm.conf", cores
        self.processes = {}

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        (self.folder / "prolog").write_text(PROLOG.format(folder=self.folder))
        (self.folder / "prolog").chmod(0o755)
        self.conf.write_text(CONF.format(host=socket.gethostname().split(".")[0], folder=self.folder, cores=self.cores,
                                         ports=free_ports(3)))
        self.begin("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket",
                   f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munged.pid",
                   f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed")
        until(lambda: (self.folder / "munge.socket").exists())
        self.begin_controller()
        for node in NODES:
            self.begin_node(node)
        until(lambda: self.ask("sinfo", "-h", "-N", "-p", "main", "-o", "%T").split() == ["idle"] * len(NODES))
        return self

    def __exit__(self, *_):
        self.ask("scancel", "--user=root", "--signal=KILL", check=False)
        self.ask("scancel", "--user=root", check=False)
        deadline = time.monotonic() + 15
        while self.ask("squeue", "-h", "-o", "%i", check=False).strip() and time.monotonic() < deadline:
            time.sleep(0.2)
        for name in reversed(self.processes):
            self.kill(name)

    def begin(self, name, *arguments, label=None):
        environment = {**os.environ, "SLURM_CONF": str(self.conf), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        self.processes[label or name] = subprocess.Popen(
            [name, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def begin_controller(self):
        self.begin("slurmctld", "-D", "-f", str(self.conf))

    def begin_node(self, node):
        self.begin("slurmd", "-D", "-N", node, "-f", str(self.conf), label=node)

    def kill(self, name):
        """SIGKILL: `slurmctld`, or the slurmd of a node by the node's name. Jobs at work on it are not told."""
        self.processes[name].kill()
        self.processes[name].wait()

    def lose(self, node):
        """A node without power: its slurmd, and all processes of its jobs, are killed."""
        self.kill(node)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(word.startswith(f"{self.folder}/spool.{node}/job") for word in process.cmdline()):  # its script
                    for one in [process.parent(), *process.children(recursive=True), process]:
                        one.kill()

    def ask(self, *command, check=True):
        """What a program of Slurm's prints."""
        done = subprocess.run(command, env={**os.environ, "SLURM_CONF": str(self.conf)}, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, columns="%i %T %j", states="all"):
        """Words of each job, as squeue has them."""
        return [line.split() for line in self.ask("squeue", "-h", f"--states={states}", "-o", columns).splitlines()]

    def live(self):
        """The rows of those that are in the queue or at work."""
        return self.rows(states="PENDING,RUNNING,SUSPENDED,COMPLETING,CONFIGURING")


def free_ports(count):
    """Numbers of ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(true, seconds=60):
    """Wait until `true()` is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "Slurm has not begun, or not done what was waited for"
        time.sleep(0.1)
