"""Serial lines that do not exist: a pseudo-terminal behind a link, as slow as a wire if wanted."""

import os
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from collector.errors import EnergyMonitorError

SILENT_CHARACTERS = 3.5  # between two frames (Modbus over Serial Line V1.02, 2.5.1.1)


@contextmanager
def pseudo_terminal(link: Path) -> Iterator[int]:
    """Yield our side of a pseudo-terminal whose other side is *link*, which goes in the end.

    Raise EnergyMonitorError where something else stands at *link*.
    """
    if link.exists() and not link.is_symlink():
        msg = f"{link} is something else than a link: name another place for the serial port"
        raise EnergyMonitorError(msg)
    ours, theirs = os.openpty()
    # Their side stays open here too, or a master that closes it would take ours away.
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    name = os.ttyname(theirs)
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    try:
        yield ours
    finally:
        if link.is_symlink() and str(link.readlink()) == name:
            link.unlink()
        os.close(theirs)
        os.close(ours)


@dataclass(frozen=True)
class Wire:
    """How long things take on a real line; through a pseudo-terminal they take no time."""

    character_s: float
    turnaround_s: float


def send(port: int, frame: bytes, wire: Wire | None, request_bytes: int) -> None:
    """Send *frame*; on a *wire* byte by byte, and not before the request could have come.

    What nobody reads is lost once the pseudo-terminal is full, as on a wire.
    """
    with suppress(BlockingIOError):
        for piece in [frame] if wire is None else paced(frame, wire, request_bytes):
            os.write(port, piece)


def paced(frame: bytes, wire: Wire, request_bytes: int) -> Iterator[bytes]:
    """Yield each byte of *frame* when the last of its bits would have come."""
    due_s = time.monotonic() + wire.turnaround_s
    due_s += (request_bytes + SILENT_CHARACTERS) * wire.character_s
    for number in range(len(frame)):
        due_s += wire.character_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield frame[number : number + 1]
