"""The lines: serial ports that are there, that the service may open, and that lose no time."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.contract import Framed
from collector.doctor.case import RESTART, Case, Machine
from collector.doctor.configuration import feeds
from collector.doctor.finding import CannotTell, Finding
from collector.errors import ConfigFault
from collector.lines import adapter
from collector.run import wiring
from collector.run.feed import Feed

SERVICE_USER = "energy-monitor"
UNLASTING = ("/dev/ttyUSB", "/dev/ttyACM")
BUSY = 0.9  # of the time; beyond, a repeated request already skips a slot


@dataclass(frozen=True)
class User:
    """Who opens the ports: the user of the service, or whoever runs the doctor."""

    name: str
    uid: int
    gids: frozenset[int]


def by_line(case: Case) -> dict[str, list[Feed]]:
    """Return the sources by line, of the lines that are a port or a socket."""
    try:
        built = feeds(case)
    except ConfigFault:
        raise CannotTell("the configuration must be corrected first") from None
    return {line: each for line, each in built.items() if "/" in line}


def ports(case: Case) -> Iterator[Finding]:
    """Is every serial port there, under a lasting name, and open to the service?"""
    for line, each in by_line(case).items():
        names = ", ".join(feed.name for feed in each)
        if not line.startswith("/"):
            yield on_network(case, line, each)
        elif not case.machine.at(line).exists():
            yield gone(case.machine, line, names)
        else:
            yield may_open(case.machine, line, names)
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


def may_open(machine: Machine, line: str, names: str) -> Finding:
    """May the service open the port? By its file's owner, group and mode, like the kernel."""
    user, about = user_of(machine), machine.at(line).stat()
    group = group_name(machine, about.st_gid)
    if user.uid == about.st_uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif about.st_gid in user.gids:
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    if user.uid == 0 or about.st_mode & wanted == wanted:
        real = Path(os.path.realpath(machine.at(line))).name
        through = "" if line.endswith(f"/{real}") else f" ({real})"
        return Finding("ok", f"{names}: {line}{through} may be opened by {user.name}")
    return Finding(
        "error",
        f"{names}: {line} may not be opened by {user.name}: it belongs to the group {group}",
        "The service does not run as root, so the port's group decides.",
        f"sudo usermod -aG {group} {user.name} && {RESTART}",
    )


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


def user_of(machine: Machine) -> User:
    """Return the service's user with its groups, where it is installed, or else our own."""
    accounts = entries(machine, "/etc/passwd")
    if SERVICE_USER not in accounts:
        return User("you", os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))
    _, uid, gid, *_ = accounts[SERVICE_USER]
    groups = entries(machine, "/etc/group")
    also = unit_groups(machine)
    gids = {
        int(fields[1])
        for name, fields in groups.items()
        if name in also or SERVICE_USER in fields[2].split(",")
    }
    return User(SERVICE_USER, int(uid), frozenset({int(gid), *gids}))


def unit_groups(machine: Machine) -> list[str]:
    """Return the groups that the unit adds to those of its user."""
    unit = "energy-monitor-collector.service"
    try:
        answer = machine.run(["systemctl", "show", "--property=SupplementaryGroups", unit])
    except CannotTell:
        return []
    return answer.strip().partition("=")[2].split()


def entries(machine: Machine, path: str) -> dict[str, list[str]]:
    """Read a file such as /etc/passwd: name to the fields after it."""
    lines = [line.split(":") for line in machine.read(path).splitlines() if ":" in line]
    return {name: fields for name, *fields in lines}


def group_name(machine: Machine, gid: int) -> str:
    named = {fields[1]: name for name, fields in entries(machine, "/etc/group").items()}
    return named.get(str(gid), str(gid))


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
            yield Finding("ok", what)
        else:
            yield Finding(
                "warning",
                f"{what}, as it is configured",
                "No time is left to repeat a request: slots are skipped.",
                f"sudoedit {case.file}    # longer 'every', fewer 'quantities', or a faster meter",
            )


CHECKS = (ports, adapters, load)
