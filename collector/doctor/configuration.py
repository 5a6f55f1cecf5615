"""The configuration: every fault in it, and the secrets that it names."""

import stat
from collections.abc import Iterator

from collector.config import load
from collector.doctor.case import AS_ROOT, Case
from collector.doctor.finding import Finding
from collector.errors import ConfigFault, SecretMissing
from collector.run import wiring
from collector.run.intake import Feed
from collector.secrets import Secret

OTHERS = stat.S_IRWXG | stat.S_IRWXO
INFLUXDB_TOKENS = ("influxdb-token", "influxdb-read-token")


def form(case: Case) -> Iterator[Finding]:
    """Tell every fault, those of the form and those that only building everything shows."""
    faults = case.faults
    if case.config is not None:
        try:
            feeds(case)
        except ConfigFault as error:
            faults = error.faults
    why = "The service does not start with it; one that runs goes on as it was configured."
    mend = mend_of(case)
    for fault in faults:
        if mend == AS_ROOT:
            yield Finding("unknown", str(fault), "", mend)
        else:
            yield Finding("error", str(fault), why, mend)
    if not faults:
        config = case.sound()
        sources, outputs = ", ".join(config.sources), ", ".join(config.outputs) or "none"
        yield Finding("ok", f"{case.file}: no faults; sources: {sources}; outputs: {outputs}")


def mend_of(case: Case) -> str:
    try:
        case.file.read_bytes()
    except FileNotFoundError:
        return "energy-monitor scan    # prints one to begin with"
    except PermissionError:
        return AS_ROOT
    except OSError:
        return ""
    return f"sudoedit {case.file} && energy-monitor check"


def feeds(case: Case) -> dict[str, list[Feed]]:
    """Build every source, by line, and every output. Raise ConfigFault, CannotTell."""
    config = load(case.sound().file)  # afresh, for building writes its faults into it
    return wiring.build(config, wiring.new_health(config)).feeds


def secrets(case: Case) -> Iterator[Finding]:
    """Look for the secrets that the configuration names, and for who may read them."""
    named = list(case.secrets_named())
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
        said = f"secret {secret.name!r} is empty"
    except SecretMissing as error:
        if isinstance(error.__cause__, PermissionError):
            said = f"{place}: you may not look at the secret {secret.name!r}"
            return Finding("unknown", said, "", AS_ROOT)
        said = str(error)
    mend = f"sudo install -m 600 /dev/stdin {case.secrets / secret.name}    # type it, then Ctrl-D"
    if secret.name in INFLUXDB_TOKENS:
        mend = "sudo energy-monitor setup influxdb"
    why = "Whatever needs it is refused by the far side until it is there."
    return Finding("error", f"{place}: {said}", why, mend)


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
            "Whoever logs in, or breaks into any program here, can take them along.",
            f"sudo chmod -R u=rwX,go= {case.secrets}",
        )


CHECKS = (form, secrets)
