"""The configuration: every fault in it."""

from collections.abc import Iterator

from collector.config import load, read
from collector.doctor.case import AS_ROOT, Case
from collector.doctor.finding import Finding
from collector.errors import ConfigFault
from collector.run import wiring
from collector.run.feed import Feed


def form(case: Case) -> Iterator[Finding]:
    """Tell every fault, those of the form and those that only building everything shows."""
    faults = case.faults
    try:
        config = read(case.file)
        wiring.build(config, wiring.new_health(config))
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


CHECKS = (form,)
