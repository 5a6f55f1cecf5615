"""Messages in plain English: what, since when, the worst value, what to do.

All of it is of bounded length, on one line or on lines of our own, and without secrets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from collector.contract.alert import Alarm, Meaning, Message, State
from collector.safe_text import escape, hide
from collector.text import amount, counted, duration, number

LONGEST_TITLE = 120
LONGEST_LINE = 300
LONGEST_TEXT = 2000
MOST_LINES = 20
LATE_MS = 600_000
KILO = 1000
UNKNOWN = Meaning(text="")


@dataclass(frozen=True)
class Writer:
    """Writes messages of the house *site*, whose alerts mean *meanings*."""

    site: str
    zone: ZoneInfo
    meanings: Mapping[str, Meaning]
    link: str = ""

    def meaning(self, alarm: Alarm) -> Meaning:
        """Return what an alert means, in words that can stand anywhere."""
        found = self.meanings.get(alarm.rule, UNKNOWN)
        text, advice = (one_line(each)[:LONGEST_LINE] for each in (found.text, found.advice))
        return replace(found, text=text, advice=advice)

    def single(self, alarm: Alarm, now_ms: int, *, is_reminder: bool = False) -> Message:
        """Write of one alert."""
        meaning = self.meaning(alarm)
        state = "" if alarm.is_raised else "over: "
        still = "still: " if is_reminder and alarm.is_raised else ""
        title = f"{late(alarm, now_ms)}{self.site}: {state}{still}{called(alarm)}"
        lines = [self.what(alarm, meaning), self.figures(alarm, meaning, now_ms)]
        if alarm.is_raised and meaning.advice:
            lines.append(f"What to do: {meaning.advice}.")
        return self.message(
            title,
            lines,
            state="raised" if alarm.is_raised else "over",
            at_ms=alarm.at_ms,
            urgent=meaning.urgent and alarm.is_raised,
            alarms=(alarm,),
        )

    def what(self, alarm: Alarm, meaning: Meaning) -> str:
        about = alarm.device or called(alarm)
        verb = "" if alarm.is_raised else "It is over. "
        return f"{verb}{about}: {meaning.text}." if meaning.text else f"{verb}{about}."

    def figures(self, alarm: Alarm, meaning: Meaning, now_ms: int) -> str:
        """Say since when, for how long, and how bad it was."""
        at, worst = self.local(alarm.since_ms), amount_of(alarm.worst, meaning.unit)
        if alarm.is_raised:
            lasts = duration(max(now_ms - alarm.since_ms, 0) / 1000)
            value = amount_of(alarm.value, meaning.unit)
            return f"Since {at}, for {lasts}. It was {value} when raised, {worst} at worst."
        return f"It began {at} and lasted {duration(alarm.duration_s)}. At worst it was {worst}."

    def digest(self, alarms: Sequence[Alarm], now_ms: int) -> Message:
        """Write of several alerts at once."""
        raised = sum(each.is_raised for each in alarms)
        oldest = min(alarms, key=lambda each: each.notice_ms)
        title = (
            f"{late(oldest, now_ms)}{self.site}: {counted(len(alarms), 'alert')}, {raised} raised"
        )
        lines = [f"- {self.brief(each)}" for each in alarms[:MOST_LINES]]
        if len(alarms) > MOST_LINES:
            lines.append(f"and {len(alarms) - MOST_LINES} more: 'energy-monitor alert list'")
        urgent = any(each.is_raised and self.meaning(each).urgent for each in alarms)
        return self.message(
            title, lines, state="digest", at_ms=now_ms, urgent=urgent, alarms=tuple(alarms)
        )

    def brief(self, alarm: Alarm) -> str:
        worst = amount_of(alarm.worst, self.meaning(alarm).unit)
        at = self.local(alarm.since_ms)
        if alarm.is_raised:
            return f"{called(alarm)}: since {at}, at worst {worst}"
        return f"{called(alarm)}: over; it began {at}, lasted {duration(alarm.duration_s)}"

    def test(self, at_ms: int, target: str) -> Message:
        """Write a message that only shows that messages arrive."""
        lines = [f"This is a test of the target {target!r}. Nothing is wrong."]
        return self.message(f"{self.site}: TEST", lines, state="test", at_ms=at_ms)

    def message(
        self,
        title: str,
        lines: Sequence[str],
        state: State,
        at_ms: int,
        *,
        urgent: bool = False,
        alarms: tuple[Alarm, ...] = (),
    ) -> Message:
        written = [one_line(each)[:LONGEST_LINE] for each in lines]
        text = "\n".join([*written, *([self.link] if self.link else [])])
        return Message(
            title=one_line(title)[:LONGEST_TITLE],
            text=text[:LONGEST_TEXT],
            state=state,
            at_ms=at_ms,
            urgent=urgent,
            alarms=alarms,
        )

    def local(self, at_ms: int) -> str:
        return datetime.fromtimestamp(at_ms / 1000, self.zone).strftime("%Y-%m-%d %H:%M")


def one_line(text: str) -> str:
    return escape(hide(text))


def called(alarm: Alarm) -> str:
    """Return the rule's name as words, and its device."""
    words = alarm.rule.replace("-", " ").replace("_", " ")
    return f"{words} {alarm.device}".rstrip()


def late(alarm: Alarm, now_ms: int) -> str:
    """Say how old the news is, where it is."""
    age_ms = now_ms - (alarm.notice_ms or alarm.at_ms)
    return f"{duration(age_ms / 1000)} ago: " if age_ms > LATE_MS else ""


def amount_of(value: float, unit: str) -> str:
    """Write a value with its unit, as people would."""
    if unit == "s":
        return duration(value)
    if unit == "bytes":
        return amount(value)
    if unit in {"W", "VA", "var", "Wh"} and abs(value) >= KILO:
        return f"{number(value / KILO)} k{unit}"
    return f"{number(value)} {unit}".rstrip()
