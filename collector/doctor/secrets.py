"""The secrets: stored, closed to others, and with the services that need them.

systemd copies the folder to a service when that starts (``LoadCredential=``, systemd.exec(5)). So
what root finds on disk says nothing about a running service: that is asked itself.
"""

import errno
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from collector.config import DEFAULT_FILE
from collector.doctor.case import AS_ROOT, RESTART, Case
from collector.doctor.finding import CannotTell, Finding
from collector.errors import EnergyMonitorError, SecretMissing
from collector.files import open_file
from collector.run import control
from collector.secrets import CREDENTIAL, Secret

OTHERS = stat.S_IRWXG | stat.S_IRWXO
INFLUXDB_TOKENS = ("influxdb-token", "influxdb-read-token")
UNIT = "energy-monitor-collector"
LARGEST_CREDENTIALS = 1024 * 1024  # bytes for each unit, names included (systemd.exec(5))
LONGEST_CREDENTIAL = 255


def stored(case: Case) -> Iterator[Finding]:
    """Look for the secrets that the configuration names, and for who may read them."""
    named = list(case.sound().secrets_named())
    faults = [fault for place, secret in named if (fault := fault_of(case, place, secret))]
    yield from faults
    if named and not faults:
        names = ", ".join(sorted({secret.name for _, secret in named}))
        yield Finding("ok", f"secrets that are there: {names}")
    yield from readable_by_others(case)


def fault_of(case: Case, place: str, secret: Secret) -> Finding | None:
    """Tell why a secret has no value; None where it has one."""
    try:
        if secret.value():
            return None
        problem = f"secret {secret.name!r} is empty"
    except SecretMissing as error:
        if isinstance(error.__cause__, PermissionError):
            problem = f"{place}: you may not look at the secret {secret.name!r}"
            return Finding("unknown", problem, "", AS_ROOT)
        problem = str(error)
    why = "Whatever needs it is refused by the far side until it is there."
    return Finding("error", f"{place}: {problem}", why, set_command(case, secret.name))


def set_command(case: Case, name: str) -> str:
    """Return the command that gives a secret its value."""
    if name in INFLUXDB_TOKENS:
        return "sudo energy-monitor setup influxdb"
    if case.file == DEFAULT_FILE:
        return f"sudo energy-monitor secret set {name}"
    return f"energy-monitor secret set {name} --config {shlex.quote(str(case.file))}"


def mend_login(case: Case, group: str, name: str, error: str) -> str:
    """Return what mends a login that is refused, where *error* names a secret of *name*."""
    if case.config is None:
        return ""
    for place, secret in case.config.secrets_named():
        is_named = re.search(rf"('|secret set ){re.escape(secret.name)}(?![\w.-])", error)
        if place.startswith(f"{group}.{name}.") and is_named:
            command = set_command(case, secret.name)
            own = f" --renew    # or your own: sudo energy-monitor secret set {secret.name}"
            return f"{command}{own}" if secret.name in INFLUXDB_TOKENS else command
    return ""


def readable_by_others(case: Case) -> Iterator[Finding]:
    try:
        files = [file for file in case.secrets.iterdir() if file.is_file()]
        closed = not case.secrets.stat().st_mode & OTHERS
    except FileNotFoundError:
        return
    except PermissionError:
        return  # so it is closed to others, which is as it should be
    open_ones = [file for file in sorted(files) if file.stat().st_mode & OTHERS]
    if open_ones and not closed:
        yield Finding(
            "warning",
            f"others than their owner may read {', '.join(map(str, open_ones))}",
            "Everyone who can log in, or breaks into any program here, can read them.",
            f"sudo chmod -R u=rwX,go= {shlex.quote(str(case.secrets))}",
        )


def loadable(case: Case) -> Iterator[Finding]:
    """Is there anything in the folder that keeps the services from starting?"""
    try:
        found = list(obstacles(case.secrets))
    except FileNotFoundError:
        return
    except PermissionError:
        raise CannotTell("only root can read the folder of the secrets", AS_ROOT) from None
    for file, why in found:
        yield Finding(
            "error",
            f"{file} {why}",
            "systemd starts no service with it in the folder.",
            f"sudo mv {shlex.quote(str(file))} {case.file.parent} && {RESTART}",
        )


