"""Serial adapters: which there are, what slows them down, what they cannot do, and the remedy."""

from contextlib import suppress
from pathlib import Path
from typing import Any

UDEV_RULE = 'SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{latency_timer}="1"'
UDEV_FILE = "/etc/udev/rules.d/60-energy-monitor.rules"
NO_PARITY = (
    "is the mini-UART of this Raspberry Pi, which knows no parity: use a USB adapter, "
    "or /dev/ttyAMA0 after 'dtoverlay=disable-bt' in config.txt"
)


def ports() -> list[str]:
    """Return the serial ports of this machine, each by its most lasting name."""
    from serial.tools import list_ports  # noqa: PLC0415  only here

    return [lasting_name(port.device) for port in sorted(list_ports.comports())]


def lasting_name(device: str, dev: Path = Path("/dev")) -> str:
    """Return the name of *device* that lasts: by what it is, or by where it is plugged in."""
    for folder in ("by-id", "by-path"):
        for link in sorted((dev / "serial" / folder).glob("*")):
            if link.resolve() == Path(device).resolve():
                return str(link)
    return device


def latency_file(url: str, root: Path = Path("/")) -> Path:
    """Return where an FTDI adapter's latency timer stands; other adapters have no such file."""
    return root / "sys/bus/usb-serial/devices" / Path(url).resolve().name / "latency_timer"


def latency_ms(url: str, root: Path = Path("/")) -> int | None:
    """Return how long the adapter may hold received bytes back; None where it does not say."""
    try:
        return int(latency_file(url, root).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def quicken(url: str, port: Any, root: Path = Path("/")) -> None:
    """Have an FTDI adapter pass on at once what it receives, where we may tell it so.

    It holds bytes back for 16 ms by default, once in every answer. The flag of the open *port*
    may be set by whoever may open it, the file only by root or by the udev rule of ``advice``.
    """
    if latency_ms(url, root) in (None, 1):
        return
    with suppress(ValueError):  # this driver does not know the flag
        port.set_low_latency_mode(True)
    if latency_ms(url, root) != 1:
        with suppress(OSError):  # not ours to write; ``advice`` tells
            latency_file(url, root).write_text("1", encoding="ascii")


def advice(url: str, parity: str, *, is_open: bool, root: Path = Path("/")) -> list[str]:
    """Return a sentence for each thing about the adapter that its owner should change.

    What is still slow when the port *is_open* could not be quickened.
    """
    found = []
    held_ms = latency_ms(url, root)
    if is_open and held_ms is not None and held_ms > 1:
        found.append(
            f"{url} holds received bytes back for {held_ms} ms: write the line '{UDEV_RULE}' "
            f"into {UDEV_FILE}, then unplug the adapter and plug it in again"
        )
    if parity != "none" and is_mini_uart(url, root):
        found.append(f"{url} {NO_PARITY}")
    if url.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        found.append(f"{url} may have another number after a restart: use its /dev/serial/by-id/…")
    return found


def is_mini_uart(url: str, root: Path = Path("/")) -> bool:
    model = root / "sys/firmware/devicetree/base/model"
    try:
        board = model.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "Raspberry Pi" in board and Path(url).resolve().name == "ttyS0"
