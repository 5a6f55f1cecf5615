"""One alert: pending, raised, over; and what people are to be told of it, and when.

A notice is due at its rise, at each reminder and at its end. In quiet hours it waits.
"""

from dataclasses import dataclass, fields
from typing import Any

from collector.contract.alert import Alarm
from collector.derive.alerts.condition import Verdict, worst

MOST_REMINDERS = 10  # the last pause is 1,024 times the first


@dataclass(frozen=True)
class Times:
    """How long, in ms, an alert must hold, be over, and stand until it is told again."""

    for_ms: int
    clear_for_ms: int
    repeat_ms: int
    recovery: bool
    sign: str


@dataclass
class Alert:
    """Where one alert is on its way; times are ms, 0 for not.

    A condition that holds is *pending* at first. The incident itself lasts from *since_ms* to
    *over_ms*. *told*: people know that it stands. *owed*: they are to be told what is now.
    """

    name: str
    pending_ms: int = 0
    pending_worst: float = 0.0
    since_ms: int = 0
    is_raised: bool = False
    over_ms: int = 0
    value: float = 0.0
    worst: float = 0.0
    count: int = 0
    told: bool = False
    owed: bool = False
    told_ms: int = 0
    reminders: int = 0

    def see(self, verdict: Verdict, at_ms: int, times: Times, *, silenced: bool) -> bool:
        """Take what the condition says at *at_ms*; return whether the alert rose or ended."""
        if self.is_raised:
            return self.see_raised(verdict, at_ms, times)
        if not verdict.holds:
            self.pending_ms = 0
            return False
        value = verdict.value if verdict.value is not None else 0.0
        if not self.pending_ms:
            self.pending_ms, self.pending_worst = at_ms, value
        self.pending_worst = worst(times.sign, self.pending_worst, value)
        if at_ms - self.pending_ms < times.for_ms or silenced:
            return False
        self.is_raised, self.over_ms, self.value = True, 0, value
        self.since_ms, self.pending_ms, self.worst = self.pending_ms, 0, self.pending_worst
        self.count += 1
        self.owed, self.told, self.reminders = True, False, 0
        return True

    def see_raised(self, verdict: Verdict, at_ms: int, times: Times) -> bool:
        if verdict.holds:
            self.over_ms = 0
            if verdict.value is not None:
                self.worst = worst(times.sign, self.worst, verdict.value)
            return False
        self.over_ms = self.over_ms or at_ms
        if at_ms - self.over_ms < times.clear_for_ms:
            return False
        self.is_raised = False
        self.owed = (self.told and times.recovery) or self.owed
        return True

    def tell(self, now_ms: int, times: Times, *, quiet: bool) -> bool:
        """Return whether people are to be told of it now, and note that they are."""
        pause_ms = times.repeat_ms << min(self.reminders, MOST_REMINDERS)
        again = self.is_raised and self.told and times.repeat_ms
        if again and now_ms - self.told_ms >= pause_ms:
            self.owed = True
        if not self.owed or quiet:
            return False
        self.reminders += self.told and self.is_raised
        self.owed, self.told, self.told_ms = False, self.is_raised, now_ms
        return True

    def alarm(self, now_ms: int) -> Alarm:
        until_ms = now_ms if self.is_raised else self.over_ms
        return Alarm(
            name=self.name,
            at_ms=now_ms,
            is_raised=self.is_raised,
            since_ms=self.since_ms,
            duration_s=max(until_ms - self.since_ms, 0) / 1000,
            value=self.value,
            worst=self.worst,
            count=self.count,
            notice_ms=self.told_ms,
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it: it holds nothing, and was never raised."""
        return not (self.pending_ms or self.owed or self.count)

    def state(self) -> list[Any]:
        return [getattr(self, each.name) for each in fields(self)]


def alert_of(state: list[Any]) -> Alert:
    """Return what ``Alert.state`` made. Raise ValueError."""
    names = [each.name for each in fields(Alert)]
    if len(state) != len(names):
        raise ValueError(f"an alert of another release: {state!r:.100}")
    return Alert(**dict(zip(names, state, strict=True)))
