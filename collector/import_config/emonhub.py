"""``emonhub.conf`` of emonHub: what its interfacers read from meters, and where they deliver.

Its radio modules are not read here. Their values go on coming from emonHub's own MQTT topics, which
the source ``mqtt_in`` reads.
"""

import re
from pathlib import Path
from typing import Any

from collector.import_config.draft import Draft, Options
from collector.import_config.foreign import Malformed, Part, text_of
from collector.import_config.vemonitor_columns import quantity_of
from collector.scalars import NotAccepted, seconds_of

SECTION = re.compile(r"(\[+)\s*([^\[\]]+?)\s*(\]+)\s*(#.*)?")
DEEPEST = 8
MODELS = {
    "sdm72": "eastron-sdm72",
    "sdm120": "eastron-sdm120",
    "sdm230": "eastron-sdm230",
    "sdm630": "eastron-sdm630",
}
CHANNELS = ("pubchannels", "subchannels", "nodename", "prefix")
RADIO = (
    "is not read here; leave it to emonHub, and read its values from its MQTT topics by 'mqtt_in'"
)
NEW_INPUTS = (
    "EmonCMS gets inputs that are named as the quantities here; those of before stay there, "
    "and get nothing more"
)
WHY = {
    "registers": "needs no equivalent: the model knows its registers",
    "names": "has no equivalent: values have the names of the quantities here",
    "precision": "needs no equivalent: values are kept as they are read",
    "scales": "needs no equivalent: the model knows its scales",
    "sendstatus": "has no equivalent: 'energy-monitor status' shows it",
    "sendnames": "needs no equivalent: names are always sent",
    "compress": "needs no equivalent: rows are always compressed",
    "nodeoffset": "has no equivalent: a device has the name of its source",
}


def read(file: Path) -> Draft:
    """Turn *file* into a draft. Raise Malformed, OSError."""
    draft = Draft()
    top = read_conf(file)
    groups = [top.at(each) for each in ("interfacers", "reporters")]
    if not any(group.parts() for group in groups):
        raise Malformed(f"{file}: there are no [interfacers] in it: is it emonHub's?")
    for group in groups:
        for name, each in group.parts().items():
            read_interfacer(name, each, draft)
    known = ("interfacers", "reporters", "hub")
    draft.note_others(
        top.parts(),
        known,
        {"nodes": "has no equivalent: it is about radio frames, which are left to emonHub"},
    )
    return draft


def read_interfacer(name: str, part: Part, draft: Draft) -> None:
    """Add what an interfacer, or a reporter of old, is here."""
    kind = part.at("Type").text().removeprefix("EmonHub")
    if kind in {"EmoncmsHTTPInterfacer", "EmoncmsReporter"}:
        write_emoncms(name, part, draft)
    elif kind in {"MinimalModbusInterfacer", "SDM120Interfacer"}:
        read_modbus(name, part, draft)
    elif kind == "VEDirectInterfacer":
        read_vedirect(name, part, draft)
    elif kind in {"OEMInterfacer", "JeeInterfacer", "RFM69LPLInterfacer", "SerialInterfacer"}:
        draft.note(part.place, RADIO)
    else:
        draft.note(part.place, f"has no equivalent: {kind or 'an interfacer without a Type'}")


def write_emoncms(name: str, part: Part, draft: Draft) -> None:
    """Add an output to an EmonCMS."""
    settings = part.at("runtimesettings")
    url, key = settings.at("url"), settings.at("apikey")
    if settings.at("senddata").text() == "0":
        draft.note(part.place, "is left out: it sends no data ('senddata = 0')")
        return
    if not url.text() or not key.text():
        draft.note(part.place, "is left out: 'url' and 'apikey' are needed")
        return
    options: Options = {
        "type": "emoncms",
        "url": url.text().rstrip("/"),
        "key": draft.secret(f"emoncms-{name}", key),
    }
    draft.note(part.place, NEW_INPUTS)
    draft.add_output(name, options | every(settings.at("interval")))
    known = (*CHANNELS, "url", "apikey", "senddata", "interval")
    draft.note_others(settings.parts(), known, WHY)


