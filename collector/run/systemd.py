"""What systemd is told (sd_notify, man 3): ready, alive, stopping."""

import os
import re
import socket
from contextlib import suppress

WAIT_S = 1.0
UNWATCHED_S = 20.0


def notify(message: str) -> None:
    """Tell systemd (sd_notify, man 3), where it listens; where it does not, nobody waits for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.settimeout(WAIT_S)
        door.sendto(message.encode(), address.replace("@", "\0", 1))


def watchdog_s() -> float:
    """Return within how many seconds systemd wants to hear from us."""
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if re.fullmatch("[1-9][0-9]{0,15}", text) else UNWATCHED_S
