"""What keeps runs apart: each machine is locked by the run that has it, and a lock ends with its
process. A machine that nobody has locked was left by a run that was killed.
"""

import fcntl
import os
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.appliance.lab import CACHE, CGROUPS, MACHINES, host


def lock(file, *, wait=False):
    """Return *file* opened and locked until it is closed; nothing where another has locked it."""
    opened = file.open("w")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        opened.close()
        return None
    return opened


@contextmanager
def one_at_a_time():
    """Let one run at a time prepare trees and machines."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with lock(CACHE / "lock", wait=True):
        yield


def sweep():
    """Take away the machines of runs that were killed."""
    for file in MACHINES.glob("*/lock"):
        if held := lock(file):
            take_away(file.parent)
            held.close()


def take_away(folder):
    """Remove the machine in *folder*, with all that it has outside of it."""
    cgroup = CGROUPS / f"energy-monitor-{folder.name}"
    end_processes(cgroup)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if Path(mount).is_relative_to(folder):
            host("umount", mount)
    if Path("/run/netns", folder.name).exists():
        host("ip", "netns", "delete", folder.name)
    remove_cgroup(cgroup)
    shutil.rmtree(folder)


def remove_cgroup(cgroup):
    """Remove *cgroup* with those below: a process that has ended still holds its own a moment."""
    deadline = time.monotonic() + 30
    for each in sorted(cgroup.glob("**/"), reverse=True):
        while each.exists():
            try:
                each.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def end_processes(cgroup):
    """End what still runs in *cgroup*, and return when all of it is gone."""
    deadline = time.monotonic() + 30
    while left := [
        pid for each in cgroup.rglob("cgroup.procs") for pid in each.read_text().split()
    ]:
        assert time.monotonic() < deadline, f"processes {left} in {cgroup} do not end"
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.1)


def share(packages, folder):
    """Link the Debian packages in *packages* into *folder*, where they are not there yet.

    Two machines can't have the same folder: apt locks it.
    """
    folder.mkdir(exist_ok=True)
    for each in packages.glob("*.deb"):
        with suppress(FileExistsError):
            (folder / each.name).hardlink_to(each)
