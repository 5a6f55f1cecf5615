"""The text of /metrics: every value of now, and how the collector is doing.

In Prometheus's text format 0.0.4, written by hand: prometheus_client takes 14 MB of memory and 20
times as long. Values carry no time, so that Prometheus marks a series stale once it is gone.

As long as the same series are there, only their values are written anew: half of the time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from collector.contract.metric_names import PREFIX, Metric, metrics
from collector.contract.page import DeviceNow
from collector.page.own import own_figures
from collector.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
AT = Metric(
    f"{PREFIX}reading_timestamp_seconds",
    "gauge",
    "when the newest reading of the device was taken; it stays when the device is silent",
)
INFO = Metric(
    f"{PREFIX}device_info", "gauge", "1; what is known of a device, its label for people too"
)
ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
ESCAPES_OF_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})

Families = dict[str, tuple[Metric, list[str], list[int]]]


class Series(NamedTuple):
    """All series of a text, without their values."""

    site: str
    own: Sequence[tuple[Mapping[str, str], Sequence[Metric]]]
    devices: Sequence[tuple[str, str, str, str]]  # device, kind, source, label
    quantities: Sequence[tuple[str, tuple[str, ...]]]  # of each device


class Text:
    """Makes what a scrape gets. For one thread at a time.

    *template* is the text with a gap for each value, *pick* puts values in the order of the gaps,
    and *units* has the places of the values that are in other units here.
    """

    def __init__(self) -> None:
        self.series: Series | None = None
        self.template = ""
        self.pick: Callable[[Sequence[float]], Any] = tuple
        self.units: list[tuple[int, Metric]] = []

    def of(self, status: Status, devices: Iterable[DeviceNow]) -> str:
        """Return the text; where two devices have one name, with the newest of each quantity."""
        own = [(labels, [*figures]) for labels, figures in own_figures(status)]
        values: dict[str, Mapping[str, float]] = {}
        times: dict[str, float] = {}
        about = []
        for each in sorted(devices, key=attrgetter("device", "at_ms")):
            about.append((each.device, each.kind, each.source, each.label))
            others = values.get(each.device)
            values[each.device] = {**others, **each.values} if others else each.values
            times[each.device] = each.at_ms / 1000
        series = Series(
            status.site,
            [(labels, [metric for metric, _ in figures]) for labels, figures in own],
            about,
            [(device, tuple(those)) for device, those in values.items()],
        )
        if series != self.series:
            self.prepare(series)
            self.series = series
        numbers = [number for _, figures in own for _, number in figures]
        numbers += times.values()
        for those in values.values():
            numbers += those.values()
        for place, metric in self.units:
            numbers[place] = metric.value(numbers[place])
        text: str = self.template % self.pick(numbers)
        return text

    def prepare(self, series: Series) -> None:
        """Make the template of a text with these series."""
        families: Families = {}
        self.units, place = [], 0
        known = metrics()
        places: dict[str, list[tuple[str, int]]] = {quantity: [] for quantity in known}
        for own, figures in series.own:
            labels = labels_of({"site": series.site, **own})
            for metric in figures:
                self.add(families, metric, labels, place)
                place += 1
        for device, kind, source, label in series.devices:
            about = {"device": device, "kind": kind, "source": source, "label": label}
            _, lines, _ = family(families, INFO)
            lines.append(f"{INFO.name}{labels_of({'site': series.site, **about})} 1")
        devices = [
            (labels_of({"site": series.site, "device": device}), quantities)
            for device, quantities in series.quantities
        ]
        for labels, _ in devices:
            self.add(families, AT, labels, place)
            place += 1
        for labels, quantities in devices:
            for quantity in quantities:
                if quantity in places:
                    places[quantity].append((labels, place))
                place += 1
        for quantity, there in places.items():
            for labels, at in there:
                self.add(families, known[quantity], labels, at)
        self.template, order = joined(families)
        self.pick = itemgetter(*order)

    def add(self, families: Families, metric: Metric, labels: str, place: int) -> None:
        _, lines, places = family(families, metric)
        lines.append(f"{metric.name}{labels} %r")
        places.append(place)
        if metric.times != metric.by:
            self.units.append((place, metric))


def joined(families: Families) -> tuple[str, list[int]]:
    """Return the template, and which value comes into each of its gaps."""
    parts, order = [], []
    for metric, lines, places in families.values():
        parts.append(f"# HELP {metric.name} {gapless(metric.help.translate(ESCAPES_OF_HELP))}")
        parts.append(f"# TYPE {metric.name} {metric.kind}")
        parts += lines
        order += places
    return "\n".join(parts) + "\n", order


def family(families: Families, metric: Metric) -> tuple[Metric, list[str], list[int]]:
    """Return the lines of a metric and the places of their values; there may be none yet."""
    return families.setdefault(metric.name, (metric, [], []))


def labels_of(labels: Mapping[str, str]) -> str:
    """Write *labels*; an empty one is left out, which is the same to Prometheus."""
    pairs = (f'{name}="{text.translate(ESCAPES)}"' for name, text in labels.items() if text)
    return gapless("{" + ",".join(pairs) + "}")


def gapless(text: str) -> str:
    return text.replace("%", "%%")
