"""The text of /metrics: every value of now, and how the collector is doing.

In Prometheus's text format 0.0.4, written by hand: prometheus_client takes 14 MB of memory and 20
times as long. Values carry no time, so that Prometheus marks a series stale once it is gone.
"""

from collections.abc import Iterable, Mapping, Sequence

from collector.contract.metric_names import PREFIX, Metric, metrics
from collector.contract.page import DeviceNow
from collector.page.own import own_figures
from collector.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
AT = Metric(
    f"{PREFIX}reading_timestamp_seconds",
    "gauge",
    "when the newest reading of the device was taken; it stays when the device is silent",
    1,
    1000,
)
INFO = Metric(
    f"{PREFIX}device_info", "gauge", "1; what is known of a device, its label for people too"
)
ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
ESCAPES_OF_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})

Families = dict[str, tuple[Metric, list[str]]]


def text_of(status: Status, devices: Sequence[DeviceNow]) -> str:
    """Return what a scrape gets."""
    families: Families = {}
    site = status.site
    for labels, figures in own_figures(status):
        text = labels_of({"site": site, **labels})
        for metric, value in figures:
            add(families, metric, text, value)
    add_values(families, site, devices)
    parts = []
    for metric, lines in families.values():
        parts.append(f"# HELP {metric.name} {metric.help.translate(ESCAPES_OF_HELP)}")
        parts.append(f"# TYPE {metric.name} {metric.kind}")
        parts += lines
    return "\n".join(parts) + "\n"


def add_values(families: Families, site: str, devices: Iterable[DeviceNow]) -> None:
    """Add the values of *devices*; where two have one name, the newest of each quantity."""
    known = metrics()
    values: dict[str, dict[str, float]] = {}
    newest_ms: dict[str, int] = {}
    for each in sorted(devices, key=lambda each: each.at_ms):
        values.setdefault(each.device, {}).update(each.values)
        newest_ms[each.device] = each.at_ms
        about = {"kind": each.kind, "source": each.source, "label": each.label}
        add(families, INFO, labels_of({"site": site, "device": each.device, **about}), 1)
    lines_of: dict[str, list[str]] = {quantity: [] for quantity in known}
    # What the loop below needs of each metric, at hand: it runs a thousand times in a scrape.
    plain = {
        quantity: (metric.name, lines_of[quantity].append)
        for quantity, metric in known.items()
        if metric.times == metric.by
    }
    for device in sorted(values):
        labels = labels_of({"site": site, "device": device})
        add(families, AT, labels, newest_ms[device])
        for quantity, value in values[device].items():
            if quantity in plain:
                name, append = plain[quantity]
                append(f"{name}{labels} {value!r}")
            elif metric := known.get(quantity):
                lines_of[quantity].append(f"{metric.name}{labels} {metric.text(value)}")
    for quantity, lines in lines_of.items():
        if lines:
            family(families, known[quantity]).extend(lines)


def add(families: Families, metric: Metric, labels: str, value: float) -> None:
    family(families, metric).append(f"{metric.name}{labels} {metric.text(value)}")


def family(families: Families, metric: Metric) -> list[str]:
    """Return the lines of a metric, of which there may be none yet."""
    if metric.name not in families:
        families[metric.name] = metric, []
    return families[metric.name][1]


def labels_of(labels: Mapping[str, str]) -> str:
    """Write *labels*; an empty one is left out, which is the same to Prometheus."""
    pairs = (f'{name}="{text.translate(ESCAPES)}"' for name, text in labels.items() if text)
    return "{" + ",".join(pairs) + "}"
