"""systemd's units: the services that must run, the timers, and what they started."""

import time
from collections.abc import Iterator

from collector.doctor.case import Case
from collector.doctor.finding import CannotTell, Finding
from collector.text import duration

STACK = "energy-monitor-stack.service"
SERVICES = ("energy-monitor-collector.service", STACK)
TIMED = ("backup", "rotate", "upload", "rehearse")
PROPERTIES = (
    *("Id", "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "NRestarts"),
    *("ActiveEnterTimestamp", "LastTriggerUSec"),
)

LATELY_S = 86_400

Unit = dict[str, str]


def show(case: Case, names: list[str]) -> dict[str, Unit]:
    """Return the properties of units by name. Raise CannotTell."""
    if not case.machine.at("run/systemd/system").is_dir():
        raise CannotTell("this machine does not run systemd: its units are not checked")
    properties = ",".join(PROPERTIES)
    command = ["systemctl", "show", "--timestamp=unix", f"--property={properties}", *names]
    blocks = case.machine.run(command).strip().split("\n\n")
    units = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
    return {unit["Id"]: unit for unit in units if "Id" in unit}


def services(case: Case) -> Iterator[Finding]:
    """Do the services run, and come back after a restart of the machine?"""
    for name, unit in show(case, list(SERVICES)).items():
        short = name.removesuffix(".service")
        if unit["LoadState"] == "not-found":
            yield Finding("unknown", f"{short} is not installed as a service here")
        elif name == STACK and unit["ActiveState"] == "inactive" and not case.machine.has_stack:
            yield Finding("unknown", f"{short} is switched off: the database is elsewhere")
        elif unit["ActiveState"] != "active":
            yield Finding(
                "error",
                f"{short} is {unit['ActiveState']} ({unit['SubState']}, {unit['Result']})",
                "A stopped service measures, stores or shows nothing.",
                f"sudo systemctl start {short}; journalctl -u {short} -n 20",
            )
        else:
            yield from active(short, unit)


def active(name: str, unit: Unit) -> Iterator[Finding]:
    """Tell of a service that runs: since when, how often it was started anew, and the next boot."""
    restarts, since_s = int(unit["NRestarts"] or 0), age_s(unit["ActiveEnterTimestamp"])
    times = "once" if restarts == 1 else f"{restarts} times"
    if restarts:
        yield Finding(
            "warning" if since_s < LATELY_S else "advice",
            f"{name} was restarted by systemd {times}, last {duration(since_s)} ago",
            "It ended unexpectedly: an internal error, a hung line, or too little memory.",
            f"journalctl -u {name} -p warning -n 50",
        )
    else:
        yield Finding("ok", f"{name} is active since {duration(since_s)}")
    if unit["UnitFileState"] == "disabled":
        yield Finding(
            "warning",
            f"{name} does not start at boot",
            "After the next power cut it would stay off.",
            f"sudo systemctl enable {name}",
        )


def age_s(timestamp: str) -> float:
    """Return how long ago it was what systemd prints for a time, such as @1763654400."""
    return time.time() - float(timestamp.removeprefix("@"))


def timers(case: Case) -> Iterator[Finding]:
    """Are the timers of the backups on, and did what they started end well?"""
    names = [f"energy-monitor-{each}.{kind}" for each in TIMED for kind in ("timer", "service")]
    units = show(case, names)
    installed = [each for each in TIMED if is_installed(units, f"energy-monitor-{each}.timer")]
    if not installed:
        raise CannotTell("no timers of backups are installed here")
    off = []
    for each in installed:
        name = f"energy-monitor-{each}"
        timer, service = units[f"{name}.timer"], units.get(f"{name}.service", {})
        if timer["ActiveState"] != "active":
            off.append(f"{name}.timer")
        elif service.get("Result", "success") != "success":
            yield Finding(
                "error",
                f"{name}: its last run failed ({service['Result']})",
                "A failed backup is otherwise noticed only when it is needed.",
                f"journalctl -u {name} -n 30; sudo systemctl start {name}",
            )
        else:
            last = timer["LastTriggerUSec"]
            run = f"last run {duration(age_s(last))} ago" if last else "waits for its first run"
            yield Finding("ok", f"{name}: {run}")
    if off:
        yield Finding(
            "advice",
            f"these timers are off: {', '.join(off)}",
            "Without backups, the history is lost if this disk fails.",
            f"sudo systemctl enable --now {' '.join(off)}",
        )


def is_installed(units: dict[str, Unit], name: str) -> bool:
    return units.get(name, {}).get("LoadState", "not-found") != "not-found"


CHECKS = (services, timers)
