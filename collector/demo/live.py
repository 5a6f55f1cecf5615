"""What the running service has just read, as people look at it: tables, and one drawn again."""

import os
import sys
from collections.abc import Iterator, Mapping

import click

from collector.status import LatestReading, SourceStatus, Status
from collector.text import counted, duration, in_unit, labelled_table, width

# The first of these that a device has is its main figure.
MAIN = (
    "state_of_charge",
    "active_power",
    "active_power_import",
    "estimated_power",
    "panel_power",
    "level",
    "load",
    "coefficient_of_performance",
    "outside_temperature",
    "temperature",
    "hourly_energy",
    "interval_energy",
    "active_energy",
    "cpu_usage",
    "backup_age",
)
NARROWEST, SHORTEST = 20, 5
WIDE, TALL = 80, 24  # of a terminal that does not say


def devices(answer: Status) -> Iterator[tuple[SourceStatus, str, LatestReading]]:
    for source in answer.sources.values():
        for device, reading in source.latest.items():
            yield source, device, reading


def main_figure(values: Mapping[str, float]) -> str:
    """Return the quantity that says most about a device with these *values*."""
    return next((each for each in MAIN if each in values), next(iter(values)))


def main_figures(answer: Status) -> str:
    """Set out the main figure of every device; nothing where none was read."""
    rows = [
        row_of(answer, device, reading, main_figure(reading.values), "")
        for _, device, reading in devices(answer)
        if reading.values
    ]
    return values_table(rows, late=False) if rows else ""


def live(answer: Status, columns: int | None = None) -> str:
    """Set out the newest values of every device; in *columns* without what does not fit."""
    rows = []
    for source, device, reading in devices(answer):
        late = source.lateness_s
        lateness = f"{late.median * 1000:.1f} ms" if late else ""
        rows += [row_of(answer, device, reading, each, lateness) for each in reading.values]
    whole = values_table(rows, late=True)
    if columns is None or all(width(each) <= columns for each in whole.splitlines()):
        return whole
    return "\n".join(cut(each, columns) for each in values_table(rows, late=False).splitlines())


def row_of(
    answer: Status, device: str, reading: LatestReading, quantity: str, lateness: str
) -> list[str]:
    age = duration((answer.now_ms - reading.at_ms) / 1000)
    value = in_unit(quantity, reading.values[quantity])
    return [device, quantity, *value, age, lateness, reading.label]


def values_table(rows: list[list[str]], *, late: bool) -> str:
    heads = ["DEVICE", "QUANTITY", "VALUE", "UNIT", "AGE", "LATE"]
    if late:
        return labelled_table(heads, rows, right=(2, 4, 5))
    return labelled_table(heads[:5], [[*row[:5], row[6]] for row in rows], right=(2, 4))


def cut(line: str, columns: int) -> str:
    """Return *line* where it fits, or as much of it as does, and '…'."""
    if width(line) <= columns:
        return line
    text = click.unstyle(line)
    while width(text) > columns - 1:
        text = text[:-1]
    return f"{text}…"


def draw(head: str, answer: Status) -> None:
    """Draw *head* and the live table over what was drawn before, cut to the terminal's size.

    Where not all values fit, each device shows its main figure, and what is left out is counted.
    """
    columns, rows = os.get_terminal_size()
    columns, rows = max(columns or WIDE, NARROWEST), max(rows or TALL, SHORTEST)
    lines = [cut(head, columns), "", *live(answer, columns).splitlines()]
    if len(lines) > rows - 1:
        lines = [*lines[:2], *shortened(answer, columns, rows - 3)]
    text = "".join(f"{line}\033[K\n" for line in lines)
    sys.stdout.write(f"\033[H{text}\033[J")
    sys.stdout.flush()


def shortened(answer: Status, columns: int, rows: int) -> list[str]:
    """Return the head and as many devices as fit in *rows*, and a line that counts the others."""
    head, *figures = [cut(each, columns) for each in main_figures(answer).splitlines()]
    shown = figures[: rows - 2]
    if left := len(figures) - len(shown):
        more = counted(left, "more device")
    else:
        values = sum(len(reading.values) for _, _, reading in devices(answer))
        more = counted(values - len(figures), "more value")
    return [head, *shown, cut(f"… {more}: make the terminal taller", columns)]