def reached(case: Case) -> Iterator[Finding]:
    """Has the running collector every secret, with its newest value?"""
    names = sorted({secret.name for _, secret in case.sound().secrets_named()})
    if not names:
        return
    if case.status is None:
        yield from loaded_by_unit(case)
        return
    try:
        answer = control.ask(Path(case.main.runtime_dir) / "control.sock", {"ask": "secrets"})
    except EnergyMonitorError as error:
        raise CannotTell(f"the service does not report which secrets it has: {error}") from error
    has, folder = answer.get("secrets"), answer.get("credentials")
    if not isinstance(has, dict) or not isinstance(folder, str | None):
        raise CannotTell("the service does not report which secrets it has")
    late = [each for each in names if is_late(case, each, has, folder)]
    for name in late:
        yield Finding(
            "error",
            f"secret {name!r} is stored, and the running collector does not have this value",
            "It keeps the secrets that it received at its start.",
            mend_late(case, name),
        )
    if not late and all(has.get(name) for name in names):
        yield Finding("ok", f"the running collector has these secrets: {', '.join(names)}")


def is_late(case: Case, name: str, has: dict[str, bool], folder: str | None) -> bool:
    """Is a secret stored that a running service lacks, or has an older value of?

    *has* is what the service says; what is not named there it did not need at its start.
    """
    if name not in has:
        return False  # the sources report that the service has an older configuration
    value = value_in(case.secrets / name, follow=True)
    if value is None or not has[name]:
        return value is not None
    if folder is None:
        return False  # it reads the file itself
    # The service named the folder: no link and no pipe there may lead root elsewhere or hold it.
    copies = [case.machine.at(f"{folder}/{each}") for each in (f"{CREDENTIAL}{name}", name)]
    copy = next((copy for each in copies if (copy := value_in(each)) is not None), None)
    return copy is not None and copy != value


def value_in(file: Path, *, follow: bool = False) -> bytes | None:
    """Return what *file* holds; None where there is none. Raise CannotTell."""
    try:
        with open_file(file, follow=follow) as opened:
            return opened.read(LARGEST_CREDENTIALS).strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a pipe, say
            return None
        why = f"only root can check whether the service has the newest secrets: {error.strerror}"
        raise CannotTell(why, AS_ROOT) from error


def mend_late(case: Case, name: str) -> str:
    file = case.secrets / name
    if file.is_symlink():  # systemd loads no links
        return f"sudo energy-monitor secret set {name} < {shlex.quote(str(file))}"
    return RESTART


def loaded_by_unit(case: Case) -> Iterator[Finding]:
    """Will a collector that is not running be given the secrets when it starts?"""
    if not case.machine.at("run/systemd/system").is_dir():
        raise CannotTell("the collector is not running: its secrets are unknown")
    unit = case.machine.run(["systemctl", "cat", UNIT])
    if "[Service]" not in unit:  # a user who may not read it gets the name of the file, or nothing
        raise CannotTell(f"only root can read the unit {UNIT}", AS_ROOT)
    loads = False
    for line in unit.splitlines():
        option, _, value = line.partition("=")
        if option.strip() == "LoadCredential":
            loads = value.strip() == f"secrets:{case.secrets}" or (loads and bool(value.strip()))
    if not loads:
        yield Finding(
            "error",
            f"{UNIT} does not load the secrets in {case.secrets}",
            "Whatever needs a password cannot log in.",
            f"sudo systemctl edit {UNIT}    # [Service] LoadCredential=secrets:{case.secrets}",
        )


def obstacles(folder: Path, adding: int = 0) -> Iterator[tuple[Path, str]]:
    """Yield each file in *folder* with which systemd starts no service, and why. Raise OSError.

    *adding* is the size of a secret that is to come. Hidden files, links and pipes are not loaded,
    so they do no harm.
    """
    sizes: dict[Path, int] = {}
    for file in loaded(folder):
        name = f"{CREDENTIAL}{'_'.join(file.relative_to(folder).parts)}"
        about = file.lstat()
        if stat.S_ISSOCK(about.st_mode):
            yield file, "is a socket"
        elif not (name.isascii() and name.isprintable() and ":" not in name):
            yield file, "has a name with other characters than letters, digits, '-', '_' and '.'"
        elif len(name) > LONGEST_CREDENTIAL:
            yield file, "has a name that is too long"
        else:
            sizes[file] = len(name) + about.st_size
    if sizes and sum(sizes.values()) + adding > LARGEST_CREDENTIALS:
        largest = max(sizes, key=sizes.__getitem__)
        yield largest, "is the largest secret, and all of them together are larger than 1 MB"


def loaded(folder: Path) -> Iterator[Path]:
    """Yield what systemd loads of *folder*, as deep as it goes. Raise OSError."""
    for each in sorted(folder.iterdir()):
        mode = each.lstat().st_mode
        if each.name.startswith("."):
            continue
        if stat.S_ISDIR(mode):
            yield from loaded(each)
        elif stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
            yield each


CHECKS = (stored, loadable, reached)
