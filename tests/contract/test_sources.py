"""What every source does: one suite over all that an entry point of this project names.

``OPTIONS`` has for each the options of a device that is not there, ``here`` one that is: a real
server, or the fake that its own tests prove a fair one. A new source fails here until it has both.
"""

import inspect
import json
import os
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector import config
from collector.config import load
from collector.contract import (
    BadOption,
    Context,
    Raw,
    ReadGroup,
    Remembering,
    SourceOptions,
    registry,
)
from collector.errors import ConfigFault, LineAway, ReadFault
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.quantity import catalogue
from collector.reading import NAME, decode, encode
from collector.run import wiring
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.sources.mqtt_in import source as mqtt_in
from tests.fakes import green_button as green_button_files
from tests.fakes import lutron_processor
from tests.fakes.far_end import FarEnd
from tests.fakes.http_answers import serving
from tests.fakes.loopback import Loopback
from tests.fakes.luxtronik_controller import Controller, calculations, parameters, visibilities
from tests.fakes.market import AWATTAR, Market
from tests.fakes.open_meteo import Sky
from tests.fakes.rtu_slave import reply
from tests.fakes.running import wait_for
from tests.fakes.talker import HISTORY, MONITOR, Talker, blocks
from tests.servers import mosquitto, nut_server, redis_server

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = sorted(PROJECT["entry-points"]["energy_monitor.sources"])
NOBODY = "127.0.0.1:9"  # discard, at which nobody listens
BATTERY = {"quantities": {"battery_voltage": "V", "state_of_charge": "SOC"}, "kind": "battery"}
OPTIONS: dict[str, dict[str, Any]] = {
    "backups": {"folder": "/nowhere/backups"},
    "green_button": {"path": "/nowhere/file.xml"},
    "host": {},
    "lutron_qs": {"line": f"tcp://{NOBODY}", "user": "monitor", "password": "!secret known"},
    "luxtronik": {"line": f"tcp://{NOBODY}"},
    "modbus": {"line": "/dev/nowhere", "model": "orno-we-515"},
    "mqtt_in": {"line": f"mqtt://{NOBODY}", "devices": {"plug": {"topic": "plug", **BATTERY}}},
    "nut": {"line": f"tcp://{NOBODY}"},
    "opower": {"utility": "glendalewaterandpower", "user": "me", "password": "!secret known"},
    "prices": {
        "url": f"http://{NOBODY}/prices",
        "times": "start",
        "prices": "value",
        "currency": "EUR",
    },
    "redis": {
        "line": f"tcp://{NOBODY}",
        "devices": {"bank": {"key": "bank", "layout": "series", **BATTERY}},
    },
    "simulated": {},
    "vedirect": {"line": "/dev/nowhere"},
    "weather": {
        "latitude": 45.07,
        "longitude": 7.69,
        "url": f"http://{NOBODY}",
        "archive_url": f"http://{NOBODY}",
    },
}
WITHOUT_LINE = {"backups", "host", "simulated"}  # nothing of theirs can be away
ON_THE_INTERNET = {"opower"}  # its own tests bring the portal
WHOLE = {
    "green_button",
    "opower",
    "prices",
    "redis",
    "weather",
}  # what they read has times of its own
WITHOUT_RAW = {"backups", "host", "prices", "simulated", "weather"}
MORE_S = 30.0  # beyond a source's patience, for a busy machine


def test_every_source_of_the_project_is_looked_at():
    assert set(OPTIONS) == set(SOURCES) == set(registry.names("sources"))


every_source = pytest.mark.parametrize("kind", SOURCES)


