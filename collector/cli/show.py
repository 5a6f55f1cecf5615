"""What commands print for people: tables of text, coloured only on a terminal."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from collector.clock import utc
from collector.demo.live import main_figures
from collector.reading import Reading
from collector.status import AlertStatus, DerivationStatus, OutputStatus, SourceStatus, Status
from collector.text import amount, counted, duration, in_unit, labelled_table, number, table

NONE: Mapping[str, str] = {}
STATE_COLOURS = {
    "alive": "green",
    "delivering": "green",
    "silent": "red",
    "away": "red",
    "failed": "red",
}


def state(word: str) -> str:
    return click.style(word, fg=STATE_COLOURS.get(word, "yellow"))


def status(answer: Status) -> str:
    """Set out what the service answers to ``status``."""
    journal = answer.journal
    parts = [
        f"{answer.site}: up {duration(answer.up_s)}, {amount(answer.resident_memory)}",
        "",
        labelled_table(
            ["SOURCE", "STATE", "AGE", "LATE p99", "TOOK", "READS", "FAILED", "SKIPPED"],
            [source_row(name, source) for name, source in answer.sources.items()],
            right=range(2, 8),
        ),
        "",
    ]
    if figures := main_figures(answer):
        parts += [figures, ""]
    if answer.derivations:
        rows = [derivation_row(name, each) for name, each in answer.derivations.items()]
        heads = ["DERIVATION", "STATE", "BACKLOG", "BEHIND", "MADE"]
        parts += [labelled_table(heads, rows, right=range(2, 5)), ""]
    if answer.outputs:
        now_ms = answer.now_ms
        rows = [output_row(name, each, now_ms) for name, each in answer.outputs.items()]
        heads = ["OUTPUT", "STATE", "BACKLOG", "BEHIND", "LAST", "DELIVERED", "REFUSED"]
        parts += [labelled_table(heads, rows, right=range(2, 7)), ""]
    if answer.alerts:
        rows = [alert_row(name, each) for name, each in answer.alerts.items()]
        parts += [table(["ALERT", "LASTS", "WORST", "WHAT"], rows, right=(1, 2)), ""]
    parts.append(
        f"journal: {counted(journal.readings, 'reading')}, {amount(journal.bytes)}, "
        f"{duration(journal.days * 86400)}"
    )
    if answer.page.state == "serving":
        parts.append(f"page: {answer.page.url}")
    if answer.backups:
        ages = [f"{task} {duration(age_s)} ago" for task, age_s in answer.backups.items()]
        parts.append(f"backups: the last {', '.join(ages)}")
    parts += [
        click.style(
            f"{name}: {source.out_of_range} impossible values were left out, "
            f"the last {source.last_out_of_range}",
            fg="yellow",
        )
        for name, source in answer.sources.items()
        if source.out_of_range
    ]
    parts += [click.style(f"! {problem}", fg="red") for problem in answer.problems]
    return "\n".join(parts)


def source_row(name: str, source: SourceStatus) -> list[str]:
    late = source.lateness_s
    return [
        name,
        state(source.state),
        duration(source.age_s),
        f"{late.p99 * 1000:.1f} ms" if late else "",
        f"{source.read_duration_s * 1000:.0f} ms",
        str(source.reads),
        str(source.failures),
        str(source.skipped),
        source.label,
    ]


def derivation_row(name: str, derivation: DerivationStatus) -> list[str]:
    return [
        name,
        state(derivation.state),
        str(derivation.backlog),
        duration(derivation.backlog_s),
        str(derivation.made),
        derivation.label,
    ]


def output_row(name: str, output: OutputStatus, now_ms: float) -> list[str]:
    last = output.last_delivery_ms
    return [
        name,
        state(output.state),
        str(output.backlog),
        duration(output.backlog_s),
        duration((now_ms - last) / 1000 if last else None),
        str(output.delivered),
        str(output.refused),
        output.label,
    ]


def alert_row(name: str, alert: AlertStatus) -> list[str]:
    worst = f"{number(alert.worst)} {alert.unit}".rstrip()
    return [name, duration(alert.duration_s), worst, alert.text]


def values(readings: Iterable[Reading], label: str = "", labels: Mapping[str, str] = NONE) -> str:
    """Set out the newest value of each quantity: device, quantity, value, unit.

    Where values are of several instants, each has a table of its own, with its time in each row.
    """
    every = sorted(readings, key=lambda each: each.at_ms)
    newest = {(each.device, quantity): each.at_ms for each in every for quantity in each.values}
    shown = [
        replace(each, values=values)
        for each in every
        if (
            values := {
                quantity: value
                for quantity, value in each.values.items()
                if newest[each.device, quantity] == each.at_ms
            }
        )
    ]
    if len({each.at_ms for each in every}) <= 1:
        return values_table(shown, label, labels)
    parts = [
        values_table(group, label, labels, utc(at_ms))
        for at_ms, group in groupby(shown, key=lambda each: each.at_ms)
    ]
    if older := len(every) - len(shown):
        parts.append(f"{older} older readings are not shown; --json prints all")
    return "\n\n".join(parts)


def values_table(
    readings: Iterable[Reading], label: str, labels: Mapping[str, str], at: str = ""
) -> str:
    times, head = ([at], ["TIME"]) if at else ([], [])
    rows = [
        [
            *(reading.device, quantity, *in_unit(quantity, value), *times),
            labels.get(reading.device, label),
        ]
        for reading in readings
        for quantity, value in reading.values.items()
    ]
    return labelled_table(["DEVICE", "QUANTITY", "VALUE", "UNIT", *head], rows, right=(2,))


def models(own_dirs: Sequence[Path], *, as_json: bool) -> str:
    """Set out the device maps: name, maker and model, how many quantities, document.

    The faults of an owner's map go to standard error; the others are shown.
    """
    from collector.sources.modbus import devicemap  # noqa: PLC0415  loads files

    maps, faults = devicemap.load_every(own_dirs)
    for fault in faults:
        click.secho(str(fault), fg="yellow", err=True)
    if as_json:
        entries = [
            {
                "name": each.name,
                "brand": each.brand,
                "model": each.model,
                "document": each.document,
                "quantities": [register.quantity for register in each.registers],
            }
            for each in maps
        ]
        return json.dumps(entries, indent=2)
    rows = [
        [each.name, f"{each.brand} {each.model}", str(len(each.registers)), each.document]
        for each in maps
    ]
    return table(["NAME", "METER", "QUANTITIES", "DOCUMENT"], rows, right=(2,))


def model(name: str, own_dirs: Sequence[Path], *, as_json: bool) -> str:
    """Set out one device map, register by register. Raise MapNotKnown."""
    from collector.quantity import catalogue  # noqa: PLC0415
    from collector.sources.modbus import devicemap  # noqa: PLC0415  loads files

    found = devicemap.load(name, own_dirs)
    known = catalogue()
    if as_json:
        registers = [
            {
                "quantity": each.quantity,
                "unit": known[each.quantity].unit,
                "address": each.address,
                "function": each.function,
                "type": each.type,
                "scale": each.scale,
                "unproved": each.unproved,
                "optional": each.optional,
            }
            for each in found.registers
        ]
        return json.dumps({"name": name, "document": found.document, "registers": registers})
    rows = [
        [
            each.quantity,
            known[each.quantity].unit,
            f"0x{each.address:04X}",
            f"{each.function:02d}",
            each.type,
            f"{each.scale:g}",
            ", ".join(mark for mark in ("unproved", "optional") if getattr(each, mark)),
            known[each.quantity].help,
        ]
        for each in found.registers
    ]
    serial = found.serial
    parts = [f"{found.brand} {found.model}", f"from {found.document}"]
    if serial:
        parts.append(
            f"as delivered: {serial.baudrate} baud, parity {serial.parity}, address {found.address}"
        )
    heads = ["QUANTITY", "UNIT", "REGISTER", "FC", "TYPE", "SCALE", "", "MEANING"]
    return "\n".join([*parts, "", table(heads, rows, right=(5,))])


def raw_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Set out what a device answered register by register, or said label by label."""
    if rows and "label" in rows[0]:
        heads = ["LABEL", "TEXT", "QUANTITY", "VALUE", "UNIT", "MEANING"]
        return table(heads, [raw_label(row) for row in rows], right=(3,))
    heads = ["QUANTITY", "ADDRESS", "FC", "TYPE", "WORDS", "VALUE", "UNIT"]
    return table(heads, [raw_row(row) for row in rows], right=(5,))


def raw_label(row: Mapping[str, Any]) -> list[str]:
    """Set out what was said under one label."""
    from collector.quantity import catalogue  # noqa: PLC0415  loads a file

    quantity = row["quantity"]
    return [
        row["label"],
        row["text"],
        quantity,
        "" if row["value"] is None else number(row["value"]),
        catalogue()[quantity].unit if quantity else "",
        row["meaning"],
    ]


def raw_row(row: Mapping[str, Any]) -> list[str]:
    """Set out what one register answered."""
    from collector.quantity import catalogue  # noqa: PLC0415  loads a file

    quantity = row["quantity"]
    value = row.get("refused") or ("" if row["value"] is None else number(row["value"]))
    return [
        f"{row['device']} {quantity}" if "device" in row else quantity,
        f"0x{row['address']:04X}",
        f"{row['function']:02d}",
        row["type"],
        " ".join(f"{word:04X}" for word in row["words"]),
        value,
        catalogue()[quantity].unit,
    ]
