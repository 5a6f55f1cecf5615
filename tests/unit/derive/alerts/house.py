"""A derivation of alerts, given readings as the service gives them, with our own every 10 s."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from collector.contract import Context
from collector.contract.alert import alarm_of
from collector.derive.alerts.derivation import Alerts
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.reading import Reading

BEGAN_MS = 1_792_969_150_000 // 10_000 * 10_000
NOWHERE = Path("/nowhere")


def options_of(text):
    faults = Faults()
    node: Any = yaml.compose(text)
    options = read_options(Alerts.Options, node, Place("c.yaml", ""), faults)
    assert faults.found == []
    return options


def made_of(text, zone="UTC"):
    context = Context("home", Lines(), NOWHERE, NOWHERE, ZoneInfo(zone))
    return Alerts("alerts", options_of(f"{{type: alerts, {text}}}"), context)


def rules(text):
    return made_of(f"defaults: false, rules: {{{text}}}")


class House:
    """Readings second by second; *alarms* is all that came of them."""

    def __init__(self, text, zone="UTC", began_ms=BEGAN_MS):
        self.it = made_of(text, zone)
        self.now_ms = began_ms
        self.alarms = []
        self.energy = 0.0

    def hear(self, kind, device, at_ms=None, **values):
        reading = Reading(kind, device, at_ms or self.now_ms, values)
        self.alarms += map(alarm_of, self.it.derive([reading]))

    def tick(self, **values):
        values = {"journal_size": 1.0, **values}
        self.hear("collector", "collector", **values)
        self.alarms += map(alarm_of, self.it.tick(self.now_ms))

    def pass_s(self, seconds, every_s=1, **devices):
        """Let time pass; *devices* give their values as a function of the second."""
        for second in range(0, round(seconds), every_s):
            for device, values_at in devices.items():
                values = values_at(second) if callable(values_at) else values_at
                if values:
                    self.hear("electricity", device, **values)
            if self.now_ms % 10_000 == 0:
                self.tick()
            self.now_ms += 1000 * every_s

    @property
    def said(self):
        """Each notice: the alert's name, and whether it is raised."""
        told: dict[str, int] = {}
        notices = []
        for each in self.alarms:
            if each.notice_ms and told.get(each.name) != each.notice_ms:
                told[each.name] = each.notice_ms
                notices.append((each.name, each.is_raised))
        return notices


def watts(power):
    return {"active_power": float(power)}