def read_modbus(name: str, part: Part, draft: Draft) -> None:
    """Add a source for each meter on a line."""
    init, settings = part.at("init_settings"), part.at("runtimesettings")
    serial: Options = {}
    if baud := init.at("baud").text():
        serial["baudrate"] = number_of(init.at("baud"), baud)
    if parity := init.at("parity").text():
        serial["parity"] = parity.lower()
    meters = settings.at("meters").parts() or {settings.at("nodename").text() or name: settings}
    for meter, each in meters.items():
        kind = each.at("type").text()
        model = model_of(*([kind] if kind else [meter, settings.at("nodename").text(), name]))
        if not model:
            draft.note(each.place, "is left out: 'energy-monitor models' lists the known ones")
            continue
        options: Options = {"type": "modbus", "line": init.at("device").text(), "model": model}
        options |= {"serial": serial} if serial else {}
        if address := each.at("address").text():
            options["address"] = number_of(each.at("address"), address)
        draft.add_source(meter, options | every(settings.at("read_interval")))
        known = ("address", "type", "meters", "read_interval", *CHANNELS)
        draft.note_others(each.parts(), known, WHY)
    draft.note_others(init.parts(), ("device", "baud", "parity"), WHY)


def read_vedirect(name: str, part: Part, draft: Draft) -> None:
    """Add a source for a device of Victron's."""
    init, settings = part.at("init_settings"), part.at("runtimesettings")
    columns = init.at("toextract")
    labels = [each.strip() for each in columns.text().split(",") if each.strip()]
    found = [quantity_of(Part(columns.file, columns.path, each), draft) for each in labels]
    options: Options = {"type": "vedirect", "line": init.at("com_port").text()}
    if quantities := list(dict.fromkeys(filter(None, found))):
        options["quantities"] = quantities
    draft.add_source(name, options | every(init.at("poll_interval")))
    draft.note_others(init.parts(), ("com_port", "com_baud", "toextract", "poll_interval"), WHY)
    draft.note_others(settings.parts(), (*CHANNELS, "basetopic"), WHY)


def model_of(*names: str) -> str:
    """Return the model that the first of *names* speaks of; nothing where none does."""
    for name in names:
        plain = re.sub("[^a-z0-9]", "", name.lower())
        longest_first = sorted(MODELS, key=len, reverse=True)
        for word in longest_first:
            if re.match(rf"{word}(?![0-9])", plain):
                return MODELS[word]
    return ""


def every(part: Part) -> Options:
    """Return the interval that *part* gives in seconds. Raise Malformed."""
    text = part.text()
    if not text:
        return {}
    try:
        return {"every": f"{seconds_of(f'{text} s'):g}s"}
    except NotAccepted:
        raise Malformed(f"{part.place}: expected a number of seconds, such as 10") from None


def number_of(part: Part, text: str) -> int:
    if not re.fullmatch("[0-9]{1,7}", text):
        raise Malformed(f"{part.place}: {text[:50]!r} is not a number")
    return int(text)


def read_conf(file: Path) -> Part:
    """Return what stands in *file*, whose sections are nested by brackets. Raise Malformed."""
    try:
        text = text_of(file)
    except ValueError as error:
        raise Malformed(f"{file}: cannot be read: {error}") from None
    top: dict[str, Any] = {}
    path = [top]
    for number, given in enumerate(text.splitlines(), 1):
        line = given.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{file}:{number}"
        if line.startswith("["):
            found = SECTION.fullmatch(line)
            depth = len(found[1]) if found else 0
            if not found or len(found[3]) != depth or not depth <= min(len(path), DEEPEST):
                raise Malformed(f"{place}: is not a section that can stand there")
            path, inner = path[:depth], dict[str, Any]()
            put(path[-1], found[2], inner, place)
            path.append(inner)
            continue
        key, mark, rest = (each.strip() for each in line.partition("="))
        if not mark or not key:
            raise Malformed(f"{place}: is neither a [section] nor 'key = value'")
        put(path[-1], key, value_of(rest), place)
    return Part(file.name, "", top)


def put(section: dict[str, Any], key: str, value: Any, place: str) -> None:
    if key in section:
        raise Malformed(f"{place}: {key[:50]!r} stands there twice")
    section[key] = value


def value_of(text: str) -> str:
    """Return a value without its quotes and the remark behind it."""
    if text[:1] in {"'", '"'} and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return re.split(r"\s+#|^#", text)[0].strip().rstrip(",").strip()
