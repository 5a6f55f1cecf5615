"""Root steps down before it works in a folder of the service's user, who could plant links there.

What it makes then belongs to that user by itself. It keeps the right to read what is others', as
the unit of the backups has it: secrets and Grafana's database are in a backup.
"""

import ctypes
import grp
import os
import struct
from collections.abc import Collection
from pathlib import Path

PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 4, 8  # <linux/prctl.h>
CAPABILITIES_3 = 0x20080522  # <linux/capability.h>: two words of 32 rights each
READ_SEARCH = 1 << 2  # CAP_DAC_READ_SEARCH


def owner_of(folder: Path) -> tuple[int, int]:
    """Return the user and group that may change *folder*; root's where no other user can.

    It is the owner of the folder or, where that is root or missing, of the nearest one above it
    that is not root's: he could exchange what is below.
    """
    folder = folder.absolute()
    for each in (folder, *folder.parents):
        try:
            about = each.stat()
        except FileNotFoundError:
            continue
        if about.st_uid:
            return about.st_uid, about.st_gid
    return 0, 0


def step_down(folder: Path, groups: Collection[str] = ()) -> None:
    """Be the owner of *folder* from now on, where this is root; in *groups* too, if there are such.

    The rest of root's rights is gone for good, but for that to read. Raise OSError.
    """
    user, group = owner_of(folder)
    if os.geteuid() != 0 or user == 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([each.gr_gid for each in grp.getgrall() if each.gr_name in groups])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    os.umask(0o077)
    header = struct.pack("Ii", CAPABILITIES_3, 0)
    # effective, permitted, inheritable; a container may deny it, and then others' files stay shut
    libc.capset(header, struct.pack("6I", READ_SEARCH, READ_SEARCH, 0, 0, 0, 0))


def let_programs_read() -> None:
    """Let programs that this process starts open what it holds in memory, under /proc.

    To have changed its user, or a right that they lack, would keep them out: so the right to read
    what is others' goes for good. Read that before.
    """
    if Path("/proc/self/fd").stat().st_uid == os.geteuid():  # proc(5): open to its programs
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.capset(struct.pack("Ii", CAPABILITIES_3, 0), struct.pack("6I", 0, 0, 0, 0, 0, 0))
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
