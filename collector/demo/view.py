"""What the terminal shows of the demo: a head that stays, and a line per device."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import click

from collector.demo.household import METERS
from collector.demo.live import NARROWEST, SHORTEST, TALL, WIDE, cut, main_figure
from collector.status import LatestReading, SourceStatus, Status
from collector.text import counted, duration, in_unit, width

# What each kind of device is shown by, most important first: the quantity, and a word behind it.
FIGURES: Mapping[str, Sequence[tuple[str, str]]] = {
    "electricity": (
        ("active_power", ""),
        ("voltage", ""),
        ("active_energy", "used"),
        ("active_energy_import", "drawn"),
        ("active_energy_export", "given"),
    ),
    "battery": (
        ("state_of_charge", "full"),
        ("battery_power", ""),
        ("battery_voltage", ""),
        ("discharged_energy", "given"),
    ),
    "solar": (("panel_power", ""), ("yield_today", "today"), ("yield_total", "in all")),
    "heatpump": (
        ("active_power", ""),
        ("heat_power", "heat"),
        ("outside_temperature", "outside"),
        ("flow_temperature", "flow"),
        ("hot_water_temperature", "water"),
    ),
    "lighting_total": (("estimated_power", ""), ("nominal_power", "at most")),
    "host": (("cpu_usage", "busy"), ("memory_used", "used"), ("disk_free", "free")),
}
GAP = "  "
LEAST_COLUMNS = 9  # of a figure, so that they stand below each other
MOST_ALERTS = 2
LONGEST_NAME = 16  # of a device of the demo, and a gap
FOR_LABELS = 100  # columns of a terminal that has room for them


def house_power(answer: Status) -> tuple[float, dict[str, float]] | None:
    """Return what the house draws, and how much of it comes from where; None if not known yet."""
    latest = {
        device: each.values
        for source in answer.sources.values()
        for device, each in source.latest.items()
    }
    grid, roof = ((latest.get(each.name, {}).get("active_power")) for each in METERS[:2])
    sun = latest.get("sun", {}).get("panel_power")
    battery = latest.get("battery", {}).get("battery_power")
    if grid is None or roof is None or sun is None or battery is None:
        return None
    origins = {"grid": grid, "sun": sun - roof, "battery": -battery}
    return sum(origins.values()), origins


def head(answer: Status, places: Sequence[str] = (), *, has_desktop: bool) -> list[str]:
    """Return what stays on top: what this is, where else to look, what the house draws."""
    now, readings = time.strftime("%H:%M:%S"), counted(answer.journal.readings, "reading")
    lines = [f"Energy Monitor demo   {now}   {readings} in the journal   Ctrl-C ends"]
    if answer.page.state == "serving":
        url = f"{answer.page.url}/"
        opens = f"   (xdg-open {url} opens it)" if has_desktop else ""
        lines.append(f"page: {url}{opens}")
    lines += places
    if known := house_power(answer):
        power, origins = known
        parts = ", ".join(f"{name} {round(watts):,}" for name, watts in origins.items())
        lines.append(f"house: {round(power):,} W from {parts}")
    return lines


def desktop() -> bool:
    """Return whether a browser can be opened here."""
    return any(os.environ.get(each) for each in ("DISPLAY", "WAYLAND_DISPLAY"))


def figure(quantity: str, word: str, value: float) -> str:
    """Write a value with its unit, as few digits as people read at a glance."""
    text, unit = in_unit(quantity, value)
    if unit == "Wh":
        text, unit = f"{value / 1000:,.1f}", "kWh"
    elif unit in {"W", "%"}:
        if quantity == "battery_power" and round(value):
            word, value = "charging" if value > 0 else "discharging", abs(value)
        text = f"{round(value):,}"
    elif unit in {"V", "°C"}:
        text = f"{value:.1f}"
    return f"{text} {unit} {word}".rstrip()


def figures(reading: LatestReading) -> list[str]:
    """Return the main figures of a device, the most important first; no energy that is 0."""
    values = reading.values
    wanted = FIGURES.get(reading.kind) or ((main_figure(values), ""),)
    return [
        figure(name, word, values[name])
        for name, word in wanted
        if name in values and (values[name] or not name.startswith("active_energy"))
    ]


def rows(answer: Status) -> Iterator[list[str]]:
    """Yield name, figures and age of each device; the parts of one are counted in its line."""
    for name, source in answer.sources.items():
        reading = source.latest.get(name)
        if reading is None or not reading.values:
            yield [name, source.last_error or "not read yet"]
            continue
        age = duration((answer.now_ms - reading.at_ms) / 1000)
        yield [name, *figures(reading), *of_parts(source), age]


def of_parts(source: SourceStatus) -> Iterator[str]:
    """Say what there is of the other devices of *source*: how many lights are on, or how many."""
    zones = [each for each in source.latest.values() if each.kind == "lighting"]
    if zones:
        lit = sum(each.values.get("level", 0) > 0 for each in zones)
        yield f"{lit} of {len(zones)} on"
    elif len(source.latest) > 1:
        yield f"{len(source.latest) - 1} more"


def table(answer: Status, columns: int) -> list[str]:
    """Set the devices out, as many figures of each as fit into *columns*, then the age."""
    found = list(rows(answer))
    if columns >= FOR_LABELS:
        labels = [source.label for source in answer.sources.values()]
        most = max(map(width, labels), default=0)
        for row, label in zip(found, labels, strict=True):
            row[0] += " " * (LONGEST_NAME - width(row[0])) + label + " " * (most - width(label))
    names = max((width(name) for name, *_ in found), default=0)
    lines = []
    for name, *told in found:
        line = name + " " * (names - width(name))
        *shown, age = told if len(told) > 1 else [*told, ""]
        room = columns - len(GAP) - width(age)
        for each in shown:
            longer = line + GAP + " " * (LEAST_COLUMNS - width(each)) + each
            if width(longer) > room and len(line) > names:
                break
            line = longer
        if width(line) + len(GAP) + width(age) <= columns:
            line += " " * (columns - width(line) - width(age)) + age
        lines.append(cut(line.rstrip(), columns))
    return lines


def alerts(answer: Status, columns: int) -> list[str]:
    """Return a line for each of the first alerts that stand, and one that counts the others."""
    lines = [f"! {name}: {each.text}" for name, each in answer.alerts.items()]
    if len(lines) > MOST_ALERTS:
        lines[MOST_ALERTS:] = [f"! {counted(len(lines) - MOST_ALERTS, 'more alert')}"]
    return [cut(each, columns) for each in lines]


def screen(
    answer: Status, columns: int, height: int, places: Sequence[str] = (), *, has_desktop: bool
) -> list[str]:
    """Return what is shown, at most *height* lines of at most *columns*."""
    top = [cut(each, columns) for each in head(answer, places, has_desktop=has_desktop)]
    below = alerts(answer, columns)
    devices = table(answer, columns)
    room = max(height - len(top) - len(below) - bool(below) - 1, 1)
    if len(devices) > room:
        left = len(devices) - room + 1
        more = f"… {counted(left, 'more device')}: make the terminal taller"
        devices[room - 1 :] = [cut(more, columns)]
    lines = [*top, "", *devices, *([""] if below else []), *below]
    return lines[:height]


def draw(answer: Status, places: Sequence[str] = ()) -> None:
    """Draw the screen over what was drawn before; *places* are where else to look."""
    columns, height = os.get_terminal_size()
    columns, height = max(columns or WIDE, NARROWEST), max(height or TALL, SHORTEST)
    lines = screen(answer, columns, height - 1, places, has_desktop=desktop())
    lines[0] = click.style(lines[0], bold=True)
    sys.stdout.write("\033[H" + "".join(f"{line}\033[K\n" for line in lines) + "\033[J")
    sys.stdout.flush()