@pytest.fixture
def house(tmp_path):
    """Return a function that makes a source of *kind*, and closes it in the end."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "known").write_text(lutron_processor.PASSWORD)
    made: list[Any] = []

    def make(kind, changed=None, **common):
        options = options_of(kind, tmp_path, changed, common)
        context = Context("home", Lines(), tmp_path, tmp_path / "state" / str(len(made)))
        made.append(registry.find("sources", kind)("it", options, context))
        return made[-1], options

    yield make
    for each in made:
        each.close()


def options_of(kind, folder, changed=None, common=None):
    """Return the options as a configuration in *folder* would give them."""
    text = yaml.safe_dump({"type": kind, **OPTIONS[kind], **(changed or {})}, sort_keys=False)
    text = text.replace("'!secret known'", "!secret known")
    cls = registry.find("sources", kind).Options
    faults = Faults()
    node: Any = yaml.compose(text)
    options = read_options(cls, node, Place(str(folder / "c.yaml"), ""), faults)
    assert faults.found == []
    return replace(options, **(common or {}))


# What they are asked for


@every_source
def test_options_are_those_of_every_source_and_some_more_each_with_help_and_example(kind):
    cls = registry.find("sources", kind).Options
    assert issubclass(cls, SourceOptions)
    assert inspect.getdoc(cls) != inspect.getdoc(SourceOptions)
    for each in fields(cls):
        assert each.metadata["help"], each.name
        has_default = each.default is not MISSING or each.default_factory is not MISSING
        is_block = hasattr(each.default_factory, "__dataclass_fields__")
        assert is_block or each.metadata["example"] is not None, (each.name, has_default)


@every_source
def test_an_unknown_option_and_what_is_missing_are_refused(kind, tmp_path):
    file = tmp_path / "config.yaml"
    entry = {"type": kind, **OPTIONS[kind], "nonsense": 1}
    file.write_text(yaml.safe_dump({"sources": {"it": entry}}))
    with pytest.raises(ConfigFault, match=r"sources\.it\.nonsense: unknown option"):
        load(file)
    cls = registry.find("sources", kind).Options
    needed = [each.name for each in fields(cls) if each.default is MISSING]
    needed = [name for name in needed if name in OPTIONS[kind]]
    for name in needed:
        left = {key: value for key, value in entry.items() if key not in (name, "nonsense")}
        file.write_text(yaml.safe_dump({"sources": {"it": left}}))
        with pytest.raises(ConfigFault, match=f"'{name}' is missing"):
            load(file)


@every_source
def test_the_command_check_accepts_it(kind, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "known").write_text("x")
    entry = yaml.safe_dump({"sources": {"it": {"type": kind, **OPTIONS[kind]}}})
    file = tmp_path / "config.yaml"
    file.write_text(entry.replace("'!secret known'", "!secret known") + f"data_dir: {tmp_path}\n")
    wiring.check(config.load(file))


seen: list[tuple[str, Any]] = []
watching = threading.local()


def watch(event, arguments):
    if getattr(watching, "is_on", False) and event.startswith(("open", "os.", "socket.", "subpro")):
        seen.append((event, arguments))


sys.addaudithook(watch)


def touches(event, arguments, folder):
    """Is this more than reading what comes with the program or with Python?"""
    if event == "open":
        path, _, flags = arguments
        is_written = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return is_written or str(path).startswith((str(folder), "/dev/", "/nowhere"))
    return event.startswith(("socket.c", "socket.b", "socket.g", "subprocess", "os.mkdir"))


@every_source
def test_a_constructor_touches_nothing(kind, house, tmp_path):
    house(kind)  # whatever is loaded once
    seen.clear()
    watching.is_on = True
    try:
        house(kind)
    finally:
        watching.is_on = False
    assert [each for each in seen if touches(*each, tmp_path)] == []
    assert not (tmp_path / "state").exists()


@every_source
def test_quantities_are_of_the_catalogue_and_line_and_patience_are_told(kind, house):
    source, _ = house(kind)
    assert source.quantities
    assert set(source.quantities) <= set(catalogue())
    assert source.line
    assert 0 < source.patience_s <= 600


@every_source
def test_closing_is_safe_before_opening_and_twice(kind, house):
    source, _ = house(kind)
    source.close()
    source.close()


# Which quantities, how often, under what name


@every_source
def test_quantities_may_be_selected(kind, house):
    source, options = house(kind)
    one = next(iter(source.quantities))
    chosen = replace(options, quantities=(one,))
    (group,) = feed("it", source, chosen, SourceHealth()).groups
    assert group.quantities == {one}
    with pytest.raises(BadOption, match="names no quantity here") as bad:
        feed("it", source, replace(options, quantities=("warp_factor",)), SourceHealth())
    assert bad.value.option == "quantities"


@every_source
def test_groups_have_intervals_of_their_own_or_are_refused_with_the_reason(kind, house):
    source, _ = house(kind)
    names = list(dict.fromkeys(source.quantities))
    groups = (ReadGroup(quantities=(names[0],), every=Seconds(3600)),)
    if kind in WHOLE:
        with pytest.raises(BadOption, match="leave 'read' out") as bad:
            house(kind, read=groups)
        assert bad.value.option == "read"
        return
    source, options = house(kind, read=groups)
    made = feed("it", source, options, SourceHealth())
    assert made.groups[0].interval_ms == 3_600_000
    assert made.groups[0].quantities == {names[0]}
    if len(names) > 1:
        assert made.groups[1].interval_ms == round(options.every * 1000)
        assert made.groups[1].quantities == set(names[1:])


@every_source
def test_a_quantity_may_be_given_another_name_in_the_same_unit(kind, house):
    source, options = house(kind)
    unread = [each for each in catalogue().values() if each.name not in source.quantities]
    old = next(iter(source.quantities))
    unit = catalogue()[old].unit
    new = next(each.name for each in unread if each.unit == unit)
    other = next(each.name for each in unread if each.unit != unit)
    renamed = replace(options, rename={old: new})
    assert feed("it", source, renamed, SourceHealth()).rename == {old: new}
    with pytest.raises(BadOption, match="is no quantity in") as bad:
        feed("it", source, replace(options, rename={old: other}), SourceHealth())
    assert bad.value.option == f"rename.{old}"


# A device that is not there


@pytest.mark.parametrize("kind", sorted(set(SOURCES) - WITHOUT_LINE - ON_THE_INTERNET))
def test_what_is_not_there_is_away_soon_and_however_often_it_is_asked(kind, house):
    source, _ = house(kind)
    patience_s, began_s = source.patience_s, time.monotonic()
    with pytest.raises(LineAway):
        open_and_read(source)
    assert time.monotonic() - began_s < patience_s + MORE_S
    with pytest.raises(ReadFault):
        source.read(now_ms(), frozenset(source.quantities))
    source.close()
    with pytest.raises(LineAway):
        open_and_read(source)
    source.close()
    source.close()


def open_and_read(source):
    source.open()
    return source.read(now_ms(), frozenset(source.quantities))


def now_ms():
    return round(time.time() * 1000)


TALKS_OVER = {
    "lutron_qs": "tcp://{}",
    "luxtronik": "tcp://{}",
    "modbus": "tcp://{}",
    "mqtt_in": "mqtt://{}",
    "nut": "tcp://{}",
    "redis": "tcp://{}",
    "vedirect": "socket://{}",
}


@pytest.mark.slow  # it is as long as the longest patience
def test_what_stays_silent_is_left_within_the_patience(house):
    def took(made):
        source, _ = made
        patience_s, began_s = source.patience_s, time.monotonic()
        with pytest.raises(ReadFault):
            open_and_read(source)
        took_s = time.monotonic() - began_s
        source.close()
        return took_s, patience_s

    with Loopback() as server, ThreadPoolExecutor(len(TALKS_OVER)) as pool:
        made = [
            house(kind, {"line": line.format(f"127.0.0.1:{server.port}")})
            for kind, line in TALKS_OVER.items()
        ]
        for kind, (took_s, patience_s) in zip(TALKS_OVER, pool.map(took, made), strict=True):
            assert took_s < patience_s + MORE_S, kind


# A device that is there


@contextmanager
def here_backups(folder):
    yield {"folder": str(folder / "backups")}


@contextmanager
def here_green_button(folder):
    file = folder / "meter.xml"
    file.write_bytes(
        green_button_files.house(green_button_files.hours(1_293_868_800, [450, 460, 470]))
    )
    yield {"path": str(file)}


@contextmanager
def here_nothing_more(folder):  # noqa: ARG001  as the others are called
    yield {}


@contextmanager
def here_lutron(folder):  # noqa: ARG001  as the others are called
    with lutron_processor.running() as processor, lutron_processor.database() as (_, url):
        user = lutron_processor.USER
        yield {"line": processor.line, "database": url, "user": user}


@contextmanager
def here_luxtronik(folder):  # noqa: ARG001  as the others are called
    told = {3003: [0] * 1143, 3004: [200] * 269, 3005: [1] * 355}
    forms = {3003: parameters, 3004: calculations, 3005: visibilities}
    with Controller({each: forms[each](told[each]) for each in told}) as controller:
        yield {"line": controller.line}


@contextmanager
def here_modbus(folder):  # noqa: ARG001  as the others are called
    registers = dict.fromkeys(range(0x10000), 1) | {0x0130: 5000, 0x0131: 23012}
    with FarEnd(lambda request: reply(request, {1: registers})) as line:
        yield {"line": line.path, "serial": {"parity": "none"}}  # a pseudo-terminal has none


@contextmanager
def here_mqtt(folder):
    stop = threading.Event()
    with mosquitto.running(folder / "broker") as broker:

        def talk():
            while not stop.wait(0.05):
                broker.say("plug", '{"V": 12.8, "SOC": 87}')

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield {"line": broker.line}
        finally:
            stop.set()
            thread.join()


@contextmanager
def here_nut(folder):  # noqa: ARG001  as the others are called
    ups = {"ups__status": "OL", "ups__realpower": "88", "battery__charge": "97"}
    with nut_server.running({"office": ups}) as server:
        yield {"line": server.line}


@contextmanager
def here_redis(folder):
    with redis_server.running(folder) as server:
        for number in range(3):
            at = round(time.time()) - 10 + number
            server.client.hset("bank", str(at), json.dumps({"V": 12.8, "SOC": 87}))
        yield {"line": server.line}


@contextmanager
def here_vedirect(folder):  # noqa: ARG001  as the others are called
    with Talker(blocks(MONITOR, HISTORY)) as talker:
        yield {"line": talker.path}


@contextmanager
def here_weather(folder):  # noqa: ARG001  as the others are called
    with serving(Sky(round(time.time()))) as server:
        yield {"url": server.url, "archive_url": server.url}


@contextmanager
def here_prices(folder):  # noqa: ARG001  as the others are called
    with serving(Market()) as server:
        rows = {"rows": "data", "times": "start_timestamp", "prices": "marketprice", "time": "ms"}
        yield {"url": f"{server.url}{AWATTAR}", "per": "MWh", **rows}


HERE = {
    "backups": here_backups,
    "green_button": here_green_button,
    "host": here_nothing_more,
    "lutron_qs": here_lutron,
    "luxtronik": here_luxtronik,
    "modbus": here_modbus,
    "mqtt_in": here_mqtt,
    "nut": here_nut,
    "prices": here_prices,
    "redis": here_redis,
    "simulated": here_nothing_more,
    "vedirect": here_vedirect,
    "weather": here_weather,
}


@pytest.fixture(scope="module", params=sorted(HERE))
def here(request, tmp_path_factory):
    """Let a device be there; yield what kind of source reads it, and its options."""
    with HERE[request.param](tmp_path_factory.mktemp(request.param)) as options:
        yield request.param, options


def test_every_source_that_needs_no_internet_is_read_here():
    assert set(HERE) == set(SOURCES) - ON_THE_INTERNET


def first_readings(source):
    """Return what the first read brings that brings anything, within the time of some slots."""
    source.open()

    def some():
        with suppress(ReadFault):
            return source.read(now_ms(), frozenset(source.quantities))
        return []

    return wait_for(some, "something is read")


def test_readings_are_what_the_source_says_it_can_read(house, here):
    source, _ = house(*here)
    readings = first_readings(source)
    for each in readings:
        assert set(each.values) <= set(source.quantities)
        assert NAME.fullmatch(each.device)
        assert each.device.startswith("it") or here[0] in {"mqtt_in", "redis"}
        assert decode(encode(each)) == each


def test_only_what_is_asked_for_is_read(house, here):
    source, _ = house(*here)
    told = {quantity for each in first_readings(source) for quantity in each.values}
    for quantity in sorted(told)[:3]:
        other, _ = house(*here, quantities=(quantity,))
        source.close()
        other.open()
        wait_for(partial(reads, other, quantity), f"{quantity} is read")
        other.close()


def reads(source, quantity):
    readings = source.read(now_ms(), frozenset({quantity}))
    return any(quantity in each.values for each in readings)


def test_a_group_is_read_by_itself_between_reads_of_all(house, here):
    kind, options = here
    if kind in WHOLE:
        return  # groups are refused
    source, _ = house(kind, options)
    told = {quantity for each in first_readings(source) for quantity in each.values}
    one, later_ms = frozenset({max(told)}), now_ms() + 600_000
    readings = wait_for(lambda: source.read(later_ms, one), "a group is read")
    assert one <= {quantity for each in readings for quantity in each.values}
    readings = source.read(later_ms + 600_000, frozenset(source.quantities))
    assert one <= {quantity for each in readings for quantity in each.values}


def test_it_is_read_again_after_closing_and_opening(house, here):
    source, _ = house(*here)
    assert first_readings(source)
    source.close()
    source.close()
    source.open()
    source.read(now_ms(), frozenset(source.quantities))


def test_what_is_remembered_is_read_once(house, here):
    source, _ = house(*here)
    assert isinstance(source, Remembering) == (here[0] in WHOLE)
    if here[0] in WHOLE:
        began_ms = now_ms()
        old = [each for each in first_readings(source) if each.at_ms < began_ms - 1000]
        source.journalled()
        again = source.read(now_ms(), frozenset(source.quantities))
        assert not [each for each in again if each in old]


def test_raw_rows_are_shown_but_by_those_that_have_none(house, here, monkeypatch):
    monkeypatch.setattr(mqtt_in, "RAW_S", 0.5)
    source, _ = house(*here)
    assert isinstance(source, Raw) == (here[0] not in WITHOUT_RAW)
    if here[0] not in WITHOUT_RAW:
        source.open()
        assert source.read_raw()
