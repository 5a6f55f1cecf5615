"""``metric.yml`` of the heat pump exporter (m-swart/heatpump): a list of names and keys."""

from pathlib import Path

from collector.import_config.draft import Draft
from collector.import_config.foreign import Malformed, read_yaml
from collector.sources.luxtronik import meaning

# Where that exporter, whose file does not tell, looks for the controller.
LINE = "tcp://192.168.2.5:8889"


def read(file: Path) -> Draft:
    """Turn *file* into a draft. Raise Malformed, OSError."""
    draft = Draft()
    known = quantities()
    wanted: dict[str, None] = {}
    top = read_yaml(file)
    draft.note_others(top.parts(), ["metrics"], {})
    for metric in top.at("metrics").items():
        key, name = metric.at("key").text(), metric.at("name").text()
        if key not in known:
            draft.note(metric.place, f"{name!r} has no equivalent: {key!r} is not read here")
            continue
        wanted[known[key]] = None
        draft.note(metric.place, f"{name!r} is called {known[key]} here")
    if not wanted:
        raise Malformed(f"{file}: there is no metric in it that can be read here")
    draft.add_source("heatpump", {"type": "luxtronik", "line": LINE, "quantities": list(wanted)})
    draft.note("sources.heatpump.line", f"mend it where the heat pump is not at {LINE}")
    draft.note("sources.heatpump.quantities", "without it all is stored that the heat pump tells")
    return draft


def quantities() -> dict[str, str]:
    """Return the quantity of each calculation by its name, and by its place."""
    entries = meaning.load().calculations
    by_name = {entry.name: entry.quantity for entry in entries if entry.name}
    return by_name | {str(entry.index): entry.quantity for entry in entries}
