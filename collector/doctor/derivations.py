"""The derivations: does each of them go on, and how far is it behind?"""

from collections.abc import Iterator

from collector.doctor.case import Case
from collector.doctor.finding import Finding, labelled
from collector.status import DerivationStatus
from collector.text import counted, duration

SLACK_S = 60


def deriving(case: Case) -> Iterator[Finding]:
    """Does every derivation use the readings as they come?"""
    for name, each in case.answer().derivations.items():
        yield from labelled(name, each.label, [finding(name, each)])


def finding(name: str, each: DerivationStatus) -> Finding:
    if each.state == "failed":
        return Finding(
            "error",
            f"{name}: failed, an internal error: {each.last_error}",
            f"{each.backlog:,} readings wait for it; it is tried again after growing pauses.",
            "journalctl -u energy-monitor-collector    # has the traceback; please report it",
        )
    if each.state == "waiting":
        return Finding(
            "error",
            f"{name}: waits: {each.last_error}",
            "It goes on when the disk accepts its readings again.",
            "df -h    # and free some space",
        )
    if each.backlog_s > SLACK_S:
        return Finding(
            "warning",
            f"{name}: {counted(each.backlog, 'reading')} behind, {duration(each.backlog_s)}",
            "What it computes appears late.",
            "sudo energy-monitor doctor    # again, in a minute",
        )
    made = counted(each.made, "reading")
    return Finding("ok", f"{name}: {each.state}, {made} since the service started")


CHECKS = (deriving,)
