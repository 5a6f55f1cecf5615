"""The clock: whether it can be trusted, and what waits for it."""

from collections.abc import Iterator

from collector.doctor.case import Case
from collector.doctor.finding import Finding

MEND = "sudo timedatectl set-ntp true && timedatectl timesync-status"


def synchronised(case: Case) -> Iterator[Finding]:
    """Does something keep the clock right, and are readings held back until it is?"""
    right = case.machine.synchronised()
    clock = case.status.clock if case.status else None
    waiting = case.status.journal.undated if case.status else 0
    if clock and not clock.trusted:
        yield Finding(
            "warning",
            f"the clock is not synchronised yet: {waiting:,} readings are kept but not delivered",
            "A Pi has no clock battery. Readings with a wrong time would be worse than late ones; "
            "they are dated once a time server has answered.",
            MEND,
        )
    elif right:
        yield Finding("ok", "the clock is synchronised")
    elif case.main.clock.trust == "always":
        yield Finding(
            "advice",
            "nothing synchronises the clock, and 'clock: {trust: always}' trusts it anyway",
            "Right for a machine with a battery-backed clock; such a clock drifts all the same.",
            MEND,
        )
    else:
        yield Finding(
            "warning",
            "nothing synchronises the clock at the moment",
            "It drifts by seconds a day; after a restart readings are held back until it is right.",
            MEND,
        )


def steps(case: Case) -> Iterator[Finding]:
    """Was the clock stepped while the service ran?"""
    if case.status and (count := case.status.clock.steps):
        yield Finding(
            "advice",
            f"the clock was stepped {count} time{'s' * (count > 1)} since the service started",
            "Readings from before a step keep the time they got.",
            "journalctl -u energy-monitor-collector | grep stepped",
        )


CHECKS = (synchronised, steps)
