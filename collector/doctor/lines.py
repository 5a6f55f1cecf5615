"""The lines: serial ports that are there, that the service may open, and that lose no time."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from collector.contract import Framed
from collector.doctor.access import (
    READ,
    UNIT,
    WRITE,
    User,
    device_denied,
    group_name,
    kinds_of,
    obstacle,
    service_user,
)
from collector.doctor.case import RESTART, Case, Machine
from collector.doctor.configuration import feeds
from collector.doctor.finding import CannotTell, Finding
from collector.errors import ConfigFault
from collector.lines import adapter
from collector.run import wiring
from collector.run.feed import Feed

OF_LOGINS = {"root", "tty"}  # a port whose group is one of them is a console
UNLASTING = ("/dev/ttyUSB", "/dev/ttyACM")
BUSY = 0.9  # of the time; beyond, a repeated request already skips a slot


def by_line(case: Case) -> dict[str, list[Feed]]:
    """Return the sources by line, of the lines that are a port or a socket."""
    try:
        built = feeds(case)
    except ConfigFault:
        raise CannotTell("the configuration must be corrected first") from None
    return {line: each for line, each in built.items() if "/" in line}


def ports(case: Case) -> Iterator[Finding]:
    """Is every serial port there, under a lasting name, and open to the service?"""
    user = service_user(case)
    for line, each in by_line(case).items():
        names = ", ".join(feed.name for feed in each)
        if not line.startswith("/"):
            yield on_network(case, line, each)
        elif not case.machine.at(line).exists():
            yield gone(case.machine, line, names)
        else:
            yield may_open(case, user, line, names)
            if line.startswith(UNLASTING):
                yield unlasting(case, line, names)


def on_network(case: Case, line: str, each: list[Feed]) -> Finding:
    """Does a line on the network answer? The service knows; nothing is asked here."""
    names = ", ".join(feed.name for feed in each)
    if in_use(case, each):
        return Finding("ok", f"{names}: {line} answers")
    if case.status is None:
        return Finding("unknown", f"{names}: whether {line} answers, only a running service knows")
    return Finding("unknown", f"{names}: {line} has not answered yet; 'sources' says why")


def gone(machine: Machine, line: str, names: str) -> Finding:
    there = sorted(
        str(link).removeprefix(str(machine.root).rstrip("/"))
        for link in machine.at("dev/serial/by-id").glob("*")
    )
    return Finding(
        "error",
        f"{names}: {line} is not there",
        f"Nothing on it can be read. Ports that are there: {', '.join(there) or 'none'}.",
        "sudo dmesg | grep -i tty    # plug the adapter in and see what the kernel says",
    )


def may_open(case: Case, user: User, line: str, names: str) -> Finding:
    """May the service open the port? By its user, its groups and the devices of its unit."""
    machine, port = case.machine, case.machine.at(line)
    about, real = port.stat(), Path(os.path.realpath(port))
    what = f"{names}: {line} may not be opened by {user.name}"
    if not stat.S_ISCHR(about.st_mode):
        return Finding(
            "error",
            f"{names}: {line} is not a serial port but {kind_of_file(about)}",
            "Nothing can be read from it. A command that writes to a port that is not there leaves "
            "a file in its place.",
            f"ls -l {shlex.quote(line)}    # and plug the adapter in again when it is gone",
        )
    if why := obstacle(user, port, READ | WRITE, machine.root):
        group = group_name(machine, about.st_gid)
        if user.may(about, READ | WRITE):
            mend = f"namei -l {shlex.quote(line)}    # and name a port that it may reach"
            return Finding("error", f"{what}: {why}", "Nothing on it is read.", mend)
        return Finding(
            "error",
            f"{what}: it belongs to the group {group}, mode {stat.filemode(about.st_mode)[1:]}",
            "The service does not run as root, so the port's group decides.",
            mend_group(user, about.st_gid, group, line, real.name),
        )
    if device_denied(user, machine, port):
        kinds = [f"char-{each}" for each in kinds_of(machine, about)] or [str(real)]
        return Finding(
            "error",
            f"{what}: its unit allows no device of the kind {kinds[0]}",
            "systemd lets the service open only the kinds of device that DeviceAllow= lists.",
            f"printf '[Service]\\nDeviceAllow={kinds[0]} rw\\n' | "
            "sudo install -D -m 644 /dev/stdin "
            f"/etc/systemd/system/{UNIT}.d/port.conf && sudo systemctl daemon-reload && {RESTART}",
        )
    through = "" if line.endswith(f"/{real.name}") else f" ({real.name})"
    return Finding("ok", f"{names}: {line}{through} may be opened by {user.name}")


def mend_group(user: User, gid: int, group: str, line: str, port: str) -> str:
    if gid in user.gids:
        return f"sudo chmod g+rw {shlex.quote(line)}"
    if group in OF_LOGINS:
        return f"sudo systemctl disable --now serial-getty@{port}    # a login has the port"
    return f"sudo usermod -aG {group} {user.name} && {RESTART}"


def kind_of_file(about: os.stat_result) -> str:
    return "a folder" if stat.S_ISDIR(about.st_mode) else "a file"


def unlasting(case: Case, line: str, names: str) -> Finding:
    lasting = adapter.lasting_name(str(case.machine.at(line)), case.machine.at("dev"))
    lasting = lasting.removeprefix(str(case.machine.root).rstrip("/"))
    return Finding(
        "warning",
        f"{names}: {line} may have another number after a restart",
        "Adapters are numbered in the order in which they start: two meters can swap.",
        f"sudo sed -i 's|{line}|{lasting}|' {case.file} && {RESTART}"
        if lasting != line
        else "ls -l /dev/serial/by-id /dev/serial/by-path    # and name it so in 'line'",
    )


def adapters(case: Case) -> Iterator[Finding]:
    """Does an adapter hold bytes back, or lack the parity that is asked of it?"""
    root = case.machine.root
    for line, each in by_line(case).items():
        held_ms = adapter.latency_ms(line, root) if line.startswith("/") else None
        if held_ms is not None and held_ms > 1 and in_use(case, each):
            yield Finding(
                "warning",
                f"{line} holds received bytes back for {held_ms} ms",
                "It does so once in every answer: a meter takes that much longer to read.",
                f"echo '{adapter.UDEV_RULE}' | sudo tee {adapter.UDEV_FILE} && "
                "sudo udevadm control --reload && "
                "sudo udevadm trigger --subsystem-match=usb-serial",
            )
        source = each[0].source
        framing = source.framing if isinstance(source, Framed) else None
        if framing and framing.parity != "none" and adapter.is_mini_uart(line, root):
            yield Finding(
                "error",
                f"{line} {adapter.NO_PARITY.partition(':')[0]}, and {framing} is asked for",
                "The meter discards every request as damaged and stays silent.",
                "echo dtoverlay=disable-bt | sudo tee -a /boot/firmware/config.txt && sudo reboot"
                "    # then line: /dev/ttyAMA0; or use a USB adapter",
            )


def in_use(case: Case, line: list[Feed]) -> bool:
    """Has the service the line open? A port that is not open has not been quickened yet."""
    states = [case.status.sources.get(each.name) for each in line] if case.status else []
    return any(state and state.state == "alive" for state in states)


def load(case: Case) -> Iterator[Finding]:
    """Is a line asked for more than it can carry?"""
    for line, each in by_line(case).items():
        busy = sum(wiring.load(feed) for feed in each)
        if not busy:
            continue
        what = f"{line} is busy for {busy:.0%} of the time"
        if busy < BUSY:
            if not line.startswith("/") or case.machine.at(line).exists():
                yield Finding("ok", what)
        else:
            yield Finding(
                "warning",
                f"{what}, as it is configured",
                "No time is left to repeat a request: slots are skipped.",
                f"sudoedit {case.file}    # longer 'every', fewer 'quantities', or a faster meter",
            )


CHECKS = (ports, adapters, load)
