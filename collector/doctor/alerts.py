"""The alerts: which stand, and does any output send them?"""

from collections.abc import Iterator

from collector.doctor.case import Case
from collector.doctor.finding import Finding
from collector.run import alerts
from collector.text import counted, duration


def standing(case: Case) -> Iterator[Finding]:
    """Does an alert stand?"""
    found = case.answer().alerts
    for name, each in found.items():
        yield Finding(
            "warning", f"{name}: for {duration(each.duration_s)}: {each.text}", each.advice
        )
    if not found:
        yield Finding("ok", "no alert stands")


def sent(case: Case) -> Iterator[Finding]:
    """Does an output send alerts? Whether it can is looked at with the outputs."""
    if case.config is None:
        return
    targets = alerts.targets(case.config)
    if targets:
        yield Finding("ok", f"{counted(len(targets), 'target')}: {', '.join(targets)}")
    else:
        yield Finding(
            "advice",
            "no output sends alerts",
            "Nobody hears of a silent meter who does not look here.",
            "sudo energy-monitor add output ntfy    # or mail, telegram, webhook",
        )


CHECKS = (standing, sent)
