"""``vm_conf.yaml`` of vemonitor (vemonitor_m8): blocks of inputs and outputs, and connectors.

Its blocks are processes of their own; here all they read is read by one. Inputs that share a serial
port become one source whose ``read`` groups have their intervals. What vemonitor's own Redis nodes
hold is read from the devices themselves.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from collector.import_config.draft import Draft, Options
from collector.import_config.foreign import Malformed, Part, read_yaml
from collector.import_config.vemonitor_banks import write_banks
from collector.import_config.vemonitor_columns import (
    FALSE_ZEROS,
    THERMOMETERS,
    UNITS,
    quantity_of,
)
from collector.import_config.vemonitor_outputs import (
    REDIS_DATABASE,
    REDIS_PORT,
    write_emoncms,
    write_redis,
)
from collector.scalars import NotAccepted, seconds_of
from collector.sources.vedirect import labels

MOST_IMPORTS = 10
BANKS = "batteryBanks"
OWN_MEMORY = "has no equivalent: the journal on disk keeps every reading until it is delivered"
DESCRIBED = "has no equivalent: vemonitor never used it; 'rename' gives a quantity another name"
NO_OUTPUT = "has no equivalent: there is no output of that kind"
ALL_GOES = "has no equivalent: an output gets every reading, under the kind and name of its device"
WHY = {
    "redis_cache": OWN_MEMORY,
    "cache_interval": "has no equivalent: an output gets what is new, in batches",
    "max_items": "has no equivalent: every row is read once",
    "ref_cols": DESCRIBED,
    "middlewares": "has no equivalent: vemonitor never had one; derivations compute here",
    "serial": NO_OUTPUT,
    "measurement": ALL_GOES,
    "columns": ALL_GOES,
    "tags": ALL_GOES,
    "time_interval": "has no equivalent: what is new goes out every 5 s, or as 'every' says",
    "timeout": "has no equivalent",
    "verify_ssl": "has no equivalent: the certificate of an https server is always verified",
}
SAYS_NOTHING = ("name", "app", "active", "onError")  # which have no effect there either
OF_INPUT = ("name", "source", "device", "time_interval", "columns")
OF_REDIS = (*OF_INPUT, "redis_node", "redis_data_structure")


def read(file: Path) -> Draft:
    """Turn *file*, and what it imports, into a draft. Raise Malformed, OSError."""
    draft = Draft()
    top = whole(file)
    connectors = top.get("appConnectors", Part(file.name, "appConnectors", None))
    blocks = top["appBlocks"].items() if "appBlocks" in top else []
    if not blocks:
        raise Malformed(f"{file}: there is no 'appBlocks' in it: is it vemonitor's?")
    written = {node for block in blocks for node in nodes_written(block)}
    items = kind_of_all(blocks, "inputs", "serial")
    serial = read_serial(items, connectors.at("serial"), draft)
    for item in kind_of_all(blocks, "inputs", "redis"):
        read_redis(item, connectors.at("redis"), written, draft)
    for item in kind_of_all(blocks, "outputs", "influxDb2"):
        write_influxdb(item, connectors.at("influxDb2"), draft)
    for item in kind_of_all(blocks, "outputs", "redis"):
        write_redis(item, connectors.at("redis"), draft, WHY)
    write_emoncms(
        kind_of_all(blocks, "outputs", "emoncms"), connectors.at("emoncms"), draft, file, WHY
    )
    write_banks(blocks, top.get(BANKS, Part(file.name, BANKS, None)), serial, draft)
    for block in blocks:
        draft.note_others(block.parts(), (*SAYS_NOTHING, "args", "inputs", "outputs"), WHY)
        draft.note_others(block.at("inputs").parts(), ("serial", "redis"), {})
        draft.note_others(block.at("outputs").parts(), ("influxDb2", "redis", "emoncms"), WHY)
    draft.note_others(top, ("Imports", "appBlocks", "appConnectors", BANKS), WHY)
    return draft


def whole(file: Path) -> dict[str, Part]:
    """Return what stands at the top of *file* and of those it imports; the last one counts.

    Raise Malformed, OSError.
    """
    top = read_yaml(file).parts()
    imports = top["Imports"].items() if "Imports" in top else []
    if len(imports) > MOST_IMPORTS:
        raise Malformed(f"{file}: more than {MOST_IMPORTS} files are imported")
    for each in imports:
        name = each.text()
        if not name or Path(name).name != name:
            raise Malformed(f"{each.place}: {name!r} is not the name of a file beside {file.name}")
        top |= read_yaml(file.parent / name).parts()
    return top


def kind_of_all(blocks: Iterable[Part], side: str, kind: str) -> list[Part]:
    """Return the inputs or outputs of a *kind* in all *blocks*."""
    return [item for block in blocks for item in block.at(side).at(kind).items()]


def nodes_written(block: Part) -> set[str]:
    """Return the Redis nodes that a block writes."""
    return {item.at("redis_node").text() for item in block.at("outputs").at("redis").items()}


def read_serial(items: Iterable[Part], connectors: Part, draft: Draft) -> dict[str, str]:
    """Add a source for each serial port that is read; return their names by connector."""
    made: dict[str, str] = {}
    by_connector: dict[str, list[Part]] = {}
    for item in items:
        by_connector.setdefault(item.at("source").text(), []).append(item)
        draft.note_others(item.parts(), OF_INPUT, WHY)
    for name, inputs in by_connector.items():
        connector = connectors.at(name)
        place = line_of(connector, draft)
        groups = groups_of(inputs, draft)
        if not place or not groups:
            draft.note(inputs[0].place, "is left out: there is nothing that could be read")
            continue
        draft.note_others(connector.parts(), (*SAYS_NOTHING, "serialPort", "serialTest"), WHY)
        first = min(groups)
        quantities = [quantity for each in groups.values() for quantity in each]
        read = [{"quantities": groups[each], "every": seconds(each)} for each in groups]
        made[name] = draft.add_source(
            inputs[0].at("name").text(),
            {"type": "vedirect", **place, "every": seconds(first), "quantities": quantities}
            | ({"read": read[1:]} if read[1:] else {}),
        )
    return made


def groups_of(inputs: Iterable[Part], draft: Draft) -> dict[float, list[str]]:
    """Return by interval which quantities are read, each at the shortest that is given for it."""
    groups: dict[float, list[str]] = {}
    done: set[str] = set()
    for item in sorted(inputs, key=interval):
        for column in item.at("columns").items():
            quantity = quantity_of(column, draft)
            if quantity and quantity not in done:
                done.add(quantity)
                groups.setdefault(interval(item), []).append(quantity)
    return groups


def line_of(connector: Part, draft: Draft) -> Options:
    """Return the options that say where a device is; nothing where that is not known."""
    expect = {}
    for test in connector.at("serialTest").parts().values():
        if test.at("typeTest").text() == "value":
            expect[test.at("key").text()] = test.at("value").text()
        else:
            draft.note(test.place, "has no equivalent: only tests of a value are known")
    port = connector.at("serialPort").text()
    place: Options = {"expect": expect} if expect else {}
    if port and "${" not in port:
        if expect:
            draft.note(connector.at("serialPort").place, "'line: auto' searches, as vemonitor did")
        return {"line": port} | place
    if expect:
        draft.note(connector.place, "names no port that is one here: it is searched by 'expect'")
        return {"line": "auto"} | place
    draft.note(connector.place, "names neither a port that is one here nor a test to find it by")
    return {}


def read_redis(item: Part, connectors: Part, written: set[str], draft: Draft) -> None:
    """Add a source for rows that others than vemonitor write into Redis."""
    node = item.at("redis_node").text()
    if node in written:
        draft.note(item.place, f"is left out: vemonitor writes {node!r}, whose devices are read")
        return
    connector = connectors.at(item.at("source").text())
    devices = devices_of(item, node, draft)
    if not devices or not connector.at("host").text():
        draft.note(item.place, "is left out: there is nothing that could be read")
        return
    draft.note_others(item.parts(), OF_REDIS, WHY)
    draft.note_others(connector.parts(), (*SAYS_NOTHING, "host", "port", "db", "password"), WHY)
    database = connector.at("db")
    if not database.text():
        draft.note(database.place, f"is not given: {REDIS_DATABASE}, where vemonitor looks first")
    number = database.text() or REDIS_DATABASE
    options: Options = {
        "type": "redis",
        "line": f"tcp://{connector.at('host').text()}:{connector.at('port').text() or REDIS_PORT}",
        "database": int(number) if re.fullmatch("[0-9]{1,4}", number) else number,
    }
    if connector.at("password").text():
        name = f"redis-{item.at('source').text()}"
        options["password"] = draft.secret(name, connector.at("password"))
    options |= {"every": seconds(interval(item)), "devices": devices}
    draft.add_source(item.at("name").text(), options)


def devices_of(item: Part, node: str, draft: Draft) -> dict[str, Options]:
    """Return a device for each node whose columns are read."""
    devices: dict[str, Options] = {}
    for name, columns in item.at("columns").parts().items():
        paths = {
            quantity: column.text()
            for column in columns.items()
            if (quantity := quantity_of(column, draft, THERMOMETERS))
        }
        if not paths:
            continue
        if FALSE_ZEROS & set(paths.values()):
            draft.note(columns.place, "vemonitor writes 0 where its device knows no SOC, TTG or T")
        units = {each: UNITS[column] for each, column in paths.items() if column in UNITS}
        kind = labels.kind_of(dict.fromkeys(paths.values(), ""))
        devices[name] = {"key": f"{node}_{name}", "layout": "series", "kind": kind}
        devices[name] |= {"quantities": paths} | ({"units": units} if units else {})
    return devices


def write_influxdb(item: Part, connectors: Part, draft: Draft) -> None:
    """Add an output for a bucket, once."""
    draft.note_others(item.parts(), ("source", "db"), WHY)
    name = item.at("source").text()
    connector = connectors.at(name)
    options: Options = {
        "type": "influxdb",
        "url": connector.at("host").text(),
        "org": connector.at("org").text(),
        "bucket": item.at("db").text(),
    }
    others = [{**each, "token": None} for each in draft.outputs.values()]
    if {**options, "token": None} in others:
        return
    draft.note_others(connector.parts(), (*SAYS_NOTHING, "host", "org", "auth"), WHY)
    if not options["url"] or "@" in options["url"] or not connector.at("auth").text():
        draft.note(
            item.place, "is left out: 'host', 'org' and 'auth' are needed, and no login in it"
        )
        return
    options["token"] = draft.secret(f"influxdb-{name}", connector.at("auth"))
    draft.add_output(name, options)


def interval(item: Part) -> float:
    """Return how often *item* is read, in seconds. Raise Malformed."""
    part = item.at("time_interval")
    try:
        return float(seconds_of(f"{part.text() or 1} s"))
    except NotAccepted:
        raise Malformed(f"{part.place}: expected a number of seconds, such as 1") from None


def seconds(interval_s: float) -> str:
    return f"{interval_s:.6f}".rstrip("0").rstrip(".") + "s"
