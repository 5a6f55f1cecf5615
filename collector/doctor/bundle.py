"""The bundle: what a bug report needs, in one file, without any secret and without readings."""

import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

from collector import __version__, files
from collector.doctor.case import COMPOSE_FILE, Case
from collector.doctor.finding import CannotTell
from collector.doctor.redact import Redactor, values_of
from collector.errors import EnergyMonitorError

FOLDER = "energy-monitor-doctor"
LOG_LINES = 500
USB_FILES = ("idVendor", "idProduct", "manufacturer", "product", "speed")  # and no serial number
COMMANDS = {
    "log.txt": [
        *("journalctl", "--unit=energy-monitor-*", f"--lines={LOG_LINES}", "--no-pager"),
        *("--output=short-iso", "--no-hostname"),
    ],
    "units.txt": ["systemctl", "list-units", "--all", "--no-pager", "energy-monitor-*"],
    "timers.txt": ["systemctl", "list-timers", "--all", "--no-pager", "energy-monitor-*"],
    "containers.txt": ["docker", "ps", "--all"],
    "df.txt": ["df", "--human-readable", "--print-type"],
    "free.txt": ["free", "--mebi"],
    "uname.txt": ["uname", "-s", "-r", "-v", "-m"],
}


def write(case: Case, file: Path, findings: dict[str, str]) -> int:
    """Write the bundle to *file* and return its size; *findings* are texts of the doctor's own.

    Every text passes the redactor on its way in. Raise EnergyMonitorError.
    """
    redact = Redactor(values_of(case))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in (*findings.items(), *texts(case)):
            data = redact(text).encode("utf-8", "replace")
            member = tarfile.TarInfo(f"{FOLDER}/{redact(name)}")
            member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
            tar.addfile(member, io.BytesIO(data))
    save(file, packed.getvalue())
    return len(packed.getvalue())


def save(file: Path, data: bytes) -> None:
    """Write *file* for the one who asked, also through sudo. Raise EnergyMonitorError."""
    try:
        with files.replacing(file, mode=0o600) as opened:
            opened.write(data)
            if os.geteuid() == 0 and "SUDO_UID" in os.environ:
                os.fchown(opened.fileno(), int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    except OSError as error:
        raise EnergyMonitorError(f"{file} cannot be written: {error.strerror}") from error


def texts(case: Case) -> Iterator[tuple[str, str]]:
    """Yield name and text of everything that goes in; what cannot be had says why."""
    for name, command in COMMANDS.items():
        yield name, or_why(partial(case.machine.run, command))
    makers: dict[str, Callable[[Case], str]] = {
        "versions.txt": versions,
        "status.json": status,
        "journal.txt": journal,
        "secrets.txt": lambda case: listing(case.secrets),
        "serial.txt": serial,
        "usb.txt": usb,
    }
    for name, make in makers.items():
        yield name, or_why(partial(make, case))
    files = {file for file, _ in case.config.faults.lines.values()} if case.config else set()
    for path in sorted({str(case.file), *filter(None, files)}):
        yield f"config/{Path(path).name}", or_why(Path(path).read_text)
    yield "docker-compose.yml", or_why(lambda: case.machine.read(COMPOSE_FILE))
    yield "stack.env", or_why(lambda: case.machine.read("/etc/energy-monitor/stack.env"))
    yield "os-release", or_why(lambda: case.machine.read("/etc/os-release"))


def or_why(make: Callable[[], str]) -> str:
    try:
        return make()
    except (CannotTell, OSError, ValueError, LookupError) as error:
        return f"not available: {error}\n"


def versions(case: Case) -> str:
    model = "unknown"
    with suppress(CannotTell):
        model = case.machine.read("/sys/firmware/devicetree/base/model")
    packages = sorted(f"{each.name} {each.version}" for each in distributions())
    lines = [
        f"energy-monitor {__version__}",
        f"Python {sys.version}",
        f"{platform.system()} {platform.release()} {platform.machine()}, {case.machine.bits} bits",
        f"machine: {model}",
        "",
        *packages,
    ]
    return "\n".join(lines) + "\n"


def status(case: Case) -> str:
    """Return the service's status without what was measured."""
    document = case.answer().to_json()
    for source in document["sources"].values():
        for reading in source["latest"].values():
            reading["values"] = sorted(reading["values"])
    return json.dumps(document, indent=2) + "\n"


def journal(case: Case) -> str:
    return listing(case.data_dir / "journal")


def listing(folder: Path) -> str:
    """List the files under *folder*: mode, owner, size, time, name; nothing of their content."""
    os.scandir(folder).close()  # says why, where ``rglob`` finds nothing
    lines = []
    for file in sorted(folder.rglob("*")):
        about = file.lstat()
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(about.st_mtime))
        owner = f"{about.st_uid}:{about.st_gid}"
        lines.append(
            f"{about.st_mode:o} {owner} {about.st_size:>11} {at} {file.relative_to(folder)}"
        )
    return "\n".join([f"{folder} (UTC)", *lines]) + "\n"


def serial(case: Case) -> str:
    """List the serial ports with the names that last."""
    dev = case.machine.at("dev")
    links = sorted((dev / "serial").rglob("*"))
    lines = [f"{link} -> {os.readlink(link)}" for link in links if link.is_symlink()]
    return "\n".join(lines or ["no serial port"]) + "\n"


def usb(case: Case) -> str:
    """List what is plugged in, as lsusb does, from the kernel's files."""
    lines = []
    for device in sorted(case.machine.at("sys/bus/usb/devices").glob("*")):
        values = [
            (device / name).read_text(errors="replace").strip()
            for name in USB_FILES
            if (device / name).exists()
        ]
        if values:
            lines.append(f"{device.name}  {'  '.join(values)}")
    return "\n".join(lines or ["nothing"]) + "\n"
