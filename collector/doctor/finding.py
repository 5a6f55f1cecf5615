"""What a check says: a finding, or that it cannot tell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from collector.errors import EnergyMonitorError
from collector.status import titled

Severity = Literal["ok", "unknown", "advice", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("ok", "unknown", "advice", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """One thing that was found: *what* it is, *why* it matters, and how to *mend* it.

    *mend* is a command wherever there is one. An ``unknown`` finding is a check that could not be
    done, and *what* says why.
    """

    severity: Severity
    what: str
    why: str = ""
    mend: str = ""


def labelled(name: str, label: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield *findings* about *name*, which they begin with, with its label beside it."""
    for each in findings:
        rest = each.what.removeprefix(f"{name}:")
        about = rest != each.what
        yield replace(each, what=f"{titled(name, label)}:{rest}") if about else each


class CannotTell(EnergyMonitorError):
    """A check cannot be done: the message says why, *mend* how it can be."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend
