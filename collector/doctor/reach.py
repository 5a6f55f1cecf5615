"""What the service needs on disk: does it reach it, with its own rights and not with root's?"""

import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from collector.doctor.access import ENTER, READ, WRITE, User, obstacle, service_user
from collector.doctor.case import AS_ROOT, RESTART, Case
from collector.doctor.finding import CannotTell, Finding
from collector.run.values import values_of
from collector.scalars import InputPath

MOST_FILES = 10_000  # of a journal, looked at


def readable(case: Case) -> Iterator[Finding]:
    """May the service read the configuration, its imports, device maps and the files it names?"""
    if case.config is None:
        return
    user, refused = service_user(case), False
    for file, why in files_of(case).items():
        try:
            kept = obstacle(user, file, READ)
        except FileNotFoundError:
            continue  # the configuration's own check, or its source, reports it
        if kept:
            refused = True
            what = f"{file} may not be read by {user.name}: {kept}"
            yield Finding("error", what, why, mend_read(user, file))
    if not refused and user.name != "you":
        yield Finding("ok", f"the configuration may be read by {user.name}")


def files_of(case: Case) -> dict[Path, str]:
    """Return the files that the service reads, and what it does without them."""
    config = case.sound()
    groups = (config.sources, config.derivations, config.outputs)
    paths = (path for group in groups for _, path in values_of(InputPath, "", group))
    named = {Path(path) for path in paths if "://" not in path}
    maps = (case.file.parent / "devices").glob("*.yaml")
    starts = "The service does not start with it; root may read everything."
    return {
        **dict.fromkeys(named, "What is in it is not recorded; root may read everything."),
        **dict.fromkeys([Path(str(each)) for each in config.faults.files], starts),
        **dict.fromkeys(sorted(maps), starts),
    }


def mend_read(user: User, file: Path) -> str:
    if user.may(file.stat(), READ):
        return f"namei -l {shlex.quote(str(file))}    # and move it where the service may read it"
    return f"sudo chmod a+r {shlex.quote(str(file))}"


def writable(case: Case) -> Iterator[Finding]:
    """May a service that does not run write its journal, and make its socket?"""
    if case.status is not None:
        return  # ``taken`` has what the service itself reports
    try:
        yield from written_to(case)
    except PermissionError as error:
        raise CannotTell(f"{error.filename} cannot be looked at", AS_ROOT) from error


def written_to(case: Case) -> Iterator[Finding]:
    user, journal = service_user(case), case.data_dir / "journal"
    refused = False
    folders = (case.data_dir, journal, journal / "log", Path(case.main.runtime_dir))
    for folder in folders:
        if made_by_systemd(user, folder):
            continue
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if kept := obstacle(user, there, WRITE | ENTER):
            refused = True
            mend = mend_write(user, case, there, kept)
            what = f"{folder} may not be written to by {user.name}: {kept}"
            yield Finding("error", what, "The service does not start without it.", mend)
            break
    if not refused and (foreign := not_writable(user, journal)):
        refused = True
        yield Finding(
            "error",
            f"{foreign} may not be written to by {user.name}, like the rest of its journal",
            "A command that root ran has made it: the service cannot go on with it.",
            mend_owner(user, case.data_dir),
        )
    if not refused and user.name != "you":
        yield Finding("ok", f"{case.data_dir} may be written to by {user.name}")


def made_by_systemd(user: User, folder: Path) -> bool:
    """Does systemd make the folder, and give it to the service, when that starts?"""
    made = [
        *user.folders("RuntimeDirectory", "/run/"),
        *user.folders("StateDirectory", "/var/lib/"),
    ]
    return str(folder) in made and not folder.exists()


def not_writable(user: User, journal: Path) -> Path | None:
    """Return a file of the journal that *user* may not write to. Raise CannotTell."""
    try:
        files = (each for each in journal.rglob("*") if each.is_file())
        for each in islice(files, MOST_FILES):
            if each.suffix != ".z" and not user.may(each.stat(), READ | WRITE):
                return each
    except OSError as error:
        raise CannotTell(f"{journal} cannot be looked into: {error.strerror}", AS_ROOT) from error
    return None


def mend_write(user: User, case: Case, there: Path, why: str) -> str:
    ours = there.is_relative_to(case.data_dir) or there in case.data_dir.parents
    if ours and not user.may(there.stat(), WRITE | ENTER):
        return mend_owner(user, case.data_dir)
    if why.startswith("its unit"):
        return (
            "sudo systemctl edit energy-monitor-collector    # [Service] "
            f"ReadWritePaths={case.data_dir}"
        )
    return f"namei -l {shlex.quote(str(there))}    # shows who owns each folder on the way"


def mend_owner(user: User, folder: Path) -> str:
    quoted = shlex.quote(str(folder))
    return f"sudo mkdir -p {quoted} && sudo chown -R {user.name}: {quoted} && {RESTART}"
