"""Where vemonitor delivers to besides InfluxDB: Redis nodes, EmonCMS with its ``emoncms.yaml``.

That file lies beside ``vm_conf.yaml`` and says which inputs and feeds there are in EmonCMS.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from collector.import_config.draft import Draft, Options, unused
from collector.import_config.foreign import Part, read_yaml
from collector.import_config.vemonitor_columns import quantity_of
from collector.quantity import catalogue
from collector.scalars import NotAccepted, seconds_of

STRUCTURE = "emoncms.yaml"
REDIS_PORT = "6379"
REDIS_DATABASE = "3"  # where vemonitor begins to look for one that is its own
KNOWN_OF_EMONCMS = ("name", "source", "time_interval", "columns")
KNOWN_OF_REDIS = ("source", "redis_node", "redis_data_structure", "time_interval", "columns")
SAYS_NOTHING = ("active", "onError")
OF_FEED = ("process", "engine", "time_interval", "unit", "public")
ENGINES = {"": "phpfina", "5": "phpfina", "2": "phptimeseries"}
PROCESSES = {
    "1": "log_to_feed",
    "4": "power_to_kwh",
    "5": "power_to_kwhd",
    "7": "input_ontime",
    "14": "accumulator",
    "15": "ratechange",
    "16": "histogram",
    "17": "average",
    "19": "power_acc_to_kwhd",
    "20": "pulse_diff",
    "21": "kwh_to_power",
    "23": "kwh_to_kwhd",
    "27": "max_value",
    "28": "min_value",
    "34": "wh_accumulator",
    "64": "kwh_accumulator",
}
NEW_INPUTS = (
    "EmonCMS gets inputs that are named as the quantities here; those of before stay there, "
    "and get nothing more"
)
NEW_FIELDS = "its rows have the names of the quantities here, where vemonitor wrote V or SOC"


def write_redis(item: Part, connectors: Part, draft: Draft, why: Mapping[str, str]) -> None:
    """Add an output for a node, once."""
    name, node = item.at("source").text(), item.at("redis_node").text()
    connector = connectors.at(name)
    host = connector.at("host").text()
    if not host or not node:
        draft.note(item.place, "is left out: 'source' and 'redis_node' are needed, and a 'host'")
        return
    number = connector.at("db").text() or REDIS_DATABASE
    options: Options = {
        "type": "redis",
        "url": f"tcp://{host}:{connector.at('port').text() or REDIS_PORT}",
        "database": int(number) if re.fullmatch("[0-9]{1,4}", number) else number,
        "layout": "hmap_time_series",
        "prefix": node,
    }
    if any(options.items() <= each.items() for each in draft.outputs.values()):
        return
    draft.note_others(item.parts(), KNOWN_OF_REDIS, why)
    draft.note_others(connector.parts(), (*SAYS_NOTHING, "host", "port", "db", "password"), why)
    draft.note(item.place, NEW_FIELDS)
    if connector.at("password").text():
        options["password"] = draft.secret(f"redis-{name}", connector.at("password"))
    draft.add_output(f"{node}_rows", options)


def write_emoncms(
    items: Iterable[Part], connectors: Part, draft: Draft, file: Path, why: Mapping[str, str]
) -> None:
    """Add an output for each EmonCMS, with the inputs of the file beside *file*."""
    by_source: dict[str, list[Part]] = {}
    for item in items:
        by_source.setdefault(item.at("source").text(), []).append(item)
        draft.note_others(item.parts(), KNOWN_OF_EMONCMS, why)
    inputs: Options | None = None
    for name, given in by_source.items():
        connector = connectors.at(name)
        address = connector.at("addr").text()
        if not address or not connector.at("apikey").text():
            draft.note(given[0].place, "is left out: 'addr' and 'apikey' are needed")
            continue
        draft.note_others(connector.parts(), (*SAYS_NOTHING, "addr", "apikey"), why)
        options: Options = {
            "type": "emoncms",
            "url": address if "://" in address else f"http://{address}",
            "key": draft.secret(f"emoncms-{name}", connector.at("apikey")),
        }
        if shortest := min(filter(None, map(interval_of, given)), default=0):
            options["interval"] = f"{shortest}s"
        draft.note(given[0].place, NEW_INPUTS)
        if inputs is None:
            inputs = inputs_beside(file, draft)
        draft.add_output(name, options | ({"inputs": inputs} if inputs else {}))


def interval_of(item: Part) -> int:
    """Return how often rows are sent, in whole seconds; 0 where it does not say."""
    with suppress(NotAccepted):
        return max(round(seconds_of(f"{item.at('time_interval').text()} s")), 1)
    return 0


def inputs_beside(file: Path, draft: Draft) -> Options:
    """Return what the structure of EmonCMS beside *file* makes of inputs; nothing without one."""
    beside = file.parent / STRUCTURE
    if not beside.exists():
        return {}
    inputs: Options = {}
    for node, names in read_yaml(beside).at("Structure").parts().items():
        device = node if node in draft.sources else unused(node, ())
        if node not in draft.sources:
            draft.note(names.place, f"no device here is called {node!r}: mend 'inputs'")
        for name, given in names.parts().items():
            quantity = quantity_of(Part(given.file, given.path, name), draft)
            if not quantity:
                continue
            key = f"{device}.{quantity}"
            if key in inputs:
                draft.note(given.place, f"is left out: {key} is there already")
                continue
            made: Options = {}
            if text := re.sub(r"[^\w .-]", "", given.at("description").text())[:60]:
                made["description"] = text
            feeds = given.at("feeds").parts()
            steps = [step_of(feed, each, quantity, draft) for feed, each in feeds.items()]
            inputs[key] = made | {"processes": [each for each in steps if each]}
    return inputs


def step_of(feed: str, given: Part, quantity: str, draft: Draft) -> Options:
    """Return the step that writes into a feed; nothing, and say so, where there is none."""
    number, engine = given.at("process").text(), given.at("engine").text()
    name = re.sub(r"[^\w :-]", "", feed)[:60]
    if number not in PROCESSES or engine not in ENGINES or not name:
        draft.note(given.place, "has no equivalent: its process, engine or name is not known here")
        return {}
    if given.at("public").text().lower() in {"true", "yes", "1"}:
        draft.note(given.at("public").place, "has no equivalent: make the feed public there")
    draft.note_others(given.parts(), OF_FEED, {})
    step: Options = {
        "process": PROCESSES[number],
        "feed": name,
        "engine": ENGINES[engine],
    }
    if seconds := interval_of(given):
        step["interval"] = f"{seconds}s"
    unit, said = catalogue()[quantity].unit, given.at("unit")
    if said.text() and said.text() != unit:
        draft.note(said.place, f"{quantity} is in {unit or 'no unit'} here")
    return step | ({"unit": unit} if unit else {})
