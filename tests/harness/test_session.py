"""What a stage at work asks of the machine. (Seeds, clock and hashes are tested where stages run.)"""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from harness.session import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
keep_freed_memory()
print(before, min(faults() for _ in range(4)))  # the first ones are handed out by the system, until there are enough
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_freed_memory_is_not_asked_of_the_system_again():
    """Pages that the system hands out for tensors of 64 MiB, one after another, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10
