"""vemonitor's ``batteryBanks``: what it described and never computed, as ``battery_bank``."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from collector.derive.battery_bank.options import DEFAULTS
from collector.import_config.draft import Draft, Options
from collector.import_config.foreign import Malformed, Part
from collector.scalars import NotAccepted, label_of

CURRENT, BATTERY_C = "I", "t_bat"
CHEMISTRIES = {"flooded": "flooded", "gel": "gel", "agm": "agm", "li": "lifepo4"}
LITHIUM_CELL_V = 3.0
BELOW_FLOAT_V = 0.04  # per cell: a quarter of a volt for 12 V
RATED_HOURS = 20.0
SAME = 0.05
NO_DEVICE = "is left out: no block reads the column 'I', the current; add it and import again"
LITHIUM = (
    "'li' is taken as lifepo4; for another lithium battery set 'cells' and 'charged_voltage' as "
    "its data sheet says"
)
UNUSED = "is left out: no block names it in 'args'"
BATTERY = ("manufacturer", "model", "cell_voltage", "nb_cells", "capacity", "float_voltage")
ITEM = ("battery_type", "battery_key", "in_series", "in_parallel")
WHY = {
    "bulk_voltage": "is not needed: a bank is full above 'charged_voltage', from float_voltage",
    "solarPlants": "has no equivalent: vemonitor never used it",
}


def write_banks(
    blocks: Iterable[Part], banks: Part, serial: Mapping[str, str], draft: Draft
) -> None:
    """Add a derivation for each bank that a block names; *serial* has sources by connector."""
    blocks = list(blocks)
    data = banks.at("batteryDatas")
    items = data.at("bankItems").parts()
    everywhere = [each for block in blocks for each in measuring(block, CURRENT, serial, draft)]
    used = set()
    for block in blocks:
        args = block.at("args")
        draft.note_others(args.parts(), ("batteryBanks",), WHY)
        named = args.at("batteryBanks")
        name = named.text()
        if not name or name in used:
            continue
        if name not in items:
            draft.note(named.place, f"is left out: there is no {name!r} in 'bankItems'")
            continue
        used.add(name)
        devices = [*measuring(block, CURRENT, serial, draft), *everywhere]
        if not devices:
            draft.note(items[name].place, NO_DEVICE)
            continue
        warm = next(iter(measuring(block, BATTERY_C, {}, draft)), "")
        options: Options = {"type": "battery_bank", "device": devices[0]}
        options |= {"temperature": warm} if warm and warm != devices[0] else {}
        if options := options | bank_of(items[name], data.at("batteries"), draft):
            draft.add_derivation(name, options)
    for name in items.keys() - used:
        draft.note(items[name].place, UNUSED)
    draft.note_others(banks.parts(), ("batteryDatas",), {})
    draft.note_others(data.parts(), ("batteries", "bankItems"), {})


def measuring(block: Part, column: str, serial: Mapping[str, str], draft: Draft) -> Iterator[str]:
    """Yield the devices of ours that measure what a block reads as *column*."""
    for item in block.at("inputs").at("serial").items():
        source = serial.get(item.at("source").text())
        if source and column in (each.text() for each in item.at("columns").items()):
            yield source
    known = {each for options in draft.sources.values() for each in options.get("devices", ())}
    for item in block.at("inputs").at("redis").items():
        for name, columns in item.at("columns").parts().items():
            if name in known and column in (each.text() for each in columns.items()):
                yield name


def bank_of(item: Part, batteries: Part, draft: Draft) -> Options:
    """Return the options that describe a bank of batteries."""
    battery = batteries.at(item.at("battery_key").text())
    if not battery.parts():
        place = item.at("battery_key").place
        raise Malformed(f"{place}: there is no such battery in 'batteries'")
    draft.note_others(item.parts(), ITEM, WHY)
    draft.note_others(battery.parts(), BATTERY, WHY)
    chemistry = chemistry_of(item.at("battery_type"), battery, draft)
    options: Options = {"chemistry": chemistry, **capacity_of(battery.at("capacity"), draft)}
    for name in ("in_parallel", "in_series"):
        if item.at(name).text():
            options[name] = round(number(item.at(name)))
    cells = DEFAULTS[chemistry].cells
    if battery.at("nb_cells").text():
        cells = options["cells"] = round(number(battery.at("nb_cells")))
    options |= charged(battery.at("float_voltage"), chemistry, cells, draft)
    with suppress(NotAccepted):
        words = (battery.at("manufacturer").text(), battery.at("model").text())
        options["label"] = str(label_of(" ".join(words).strip()))
    return options


def chemistry_of(part: Part, battery: Part, draft: Draft) -> str:
    """Return the chemistry; where none of ours is named, the voltage of a cell says which."""
    text = part.text().lower()
    if text == "li":
        draft.note(part.place, LITHIUM)
    if text in CHEMISTRIES:
        return CHEMISTRIES[text]
    volts = battery.at("cell_voltage")
    is_lithium = bool(volts.text()) and number(volts) >= LITHIUM_CELL_V
    taken = "lifepo4" if is_lithium else "flooded"
    draft.note(part.place, f"{text!r} is none of {', '.join(CHEMISTRIES)}: {taken} is taken")
    return taken


def capacity_of(part: Part, draft: Draft) -> Options:
    """Return the capacity, or the table where there is more than that of 20 h."""
    rows = []
    for row in part.items():
        figures = [number(each) for each in row.items()]
        if len(figures) < 2:  # noqa: PLR2004  hours and Ah
            raise Malformed(f"{row.place}: expected [hours, Ah, A]")
        hours, charge, *current = figures
        if current and abs(current[0] * hours - charge) > SAME * charge:
            text = f"{current[0]:g} A over {hours:g} h is not {charge:g} Ah: the Ah are taken"
            draft.note(row.place, text)
        rows.append({"hours": hours, "capacity": charge})
    rows.sort(key=lambda row: row["hours"])
    if [row["hours"] for row in rows] == [RATED_HOURS]:
        return {"capacity": rows[0]["capacity"]}
    return {"capacity_table": rows}


def charged(part: Part, chemistry: str, cells: int, draft: Draft) -> Options:
    """Return the voltage above which one battery may be full."""
    if not part.text():
        return {}
    volts = round(number(part) - BELOW_FLOAT_V * cells, 2)
    low, high = DEFAULTS[chemistry].cell_range
    if low <= volts / cells <= high:
        return {"charged_voltage": volts}
    draft.note(part.place, f"does not fit {cells} cells of {chemistry}: the default is taken")
    return {}


def number(part: Part) -> float:
    """Return the number that stands at *part*. Raise Malformed."""
    try:
        value = float(part.text())
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:  # noqa: PLR2004  more than any bank has
        raise Malformed(f"{part.place}: expected a number above 0, such as 20")
    return value
