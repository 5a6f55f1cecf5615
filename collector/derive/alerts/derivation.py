"""The derivation ``alerts``: decides every rule as readings come and time passes.

Time is what the readings carry. Values are decided when they come, ages at each tick. After a gap
in which the collector was away every age begins anew, so nothing is called missing at a start.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from collector.contract import Context
from collector.contract.alert import KIND, QUANTITIES, Alarm
from collector.contract.counters import REPEATING
from collector.contract.derivation import AllBut
from collector.derive.alerts.alert import Alert, alert_of
from collector.derive.alerts.condition import NO, Comparison, House, Seen, Verdict
from collector.derive.alerts.figures import FIGURES, Figures
from collector.derive.alerts.quiet import Quiet
from collector.derive.alerts.rules import Rule, rules_of, wanted
from collector.derive.alerts.settings import AlertsOptions
from collector.quantity import catalogue
from collector.reading import Reading

FORM = 1
GAP_MS = 60_000  # the collector ticks every 10 s
AHEAD_MS = 3_600_000  # a reading of later is a forecast
MARGIN = 0.05
MOST_DEVICES = 500
MOST_ALERTS = 1000
Hearer = tuple[Rule, str, str]
Fell = dict[str, tuple[int, float]]


class Alerts:
    """Every rule of the house, and how far each alert is."""

    Options = AlertsOptions
    hears = AllBut({KIND, *REPEATING})  # counters as the meters say them
    makes = frozenset({KIND})
    quantities: Collection[str] = QUANTITIES

    def __init__(self, name: str, options: AlertsOptions, context: Context) -> None:
        self.name = name
        self.rules = rules_of(options.rules, defaults=options.defaults)
        self.settings = {"discharge_floor": float(options.discharge_floor)}
        if options.contract is not None:
            self.settings["contract"] = float(options.contract)
        self.quiet = Quiet(options.quiet, context.zone)
        self.figures = Figures(context.zone, options.peak_of)
        self.devices: dict[str, dict[str, Seen]] = {}
        self.alerts: dict[str, Alert] = {}
        self.tick_ms = self.began_ms = 0
        self.counters = {each.name for each in catalogue().values() if each.kind == "counter"}
        self.hearers: dict[tuple[str, str], list[Hearer]] = {}

    # What is heard

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        return [made for each in readings for made in self.hear(each)]

    def hear(self, reading: Reading) -> Iterator[Reading]:
        seen = self.seen(reading)
        if seen is None:
            return
        now_ms = max(reading.at_ms, self.tick_ms)
        for rule, bound, name in self.rules_for(reading):
            if name in self.alerts or rule.may_hold(seen, self.settings):
                house = House(self.devices, self.settings, now_ms, self.began_ms)
                yield from self.decide(rule, bound, house, reading.at_ms)

    def seen(self, reading: Reading) -> Seen | None:
        """Remember what a reading says; None where it is late, a forecast, or one too many."""
        kinds = self.devices.get(reading.device)
        if kinds is None or reading.kind not in kinds:
            if sum(map(len, self.devices.values())) >= MOST_DEVICES:
                return None
            kinds = self.devices.setdefault(reading.device, {})
            kinds[reading.kind] = Seen()
        seen = kinds[reading.kind]
        if self.tick_ms and reading.at_ms > self.tick_ms + AHEAD_MS:
            return None
        heard_ms = min(max(reading.at_ms, self.tick_ms), self.tick_ms + GAP_MS)
        seen.heard_ms = heard_ms if self.tick_ms else reading.at_ms
        if reading.at_ms <= seen.at_ms:
            return None
        seen.at_ms = reading.at_ms
        self.keep_values(seen.values, seen.fell, reading)
        if self.shown:
            self.keep_figures(seen.values, self.figures.take(reading))
        return seen

    def keep_values(self, known: dict[str, float], fell: Fell, reading: Reading) -> None:
        for quantity, value in reading.values.items():
            if quantity in self.compared:
                if quantity in self.counters and value < known.get(quantity, value):
                    fell[quantity] = (reading.at_ms, known[quantity] - value)
                known[quantity] = value

    def keep_figures(self, known: dict[str, float], figures: Mapping[str, float]) -> None:
        for quantity in self.shown:
            if quantity not in figures:
                known.pop(quantity, None)  # it is not known any more
        known.update(figures)

    @cached_property
    def compared(self) -> frozenset[str]:
        """Return the quantities that some rule looks at."""
        names: set[str] = set()
        for leaf in (each for rule in self.rules for each in wanted(rule)):
            names |= getattr(leaf, "quantities", frozenset())
            if isinstance(leaf, Comparison) and leaf.limit.of:
                names.add(leaf.limit.of)
        return frozenset(names)

    @cached_property
    def shown(self) -> frozenset[str]:
        """Return the figures that some rule looks at."""
        return self.compared & FIGURES.keys()

    def rules_for(self, reading: Reading) -> list[Hearer]:
        """Return the rules that this device may decide, of which device, and the alerts' names."""
        key = (reading.kind, reading.device)
        if key not in self.hearers:
            if len(self.hearers) >= 2 * MOST_DEVICES:
                self.hearers.clear()
            heard = [rule for rule in self.rules if decides(rule, *key)]
            bound = [(rule, reading.device if rule.is_wild else "") for rule in heard]
            self.hearers[key] = [(rule, each, alert_name(rule, each)) for rule, each in bound]
        return self.hearers[key]

    # When time passes

    def tick(self, now_ms: int) -> list[Reading]:
        self.notice_gap(now_ms)
        self.tick_ms = now_ms
        house = House(self.devices, self.settings, now_ms, self.began_ms)
        made: list[Reading] = []
        for rule in self.rules:
            if rule.is_timed:
                for bound in self.bound_to(rule):
                    made += self.decide(rule, bound, house, now_ms)
        for name, alert in self.alerts.items():
            if alert.owed or alert.is_raised:
                made += self.tell(self.by_name[name.partition(".")[0]], alert, now_ms)
        return made

    def notice_gap(self, now_ms: int) -> None:
        """Let ages begin anew after an absence, and all times where the clock was set back."""
        if not self.tick_ms or now_ms - self.tick_ms > GAP_MS:
            self.began_ms = now_ms
        elif now_ms < self.tick_ms - GAP_MS:
            self.began_ms = now_ms
            for kinds in self.devices.values():
                for seen in kinds.values():
                    seen.at_ms, seen.heard_ms = 0, min(seen.heard_ms, now_ms)

    def bound_to(self, rule: Rule) -> list[str]:
        if not rule.is_wild:
            return [""]
        return [
            device
            for device, kinds in self.devices.items()
            if any(decides(rule, kind, device) for kind in kinds)
        ]

    @cached_property
    def by_name(self) -> dict[str, Rule]:
        return {rule.name: rule for rule in self.rules}

    # What follows

    def decide(self, rule: Rule, bound: str, house: House, at_ms: int) -> Iterator[Reading]:
        name = alert_name(rule, bound)
        alert = self.alerts.get(name)
        verdict = self.verdict(rule, bound, house, is_raised=bool(alert and alert.is_raised))
        if alert is None:
            if not verdict.holds or len(self.alerts) >= MOST_ALERTS:
                return
            alert = self.alerts[name] = Alert(name)
        changed = alert.see(verdict, at_ms, rule.times, silenced=self.silenced(rule, bound))
        yield from self.tell(rule, alert, house.now_ms, changed=changed)
        if alert.is_idle:
            del self.alerts[name]

    def verdict(self, rule: Rule, bound: str, house: House, *, is_raised: bool) -> Verdict:
        if is_raised and rule.ends:
            holds = rule.condition.decide(house, bound, None)
            if rule.ends.decide(house, bound, None).holds:
                return NO
            return Verdict(holds=True, value=holds.value)
        return rule.condition.decide(house, bound, MARGIN if is_raised else None)

    def silenced(self, rule: Rule, bound: str) -> bool:
        for other in rule.unless:
            both_wild = bound and other in self.by_name and self.by_name[other].is_wild
            names = [f"{other}.{bound}"] if both_wild else list(self.alerts)
            for name in names:
                alert = self.alerts.get(name)
                if alert and alert.is_raised and name.partition(".")[0] == other:
                    return True
        return False

    def tell(
        self, rule: Rule, alert: Alert, now_ms: int, *, changed: bool = False
    ) -> Iterator[Reading]:
        quiet = not rule.meaning.urgent and self.quiet.holds(now_ms)
        if alert.tell(now_ms, rule.times, quiet=quiet) or changed:
            yield alert.alarm(now_ms).reading()

    def standing(self) -> list[Alarm]:
        """Return the alerts that are raised now."""
        now_ms = self.tick_ms
        return [
            each.alarm(max(now_ms, each.since_ms))
            for each in self.alerts.values()
            if each.is_raised
        ]

    # What is remembered

    def state(self) -> Any:
        return {
            "form": FORM,
            "tick_ms": self.tick_ms,
            "began_ms": self.began_ms,
            "alerts": [each.state() for each in self.alerts.values()],
            "devices": [
                [device, kind, seen.at_ms, seen.heard_ms, seen.values, seen.fell]
                for device, kinds in self.devices.items()
                for kind, seen in kinds.items()
            ],
            "figures": self.figures.state(),
        }

    def restore(self, state: Any) -> None:
        """Take up a state of before. Raise ValueError where it is none.

        An alert whose rule is gone, or is written otherwise, is forgotten.
        """
        try:
            if state["form"] != FORM:
                raise ValueError("another form")  # noqa: TRY301  said below
            self.tick_ms, self.began_ms = int(state["tick_ms"]), int(state["began_ms"])
            for each in map(alert_of, state["alerts"]):
                rule = self.by_name.get(each.name.partition(".")[0])
                if rule and rule.is_wild == ("." in each.name):
                    self.alerts[each.name] = each
            for device, kind, at_ms, heard_ms, values, fell in state["devices"]:
                drops = {name: (int(when), float(drop)) for name, (when, drop) in fell.items()}
                seen = Seen(int(at_ms), int(heard_ms), dict(values), drops)
                self.devices.setdefault(device, {})[kind] = seen
            self.figures.restore(state["figures"])
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"a state of another form: {error!r:.100}") from error


def alert_name(rule: Rule, bound: str) -> str:
    return f"{rule.name}.{bound}" if bound else rule.name


def decides(rule: Rule, kind: str, device: str) -> bool:
    """May readings of this device change what a rule says, and of which alert?"""
    every = [each.name for each in wanted(rule)]
    wild = [each for each in every if each.is_wild]
    return any(each.names(kind, device) for each in (wild or every))
