"""What each template is given beside its view: what is computed and not merely written. Pure."""

import functools
import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from collector.contract.views import (
    BillRow,
    BillView,
    CostView,
    DeviceView,
    EnergyView,
    EventsView,
    Figure,
    HealthView,
    HistoryView,
    House,
    KnownDevice,
    NowView,
)
from collector.page.charts import bars, colours, still, thinned
from collector.page.choice import Choice
from collector.page.families import FIRST, MOST_NOW, by_family, on_first_page
from collector.page.figures import DASH, SPACE, SYMBOLS, Writer
from collector.page.flow import picture
from collector.page.names import is_named

ABOVE_USUAL = 1.6  # the gauge ends so far above what is usual
MOST_ROWS = 60  # of a table: a phone shall show it
MOST_POINTS = 600  # of a chart: a screen shows no more
MOST_EVENTS = 100
KIND_COLOURS = {"solar": "solar", "battery": "battery", "heatpump": "heat_pump"}
ROLE_COLOURS = {"grid", "solar", "battery", "house", "heat_pump"}
MACHINE = ("cpu_usage", "cpu_temperature", "load_1m", "memory_available", "uptime")
LEAST_PLACES = 4  # of a price
DAY_AND_MORE_MS = 26 * 3_600_000  # the longest day, and a little: a longer time is told by days


class Gauge(NamedTuple):
    """Where the usual and the present power stand, in percent of *most* W."""

    most: int
    low: float
    width: float
    at: float


def gauge_of(house: House) -> Gauge | None:
    if house.power is None or house.usual_low is None or house.usual_high is None:
        return None
    most = max(house.usual_high * ABOVE_USUAL, house.power * 1.05, 100.0)
    share = 100 / most
    width = round((house.usual_high - house.usual_low) * share, 1)
    at = round(max(house.power, 0) * share, 1)
    return Gauge(round(most), round(house.usual_low * share, 1), width, at)


def of_now(writer: Writer, *, now: NowView) -> dict[str, Any]:
    said, flow = writer.words, now.flow
    currency = now.today.currency
    form = said("form.money" if currency in SYMBOLS else "form.money_code")
    text = said(
        "now.flow_text",
        **{
            key: str(writer.figure(getattr(flow, key), "W"))
            for key in ("house", "grid", "solar", "battery")
        },
    )
    roles = {each.device: getattr(each, "role", "") for each in now.devices}
    return {
        "now": now,
        "first_devices": on_first_page(now.devices)[:MOST_NOW],
        "colour_of": colour_of(now),
        "gauge": gauge_of(now.house),
        "flow": picture(flow, said, roles),
        "flow_text": text,
        "money_form": form.format(n="{n}", c=SYMBOLS.get(currency, currency)),
    }


def colour_of(now: NowView) -> Callable[[DeviceView], str]:
    """Return what tells the colour of a device: that of its role, or of its kind."""
    parts = colours(each.name for each in now.flow.parts)

    def colour(device: DeviceView) -> str:
        if device.role in ROLE_COLOURS:
            return device.role
        return parts.get(device.device) or KIND_COLOURS.get(device.kind, "plain")

    return colour


def of_devices(writer: Writer, *, now: NowView) -> dict[str, Any]:
    return {
        "now": now,
        "families": by_family(now.devices, writer.words),
        "figures_of": functools.partial(figures_of, writer),
        "colour_of": colour_of(now),
    }


def figures_of(writer: Writer, device: DeviceView) -> tuple[list[Figure], list[Figure]]:
    """Return the figures of a device that are shown at once, and those that wait to be asked for.

    What has a name in the reader's language is what owners look for; the rest are details.
    """
    main = device.main.quantity if device.main else ""
    others = [each for each in device.figures if each.quantity != main]
    first = [each for each in others if is_named(writer, each.quantity)][:FIRST]
    return first, [each for each in others if each not in first]


def of_history(
    writer: Writer,
    *,
    choice: Choice,
    devices: tuple[KnownDevice, ...] = (),
    history: HistoryView | None = None,
    energy: EnergyView | None = None,
    error: str = "",
) -> dict[str, Any]:
    said = writer.words
    shown: dict[str, Any] = {
        "choice": choice,
        "devices": devices,
        "history": history,
        "energy": energy,
        "error": error,
        "chart_words": json.dumps(
            {"before": said("history.before"), "nothing": said("history.nothing")},
            ensure_ascii=False,
        ),
        "period": period_of(choice, writer),
        "before": said(f"history.before_{choice.range}"),
        "still": None,
        "chart": None,
        "rows": (),
    }
    if history and not error:
        shift = history.begin_ms - history.before[0][0] if history.before else 0
        shown["still"] = still(
            history.points, history.before, history.begin_ms, history.end_ms, shift
        )
        used = history.shows == "used"
        seen = [each for each in history.points if each[1] is not None]
        shown["rows"] = thinned(seen, MOST_ROWS, add=used)
        drawn = chart_view(history, shift)
        shown["chart_view"] = json.dumps(drawn, separators=(",", ":"))
        shown["shift"] = shift
        shown["chart_step_s"] = drawn["step_ms"] / 1000
        shown["scale"] = scale_marks(history, writer)
    elif energy and not error:
        shown["chart"] = bars(energy, writer, said("history.rest"))
    return shown


