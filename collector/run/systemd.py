"""What systemd is told (sd_notify, man 3): ready, alive, stopping."""

import os
import socket


def notify(message: str) -> None:
    """Tell systemd (sd_notify, man 3), where it listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(message.encode(), address.replace("@", "\0", 1))
