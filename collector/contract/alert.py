"""Alerts: what an alert is as a reading, what it means, and who takes part.

A derivation raises them as readings of the kind ``alert``, whose device is the rule's name, or rule
and device: ``overload.mains``. Numbers travel as readings; the words to them, which never change
while the service runs, are handed to each output as ``Context.alerts``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from collector.reading import Reading

KIND = "alert"
QUANTITIES = (
    "alert_state",
    "alert_since",
    "alert_duration",
    "alert_value",
    "alert_worst",
    "alert_count",
    "alert_notice",
)

State = Literal["raised", "over", "digest", "test"]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a rule means: words for people, and whom they are for.

    *text* says what is wrong, *advice* what mends it, *unit* is that of the compared value.
    *targets* are the outputs that tell of it (empty: all), *devices* those that it names.
    """

    text: str
    advice: str = ""
    unit: str = ""
    urgent: bool = False
    targets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alert as it stands; times are UTC in ms, *value* is as it was when it was raised.

    *count* is how often it has been raised so far. *notice_ms* is when there was last something to
    tell people, 0 for never: a target tells of each such notice once.
    """

    name: str
    at_ms: int
    is_raised: bool
    since_ms: int
    duration_s: float
    value: float
    worst: float
    count: int
    notice_ms: int

    @property
    def rule(self) -> str:
        return self.name.partition(".")[0]

    @property
    def device(self) -> str:
        return self.name.partition(".")[2]

    def reading(self) -> Reading:
        values = (
            float(self.is_raised),
            self.since_ms / 1000,
            self.duration_s,
            self.value,
            self.worst,
            float(self.count),
            self.notice_ms / 1000,
        )
        return Reading(KIND, self.name, self.at_ms, dict(zip(QUANTITIES, values, strict=True)))


def alarm_of(reading: Reading) -> Alarm:
    """Return what ``Alarm.reading`` made; what is missing is 0."""
    state, since, lasted, value, worst, count, notice = (
        reading.values.get(name, 0.0) for name in QUANTITIES
    )
    return Alarm(
        name=reading.device,
        at_ms=reading.at_ms,
        is_raised=state > 0,
        since_ms=round(since * 1000),
        duration_s=lasted,
        value=value,
        worst=worst,
        count=round(count),
        notice_ms=round(notice * 1000),
    )


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a target is to tell: a title of one line, and a text of several.

    *state* is 'raised', 'over', 'digest' or 'test'; *alarms* are those that it is about.
    """

    title: str
    text: str
    state: State
    at_ms: int
    urgent: bool = False
    alarms: tuple[Alarm, ...] = ()


@runtime_checkable
class Describing(Protocol):
    """Options of a derivation that knows what its alerts mean."""

    def meanings(self) -> Mapping[str, Meaning]:
        """Return the meaning of each rule by its name. Raise ValueError where one is none."""


@runtime_checkable
class Alerting(Protocol):
    """A derivation that raises alerts."""

    def standing(self) -> Sequence[Alarm]:
        """Return the alerts that are raised now."""


@runtime_checkable
class Notifying(Protocol):
    """An output that tells people: a target of alerts."""

    tells: ClassVar[Literal["people"]]

    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway."""