def chart_view(history: HistoryView, shift_ms: int) -> dict[str, Any]:
    """Return what the chart draws, small: times in seconds since the beginning, four figures."""
    size = -(-len(history.points) // MOST_POINTS) or 1
    used = history.shows == "used"
    points = thinned(history.points, MOST_POINTS, add=used)
    before = thinned(history.before, MOST_POINTS, add=used)
    begin = history.begin_ms
    return {
        "begin_ms": begin,
        "end_ms": history.end_ms,
        "step_ms": history.step_ms * size,
        "shows": history.shows,
        "points": [short(at - begin, mean, low, high) for at, mean, low, high in points],
        "before": [short(at + shift_ms - begin, mean, None, None) for at, mean, _, _ in before],
    }


def short(after_ms: int, mean: float | None, low: float | None, high: float | None) -> list[Any]:
    """Write a point; what is missing at its end, or the same, is left out."""
    at = after_ms // 1000
    if mean is None:
        return [at]
    figures = [float(f"{each:.4g}") for each in (mean, low, high) if each is not None]
    return [at, *(figures[:1] if len(set(figures)) == 1 else figures)]


def scale_marks(history: HistoryView, writer: Writer) -> list[str]:
    """Write the times under a line: five of them, evenly set."""
    span = history.end_ms - history.begin_ms
    times = [history.begin_ms + span * each / 4 for each in range(5)]
    if span <= DAY_AND_MORE_MS:
        return [writer.clock(each) for each in times]
    return [writer.day(each, "short_day") for each in times]


def period_of(choice: Choice, writer: Writer) -> str:
    """Say which time is shown."""
    if choice.range == "hour":
        hour = choice.moment.hour
        return f"{writer.day(choice.day)}, {hour:02d}:00{DASH}{(hour + 1) % 24:02d}:00"
    if choice.range == "month":
        return writer.day(choice.day, "month")
    if choice.range == "year":
        return str(choice.day.year)
    if choice.range == "week":
        year, week, _ = choice.day.isocalendar()
        first, last = (choice.day.fromisocalendar(year, week, day) for day in (1, 7))
        return f"{writer.day(first, 'short_day')} {DASH} {writer.day(last)}"
    return writer.day(choice.day)


def quantity(writer: Writer, row: BillRow) -> str:
    """Write how much a line of a bill is of."""
    if not row.unit:
        return ""
    places = 3 if row.unit in {"kWh", "kW"} else places_in(row.quantity)
    return f"{writer.number(Decimal(row.quantity), places)}{SPACE}{row.unit}"


def places_in(number: str) -> int:
    return len(number.partition(".")[2])


def of_cost(writer: Writer, *, cost: CostView) -> dict[str, Any]:
    names = [each.name for each in cost.by_part if each.name]
    most = max((abs(Decimal(each.amount)) for each in cost.by_part), default=Decimal(0))
    del writer
    return {
        "cost": cost,
        "colour": {**colours(names), "": "rest"},
        "share": {
            each.name: round(float(100 * abs(Decimal(each.amount)) / most), 1) if most else 0
            for each in cost.by_part
        },
    }


def of_bill(writer: Writer, *, bill: BillView) -> dict[str, Any]:
    def month_name(month: str) -> str:
        return writer.day(date.fromisoformat(f"{month}-01"), "month")

    def price(row: BillRow) -> str:
        if row.price is None:
            return ""
        return writer.number(Decimal(row.price), max(places_in(row.price), LEAST_PLACES))

    return {
        "bill": bill,
        "month_name": month_name,
        "price": price,
        "iso_day": lambda day: writer.day(date.fromisoformat(day)),
        "plain_percent": lambda text: writer.words(
            "form.percent", n=writer.number(Decimal(text), places_in(text))
        ),
    }


def of_health(writer: Writer, *, health: HealthView, events: EventsView) -> dict[str, Any]:
    return {
        "health": health,
        "events": events,
        "states": writer.words.below("state"),
        "backups": {each.task: each.age_s for each in health.backups},
        "machine": [each for each in health.machine if each.quantity in MACHINE],
        "most_events": MOST_EVENTS,
    }


MAKERS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "now": of_now,
    "devices": of_devices,
    "history": of_history,
    "cost": of_cost,
    "bill": of_bill,
    "health": of_health,
}
