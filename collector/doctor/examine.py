"""Runs every check, each in a thread of its own: none can hold up, or bring down, the others."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from collector.doctor import (
    alerts,
    backups,
    clock,
    configuration,
    derivations,
    disk,
    journal,
    lines,
    machine,
    outputs,
    page,
    reach,
    secrets,
    sources,
    stack,
    stored,
    units,
)
from collector.doctor.case import Case
from collector.doctor.finding import SEVERITIES, CannotTell, Finding, Severity
from collector.safe_text import escape, hide

Check = Callable[[Case], Iterable[Finding]]

# From the meter to the dashboard, and then what all of it stands on.
AREAS: dict[str, tuple[Check, ...]] = {
    "configuration": (*configuration.CHECKS, reach.readable, *secrets.CHECKS),
    "lines": lines.CHECKS,
    "sources": sources.CHECKS,
    "clock": clock.CHECKS,
    "journal": (*journal.CHECKS, reach.writable),
    "derivations": derivations.CHECKS,
    "outputs": outputs.CHECKS + stored.CHECKS,
    "alerts": alerts.CHECKS,
    "page": page.CHECKS,
    "stack": stack.CHECKS,
    "backups": backups.CHECKS,
    "units": units.CHECKS,
    "machine": disk.CHECKS + machine.CHECKS,
}
PATIENCE_S = 30  # the longest command and two slow answers of a server


class Examination(threading.Thread):
    """One check at work; *found* is what it has found so far."""

    def __init__(self, check: Check, case: Case) -> None:
        super().__init__(name=check.__name__.replace("_", " "), daemon=True)
        self.check = check
        self.case = case
        self.found: list[Finding] = []
        self.start()

    def run(self) -> None:
        try:
            for finding in self.check(self.case):
                self.found.append(finding)
        except CannotTell as reason:
            self.found.append(Finding("unknown", str(reason), "", reason.mend))
        except Exception as error:  # noqa: BLE001  the others shall be heard all the same
            self.found.append(
                Finding(
                    "unknown",
                    f"the check '{self.name}' failed: {type(error).__name__}: {error}",
                    "This is a mistake in the doctor, not in your house; please report it.",
                )
            )

    def wait(self, seconds: float) -> list[Finding]:
        """Return what was found by then."""
        self.join(max(seconds, 0))
        found = [safe(each) for each in self.found]
        if self.is_alive():
            found.append(Finding("unknown", f"the check '{self.name}' takes too long: left out"))
        return found


def safe(finding: Finding) -> Finding:
    """Return *finding* without a secret that a server echoed, and without control characters."""
    what, why, mend = (
        escape(hide(each), keep="\n") for each in (finding.what, finding.why, finding.mend)
    )
    return replace(finding, what=what, why=why, mend=mend)


def examine(
    case: Case, areas: dict[str, tuple[Check, ...]], patience_s: float = PATIENCE_S
) -> Iterator[tuple[str, list[Finding]]]:
    """Yield every area with what was found there, in order, each as soon as it is known."""
    deadline = time.monotonic() + patience_s
    begun = {area: [Examination(check, case) for check in checks] for area, checks in areas.items()}
    for area, examinations in begun.items():
        found = [each for one in examinations for each in one.wait(deadline - time.monotonic())]
        yield area, list(dict.fromkeys(found))  # several checks may lack the same thing


def worst(findings: Iterable[Finding]) -> Severity:
    return max((each.severity for each in findings), key=SEVERITIES.index, default="ok")
