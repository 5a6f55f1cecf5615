"""What a target has told, and what waits to be told together; kept, so nothing is told twice."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collector import files
from collector.contract.alert import Alarm
from collector.errors import OutputAway

log = logging.getLogger(__name__)

FORM = 1
LARGEST = 2_000_000
MOST_TOLD = 2000


class Memory:
    """By the names of alerts: what was *told* of each (its notice, and since when), and is *held*.

    *sent_ms* are the times of the last messages, *held_ms* since when something waits.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.told: dict[str, tuple[int, int]] = {}
        self.held: dict[str, Alarm] = {}
        self.sent_ms: list[int] = []
        self.held_ms = 0
        self.is_loaded = self.is_changed = False

    def is_new(self, alarm: Alarm) -> bool:
        """Is there something about it that was not told?"""
        return bool(alarm.notice_ms) and self.told.get(alarm.name, (0, 0))[0] != alarm.notice_ms

    def is_reminder(self, alarm: Alarm) -> bool:
        return self.told.get(alarm.name, (0, 0))[1] == alarm.since_ms

    def hold(self, alarm: Alarm, now_ms: int) -> None:
        if not self.held:
            self.held_ms = now_ms
        if self.held.get(alarm.name) != alarm:
            self.held[alarm.name] = alarm
            self.is_changed = True

    def note(self, alarms: tuple[Alarm, ...], now_ms: int) -> None:
        """Note that *alarms* are told."""
        for each in alarms:
            self.held.pop(each.name, None)
            self.told.pop(each.name, None)
            self.told[each.name] = (each.notice_ms, each.since_ms)
        for name in list(self.told)[:-MOST_TOLD]:
            del self.told[name]
        self.sent_ms = [*self.sent_ms, now_ms][-10:]
        self.is_changed = True

    def load(self) -> None:
        """Read what was saved, once. Raise OutputAway."""
        if self.is_loaded:
            return
        try:
            with suppress(FileNotFoundError), self.file.open("rb") as opened:
                self.take(json.loads(opened.read(LARGEST)))
        except OSError as error:
            raise OutputAway(f"{self.file} cannot be read: {error.strerror}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            log.warning("%s is damaged: alerts that stand may be sent again", self.file)
            self.told, self.held, self.sent_ms = {}, {}, []
        self.is_loaded = True

    def take(self, document: Any) -> None:
        if document["form"] != FORM:
            raise ValueError("another form")
        self.told = {
            name: (int(notice), int(since)) for name, (notice, since) in document["told"].items()
        }
        self.held = {name: Alarm(**each) for name, each in document["held"].items()}
        self.sent_ms = [int(each) for each in document["sent_ms"]]
        self.held_ms = int(document["held_ms"])

    def save(self) -> None:
        """Write it down where it has changed. Raise OutputAway."""
        if not self.is_changed:
            return
        document = {
            "form": FORM,
            "told": self.told,
            "held": {name: asdict(each) for name, each in self.held.items()},
            "sent_ms": self.sent_ms,
            "held_ms": self.held_ms,
        }
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            files.replace(self.file, json.dumps(document).encode())
        except OSError as error:
            raise OutputAway(f"{self.file} cannot be written: {error.strerror}") from error
        self.is_changed = False
