"""Green Button files made up as in espi.xsd: an entry for each resource, linked by address."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ROOT = "https://utility.example/espi/1_1/resource"
HOUR_S = 3600
WH_IMPORTED = {
    "accumulationBehaviour": 4,
    "commodity": 1,
    "currency": 840,
    "flowDirection": 1,
    "intervalLength": HOUR_S,
    "kind": 12,
    "powerOfTenMultiplier": 0,
    "uom": 72,
}

Row = Mapping[str, object]


def link(rel: str, path: str) -> str:
    return f'<link rel="{rel}" href="{ROOT}/{path}"/>'


def entry(path: str, content: str, *related: str) -> str:
    links = [link("self", path), link("up", path.rpartition("/")[0])]
    links += [link("related", each) for each in related]
    return f"<entry><id>urn:uuid:0</id>{''.join(links)}<title/><content>{content}</content></entry>"


def elements(values: Row) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items())


def usage_point(number: int = 1, service: int = 0) -> str:
    inner = f"<ServiceCategory><kind>{service}</kind></ServiceCategory>"
    path = f"UsagePoint/{number}"
    return entry(path, f"<UsagePoint>{inner}</UsagePoint>", f"{path}/MeterReading")


def reading_type(*, type_number: int = 7, **values: object) -> str:
    inner = elements({name: each for name, each in (WH_IMPORTED | values).items() if each != ""})
    return entry(f"ReadingType/{type_number}", f"<ReadingType>{inner}</ReadingType>")


def meter_reading(number: int = 1, *, point: int = 1, type_number: int = 7) -> str:
    path = f"UsagePoint/{point}/MeterReading/{number}"
    return entry(path, "<MeterReading/>", f"{path}/IntervalBlock", f"ReadingType/{type_number}")


def interval(start: object, value: object, duration: object = HOUR_S, **more: object) -> str:
    period = f"<timePeriod><duration>{duration}</duration><start>{start}</start></timePeriod>"
    cost = f"<cost>{more['cost']}</cost>" if "cost" in more else ""
    quality = more.get("quality")
    told = f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>" if quality else ""
    return f"<IntervalReading>{cost}{told}{period}<value>{value}</value></IntervalReading>"


def block(rows: Iterable[str], number: int = 1, *, meter: int = 1, point: int = 1) -> str:
    inner = "<interval><duration>86400</duration><start>1</start></interval>" + "".join(rows)
    path = f"UsagePoint/{point}/MeterReading/{meter}/IntervalBlock/{number}"
    return entry(path, f"<IntervalBlock>{inner}</IntervalBlock>")


def feed(*entries: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:uuid:1</id><title>Usage</title>{''.join(entries)}</feed>"
    ).encode()


def hours(start_s: int, values: Sequence[object], number: int = 1) -> str:
    """A block of hours, one after the other."""
    rows = [interval(start_s + HOUR_S * each, value) for each, value in enumerate(values)]
    return block(rows, number)


def house(*blocks: str, **values: Any) -> bytes:
    """A file with one electric meter."""
    return feed(usage_point(), meter_reading(), reading_type(**values), *blocks)
