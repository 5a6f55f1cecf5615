"""What vemonitor's columns are here: labels of VE.Direct, and some of its own."""

from collections.abc import Mapping

from collector.import_config.draft import Draft
from collector.import_config.foreign import Part
from collector.sources.vedirect import labels

# Its own thermometers, whose values are in its Redis nodes.
THERMOMETERS = {
    "t_bat": "battery_temperature",
    "t_int": "room_temperature",
    "t_ext": "outside_temperature",
}
# What its point table makes of a column, where that is not in the unit of our quantity.
UNITS = {
    "TTG": "min",
    "H6": "-1 Ah",
    **dict.fromkeys(("H17", "H18", "H19", "H20", "H22"), "kWh"),
    **dict.fromkeys(("CS", "ERR", "HSDS"), "1000"),
    "DM": "100 %",
}
FALSE_ZEROS = {"SOC", "TTG", "T"}
NEVER_MADE = "needs no column: vemonitor never computed it; the derivation 'battery_bank' does"
WHY_NO_COLUMN = {
    **dict.fromkeys(("time", "time_ref"), "needs no equivalent: every reading has its time"),
    **dict.fromkeys(("vm_cap", "vm_cap_t", "vm_real_cap", "vm_cap_current"), NEVER_MADE),
    **dict.fromkeys(("stat_bat", "stat_chrg", "stat_dschrg"), NEVER_MADE),
}


def quantity_of(column: Part, draft: Draft, own: Mapping[str, str] | None = None) -> str:
    """Return the quantity of a column; nothing, and say so, where there is none."""
    name, table = column.text(), labels.table()
    if name in table.fields:
        return table.fields[name].quantity
    if own and name in own:
        return own[name]
    why = "has no equivalent: no device sends it by VE.Direct; 'raw: true' keeps numbers of others"
    if name in table.texts:
        why = "has no equivalent: it is a text, which 'energy-monitor read NAME --raw' shows"
    draft.note(f"{column.place} ({name})", WHY_NO_COLUMN.get(name, why))
    return ""
