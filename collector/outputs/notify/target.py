"""A target: tells people of each notice once, several of a burst together.

It wants the newest reading of each alert alone: after an absence each alert is one message, with
its age. Time is what the readings carry: the collector's own, every 10 s, say what is now.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from collector.contract import Context
from collector.contract.alert import KIND, Alarm, Message, alarm_of
from collector.errors import OutputAway
from collector.outputs.notify.memory import Memory
from collector.outputs.notify.words import Writer
from collector.reading import decode, time_ms

MOST_SINGLE = 3
WINDOW_MS = 300_000
ALERT = f"{KIND},".encode()
NOW = b"collector,device=collector "


class NotTaken(OutputAway):
    """The service does not take this one message; it may take others."""


class Target(ABC):
    """What all targets do; each sends one message in its own ``tell``."""

    Options: ClassVar[type]
    batch_size = 5_000
    wants: Literal["all", "newest"] = "newest"
    resend: Literal["idempotent", "asks first", "newest only"] = "newest only"
    tells: ClassVar[Literal["people"]] = "people"

    def __init__(self, name: str, options: Any, context: Context) -> None:
        self.name = name
        self.writer = Writer(context.site, context.zone, context.alerts, options.link)
        self.memory = Memory(context.state_dir / "told.json")
        self.now_ms = 0

    def open(self) -> None:
        """Remember what was told. Raise OutputAway."""
        self.memory.load()

    def newest_ms(self) -> int | None:
        """Return None: what was told is told."""
        return None

    def close(self) -> None:  # noqa: B027  most targets keep no connection
        """Do nothing, where no connection is kept."""

    @abstractmethod
    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway, or NotTaken."""

    def write(self, batch: Sequence[bytes]) -> None:
        """Tell of what is new in *batch*. Raise OutputAway."""
        self.memory.load()
        for line in batch:
            if line.startswith(NOW):
                self.now_ms = max(self.now_ms, time_ms(line))
            elif line.startswith(ALERT):
                self.take(alarm_of(decode(line)))
        try:
            self.tell_held()
        finally:
            self.memory.save()

    def take(self, alarm: Alarm) -> None:
        self.now_ms = max(self.now_ms, alarm.at_ms)
        targets = self.writer.meaning(alarm).targets
        if (not targets or self.name in targets) and self.memory.is_new(alarm):
            self.memory.hold(alarm, self.now_ms)

    def tell_held(self) -> None:
        """Tell one by one, or all together where they are many; wait where they may become so."""
        memory, now_ms = self.memory, self.now_ms
        held = list(memory.held.values())
        recent = [each for each in memory.sent_ms if 0 <= now_ms - each < WINDOW_MS]
        if len(held) + len(recent) <= MOST_SINGLE:
            self.tell_each(held)
        elif self.is_time(held, recent):
            message = self.writer.digest(held, now_ms)
            self.tell(message)
            memory.note(message.alarms, now_ms)

    def is_time(self, held: Sequence[Alarm], recent: Sequence[int]) -> bool:
        """Shall what is held be told now?"""
        is_urgent = any(each.is_raised and self.writer.meaning(each).urgent for each in held)
        waited = self.now_ms - self.memory.held_ms >= WINDOW_MS
        return bool(held) and (is_urgent or waited or not recent)

    def tell_each(self, held: Sequence[Alarm]) -> None:
        """Tell of each; one that is not taken holds up no other. Raise OutputAway."""
        refused: NotTaken | None = None
        for alarm in held:
            is_reminder = self.memory.is_reminder(alarm)
            message = self.writer.single(alarm, self.now_ms, is_reminder=is_reminder)
            try:
                self.tell(message)
            except NotTaken as error:
                refused = error
            else:
                self.memory.note(message.alarms, self.now_ms)
                self.memory.save()
        if refused:
            raise refused
