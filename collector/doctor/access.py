"""What the service may open: by its user, its groups and its unit, not by ours.

Root runs the doctor and may open everything. The kernel decides for the service by owner, group and
mode, and its unit takes away more: devices, homes, and what it does not name as writable.
"""

import os
import stat
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from collector.config import DEFAULT_FILE
from collector.doctor.case import AS_ROOT, Case, Machine
from collector.doctor.finding import CannotTell

SERVICE_USER = "energy-monitor"
UNIT = "energy-monitor-collector.service"
PROPERTIES = (
    *("User", "SupplementaryGroups", "DevicePolicy", "DeviceAllow", "ProtectHome"),
    *("ProtectSystem", "ReadWritePaths", "StateDirectory", "RuntimeDirectory"),
)
HOMES = ("/home", "/root", "/run/user")
READ, WRITE, ENTER = 4, 2, 1


@dataclass(frozen=True)
class User:
    """Who opens things: the user of the service, or whoever runs the doctor; *unit* limits him."""

    name: str
    uid: int
    gids: frozenset[int]
    unit: tuple[tuple[str, str], ...] = ()

    def limits(self, name: str) -> list[str]:
        """Return the values of one property of the unit, one for each line of it."""
        return [value for key, value in self.unit if key == name and value]

    def folders(self, name: str, above: str = "") -> list[str]:
        """Return the folders that a property of the unit lists, below *above*."""
        listed = (each for value in self.limits(name) for each in value.split())
        return [above + each.lstrip("-+") for each in listed]

    def may(self, about: os.stat_result, wanted: int) -> bool:
        """Return whether the kernel lets him: READ, WRITE, ENTER, or several."""
        if self.uid == 0:
            return True
        if self.uid == about.st_uid:
            has = about.st_mode >> 6
        elif about.st_gid in self.gids:
            has = about.st_mode >> 3
        else:
            has = about.st_mode
        return has & wanted == wanted


def service_user(case: Case) -> User:
    """Return the user of the running service, of its unit, or else who runs the doctor.

    The unit reads the appliance's configuration. Who will run with another file is not known.
    """
    machine, accounts = case.machine, entries(case.machine, "/etc/passwd")
    unit = properties(machine)
    name = next((value for key, value in unit if key == "User" and value), SERVICE_USER)
    if (owner := owner_of_socket(case)) is not None:
        named = {fields[1]: each for each, fields in accounts.items()}
        if named.get(str(owner)) != name:
            unit, name = (), named.get(str(owner), str(owner))
    elsewhere = owner is None and case.file != DEFAULT_FILE
    if name not in accounts or elsewhere or owner == os.geteuid():
        return User("you", os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))
    _, uid, gid, *_ = accounts[name]
    added = {each for key, value in unit if key == "SupplementaryGroups" for each in value.split()}
    gids = {
        int(fields[1])
        for group, fields in entries(machine, "/etc/group").items()
        if group in added or name in fields[2].split(",")
    }
    return User(name, int(uid), frozenset({int(gid), *gids}), unit)


def owner_of_socket(case: Case) -> int | None:
    """Return who runs the service that answers; None where none does."""
    if case.status is None:
        return None
    try:
        return (Path(case.main.runtime_dir) / "control.sock").stat().st_uid
    except OSError:
        return None


def properties(machine: Machine) -> tuple[tuple[str, str], ...]:
    """Return what the unit allows; nothing where there is no systemd."""
    try:
        answer = machine.run(["systemctl", "show", f"--property={','.join(PROPERTIES)}", UNIT])
    except CannotTell:
        return ()
    pairs = (line.partition("=") for line in answer.splitlines())
    return tuple((name, value.strip()) for name, _, value in pairs)


def entries(machine: Machine, path: str) -> dict[str, list[str]]:
    """Read a file such as /etc/passwd: name to the fields after it; nothing where there is none."""
    try:
        text = machine.read(path)
    except CannotTell:
        return {}
    lines = [line.split(":") for line in text.splitlines() if ":" in line]
    return {name: fields for name, *fields in lines}


def group_name(machine: Machine, gid: int) -> str:
    named = {fields[1]: name for name, fields in entries(machine, "/etc/group").items()}
    return named.get(str(gid), str(gid))


def obstacle(user: User, path: Path, wanted: int, root: Path = Path("/")) -> str:
    """Say what keeps *user* from *path*; nothing where he may. Raise CannotTell, FileNotFoundError.

    *root* is where the way begins that he has to enter folder by folder.
    """
    real, top = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    if "yes" in user.limits("ProtectHome") and str(real).startswith(tuple(f"{h}/" for h in HOMES)):
        return "its unit hides homes from it (ProtectHome=)"
    try:
        for folder in reversed([each for each in real.parents if each.is_relative_to(top)]):
            if not user.may(folder.stat(), ENTER):
                return f"it may not enter {folder}"
        if not user.may(real.stat(), wanted):
            return ownership(real)
    except PermissionError as error:
        raise CannotTell(f"{path} cannot be looked at: {error.strerror}", AS_ROOT) from error
    if wanted & WRITE and (why := protected(user, real)):
        return why
    return ""


def ownership(path: Path) -> str:
    about = path.stat()
    return f"owner {about.st_uid}, group {about.st_gid}, mode {stat.filemode(about.st_mode)}"


def protected(user: User, path: Path) -> str:
    """Say that the unit keeps *path* from being written to, if it does."""
    if "strict" not in user.limits("ProtectSystem") or path.is_relative_to("/dev"):
        return ""
    writable = [
        *user.folders("ReadWritePaths"),
        *user.folders("StateDirectory", "/var/lib/"),
        *user.folders("RuntimeDirectory", "/run/"),
    ]
    if any(path.is_relative_to(os.path.realpath(each)) for each in writable):
        return ""
    return f"its unit may write only in {', '.join(writable)}"


def kinds_of(machine: Machine, about: os.stat_result) -> list[str]:
    """Return what the kernel calls the kind of a character device, such as ttyUSB."""
    major, found = str(os.major(about.st_rdev)), []
    for line in machine.read("/proc/devices").partition("Block devices:")[0].splitlines():
        number, _, name = line.strip().partition(" ")
        if number == major:
            found.append(name)
    return found


def device_denied(user: User, machine: Machine, path: Path) -> bool:
    """Does the unit keep the service from a device? (DeviceAllow=, systemd.resource-control(5))"""
    policy, allowed = user.limits("DevicePolicy"), user.limits("DeviceAllow")
    if not allowed and not {"closed", "strict"} & set(policy):
        return False
    kinds, real = kinds_of(machine, path.stat()), os.path.realpath(path)
    if "strict" not in policy and "pts" in kinds:
        return False  # systemd lets every unit use pseudo-terminals
    for each in allowed:
        what, _, how = each.partition(" ")
        if "r" not in how or "w" not in how:
            continue
        if what.startswith("/") and os.path.realpath(machine.at(what)) == real:
            return False
        if any(fnmatch(kind, what.removeprefix("char-")) for kind in kinds):
            return False
    return True
