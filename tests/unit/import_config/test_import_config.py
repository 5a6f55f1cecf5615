"""Configurations of other programs: each becomes one that is accepted, or a sentence."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import config
from collector.cli.import_config import PROGRAMS
from collector.cli.main import main
from collector.contract import ReadGroup
from collector.decode.fields import fields_of, value_of
from collector.import_config import foreign, vemonitor_columns
from collector.run import wiring
from collector.scalars import Seconds
from collector.sources.vedirect.labels import table

SECRETS = {
    "redis-shed": "pass-of-redis",
    "influxdb-base": "token-of-influx",
    "emoncms-cloud": "key0of0emoncms",
}
BMV = {
    "serialPort": "/dev/ttyUSB0",
    "onError": "waitConnection",
    "serialTest": {"pid": {"typeTest": "value", "key": "PID", "value": "0x203"}},
}
CONNECTORS = {
    "serial": {"bmv": BMV, "sun": {"serialPort": "/dev/ttyUSB1"}},
    "redis": {
        "shed": {"host": "192.168.1.9", "port": 6380, "db": 4, "password": SECRETS["redis-shed"]}
    },
    "emoncms": {"cloud": {"addr": "http://emon.example", "apikey": SECRETS["emoncms-cloud"]}},
    "influxDb2": {
        "base": {
            "host": "http://192.168.1.9:8086",
            "org": "home",
            "auth": SECRETS["influxdb-base"],
            "verify_ssl": False,
        }
    },
}
MONITOR = {
    "name": "monitor",
    "source": "bmv",
    "device": "BMV",
    "time_interval": 1,
    "columns": ["V", "SOC", "SER#", "time_ref"],
    "ref_cols": [["bat_voltage", "V"]],
}
SLOW = {
    "name": "monitor_slow",
    "source": "bmv",
    "device": "BMV",
    "time_interval": 10,
    "columns": ["V", "H17", "vm_cap"],
}
BARN = {
    "name": "barn",
    "source": "shed",
    "redis_node": "far",
    "time_interval": 2,
    "columns": {"pack": ["V", "SOC", "H6", "CS", "t_int"], "panels": ["PPV"]},
}
INFLUX = {"source": "base", "db": "solar", "measurement": "m", "time_interval": 1, "columns": {}}


def block(serial=(), redis=(), **more):
    inputs = {"serial": list(serial), "redis": list(redis)}
    return {"name": "shed", "app": "batSerialMonitor", "inputs": inputs, **more}


def house(*blocks, **more):
    return {"appBlocks": list(blocks), "appConnectors": CONNECTORS, **more}


def typed(folder, program, content, name="file", secrets=True):
    """Run the command on a file with *content*; return its result and the configuration's file."""
    file, made = folder / name, folder / "config.yaml"
    if not isinstance(content, str | bytes):
        content = json.dumps(content) if program == "lutron" else yaml.safe_dump(content)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    words = ["import-config", program, str(file)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    made.write_text(result.stdout)
    (folder / "secrets").mkdir(exist_ok=True)
    for each in (*SECRETS, "lutron-password") if secrets else ():
        (folder / "secrets" / each).write_text("stored")
    return result, made


def imported(folder, program, content):
    """Return the configuration that comes of *content*, looked at as ``check`` does, and notes."""
    result, made = typed(folder, program, content)
    assert result.exit_code == 0, result.stderr
    loaded = config.load(made)
    wiring.check(loaded)
    return loaded, result.stderr


def refusal(folder, program, content):
    result, _ = typed(folder, program, content)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


# vemonitor


def test_inputs_of_one_port_become_a_source_with_groups(tmp_path):
    loaded, _ = imported(tmp_path, "vemonitor", house(block([SLOW, MONITOR])))
    (source,) = loaded.sources.values()
    assert (source.type, source.line, source.every) == ("vedirect", "/dev/ttyUSB0", 1)
    assert source.expect == {"PID": "0x203"}
    assert source.quantities == ("battery_voltage", "state_of_charge", "discharged_energy")
    assert source.read == (ReadGroup(quantities=("discharged_energy",), every=Seconds(10)),)


@pytest.mark.parametrize("name", ["Küche & Bad", "厨房", "مطبخ"])
def test_a_name_that_has_to_be_changed_becomes_the_label(tmp_path, name):
    loaded, _ = imported(tmp_path, "vemonitor", house(block([MONITOR | {"name": name}])))
    assert [each.label for each in loaded.sources.values()] == [name]
    assert name not in loaded.sources


def test_every_port_and_every_block_becomes_a_source(tmp_path):
    sun = MONITOR | {"name": "sun", "source": "sun", "columns": ["PPV"]}
    loaded, _ = imported(tmp_path, "vemonitor", house(block([MONITOR]), block([sun])))
    assert {name: each.line for name, each in loaded.sources.items()} == {
        "monitor": "/dev/ttyUSB0",
        "sun": "/dev/ttyUSB1",
    }


def test_a_port_that_is_none_is_searched_where_that_is_possible(tmp_path):
    connectors = {"bmv": BMV | {"serialPort": "/${HOME}/vmodem1"}, "sun": {"serialPort": "COM3"}}
    sun = MONITOR | {"name": "sun", "source": "sun"}
    content = {"appBlocks": [block([MONITOR, sun])], "appConnectors": {"serial": connectors}}
    loaded, notes = imported(tmp_path, "vemonitor", content)
    assert {name: each.line for name, each in loaded.sources.items()} == {"monitor": "auto"}
    assert "sources.sun.line: is not valid here and is skipped: 'COM3' is not a line" in notes


def test_rows_in_redis_are_read_in_the_units_that_vemonitor_writes(tmp_path):
    loaded, notes = imported(tmp_path, "vemonitor", house(block(redis=[BARN])))
    barn = loaded.sources["barn"]
    assert (barn.line, barn.database, barn.every) == ("tcp://192.168.1.9:6380", 4, 2)
    pack, panels = barn.devices["pack"], barn.devices["panels"]
    assert (pack.key, pack.layout, pack.kind, panels.kind) == (
        "far_pack",
        "series",
        "battery",
        "solar",
    )
    row = {"V": 12.8, "SOC": 87.5, "H6": -100.5, "CS": 0.003, "t_int": 18.5}
    fields = fields_of(pack, "")
    assert {each.quantity: value_of(each, row) for each in fields} == {
        "battery_voltage": 12.8,
        "state_of_charge": 87.5,
        "discharged_charge": 100.5,
        "charger_state": 3,
        "room_temperature": 18.5,
    }
    assert "vemonitor writes 0 where its device knows no SOC" in notes


def test_what_vemonitor_itself_wrote_into_redis_is_read_from_the_device(tmp_path):
    content = house(
        block([MONITOR], outputs={"redis": [{"source": "shed", "redis_node": "far"}]}),
        block(redis=[BARN]),
    )
    loaded, notes = imported(tmp_path, "vemonitor", content)
    assert list(loaded.sources) == ["monitor"]
    assert "inputs.redis.0: is left out: vemonitor writes 'far', whose devices are read" in notes


def test_influxdb_becomes_one_output_for_each_bucket(tmp_path):
    outputs = {"influxDb2": [INFLUX, INFLUX | {"measurement": "n"}, INFLUX | {"db": "other"}]}
    loaded, notes = imported(tmp_path, "vemonitor", house(block([MONITOR], outputs=outputs)))
    assert [(each.url, each.org, each.bucket) for each in loaded.outputs.values()] == [
        ("http://192.168.1.9:8086", "home", "solar"),
        ("http://192.168.1.9:8086", "home", "other"),
    ]
    assert "outputs: there is none" not in notes


def test_a_node_in_redis_becomes_an_output_in_vemonitor_s_layout(tmp_path):
    item = {"source": "shed", "redis_node": "far", "time_interval": 1, "columns": {}}
    outputs = {"redis": [item, item, item | {"redis_node": "near"}]}
    loaded, notes = imported(tmp_path, "vemonitor", house(block([MONITOR], outputs=outputs)))
    far, near = loaded.outputs.values()
    assert (far.url, far.database, far.layout, far.prefix) == (
        "tcp://192.168.1.9:6380",
        4,
        "hmap_time_series",
        "far",
    )
    assert (near.prefix, near.password.name) == ("near", "redis-shed")
    assert "its rows have the names of the quantities here" in notes


FEED = {"process": 1, "engine": 2, "unit": "Kwh", "time_interval": 30, "public": True}
STRUCTURE = {
    "monitor": {
        "V": {"description": "Bank (12 V)", "feeds": {"volts": {"process": 1, "unit": "V"}}},
        "H17": {"feeds": {"out": FEED, "sum": FEED | {"process": 999}}},
        "time_ref": {"feeds": {}},
    },
    "other": {"SOC": {"feeds": {"soc": {"process": 4, "engine": 5}}}},
}


def test_emoncms_becomes_an_output_with_the_structure_beside_it(tmp_path):
    (tmp_path / "emoncms.yaml").write_text(yaml.safe_dump({"Structure": STRUCTURE}))
    items = [
        {"name": "fast", "source": "cloud", "time_interval": 5, "cache_interval": 10},
        {"name": "slow", "source": "cloud", "time_interval": 60},
    ]
    content = house(block([MONITOR], outputs={"emoncms": items}))
    loaded, notes = imported(tmp_path, "vemonitor", content)
    (cloud,) = loaded.outputs.values()
    assert (cloud.type, cloud.url, cloud.interval) == ("emoncms", "http://emon.example", 5)
    assert cloud.key.name == "emoncms-cloud"
    volts = cloud.inputs["monitor.battery_voltage"]
    assert volts.description == "Bank 12 V"
    (out,) = cloud.inputs["monitor.discharged_energy"].processes
    assert (out.process, out.feed, out.engine, out.interval, out.unit) == (
        *("log_to_feed", "out", "phptimeseries"),
        *(30, "Wh"),
    )
    assert "other.state_of_charge" in cloud.inputs
    for said in (
        "Structure.other: no device here is called 'other': mend 'inputs'",
        "Structure.monitor.H17.feeds.sum: has no equivalent: its process, engine or name",
        "Structure.monitor.H17.feeds.out.unit: discharged_energy is in Wh here",
        "Structure.monitor.H17.feeds.out.public: has no equivalent",
        "Structure.monitor.time_ref (time_ref): needs no equivalent",
        "outputs.emoncms.0.cache_interval: has no equivalent",
        "EmonCMS gets inputs that are named as the quantities here",
    ):
        assert said in notes, said


def test_what_has_no_equal_is_said_line_by_line(tmp_path):
    content = house(
        block(
            [MONITOR, SLOW],
            args={"batteryBanks": "b", "solarPlants": "s"},
            redis_cache={"source": "shed"},
            outputs={"emoncms": [{"name": "n"}], "serial": [], "influxDb2": [INFLUX]},
        ),
        batteryBanks={"batteryDatas": {"others": 1}},
        unheard={"of": 1},
    )
    _, notes = imported(tmp_path, "vemonitor", content)
    places = [line.partition(": ")[2].partition(": ")[0] for line in notes.splitlines()]
    assert set(places) >= {
        "appBlocks.0.inputs.serial.0.ref_cols",
        "appBlocks.0.inputs.serial.0.columns.2 (SER#)",
        "appBlocks.0.inputs.serial.1.columns.2 (vm_cap)",
        "appBlocks.0.args.batteryBanks",
        "appBlocks.0.args.solarPlants",
        "appBlocks.0.redis_cache",
        "appBlocks.0.outputs.emoncms.0",
        "appBlocks.0.outputs.serial",
        "appBlocks.0.outputs.influxDb2.0.measurement",
        "appConnectors.influxDb2.base.verify_ssl",
        "batteryBanks.batteryDatas.others",
        "unheard",
    }


T105 = {
    "manufacturer": "Trojan",
    "model": "T-105",
    "cell_voltage": 2,
    "nb_cells": 3,
    "capacity": [[20, 225, 11.25], [5, 185, 37], [10, 207, 20.7]],
    "bulk_voltage": 7.4,
    "float_voltage": 6.75,
}
SHED = {"battery_type": "flooded", "battery_key": "t105", "in_series": 4, "in_parallel": 2}
WITH_CURRENT = MONITOR | {"columns": ["V", "I", "SOC"]}


def banks(items=None, **batteries):
    data = {"batteries": batteries or {"t105": T105}, "bankItems": items or {"shed": SHED}}
    return {"batteryDatas": data}


def with_bank(given, inputs=(WITH_CURRENT,), redis=(), **args):
    args = {"batteryBanks": "shed", **args}
    return house(block(list(inputs), list(redis), args=args), batteryBanks=given)


def test_a_battery_bank_becomes_a_derivation_that_computes_it(tmp_path):
    loaded, notes = imported(tmp_path, "vemonitor", with_bank(banks()))
    bank = loaded.derivations["shed"]
    assert list(loaded.derivations) == ["shed", "energy", "alerts"]
    assert (bank.type, bank.device, bank.chemistry) == ("battery_bank", "monitor", "flooded")
    rows = [(row.hours, row.capacity) for row in bank.capacity_table]
    assert rows == [(5, 185), (10, 207), (20, 225)]
    assert (bank.in_series, bank.in_parallel, bank.cells) == (4, 2, 3)
    assert (bank.charged_voltage, bank.label) == (6.63, "Trojan T-105")
    assert "args" not in notes
    assert "batteryBanks: has no equivalent" not in notes
    assert "bulk_voltage: is not needed" in notes


def test_a_bank_of_which_one_capacity_is_known_has_that(tmp_path):
    battery = T105 | {"capacity": [[20, 100, 5]], "nb_cells": 4, "float_voltage": 13.5}
    given = banks({"shed": SHED | {"battery_type": "li", "battery_key": "b"}}, b=battery)
    loaded, notes = imported(tmp_path, "vemonitor", with_bank(given))
    bank = loaded.derivations["shed"]
    assert (bank.capacity, bank.chemistry, bank.charged_voltage) == (100, "lifepo4", 13.34)
    assert "'li' is taken as lifepo4" in notes


def test_a_bank_is_measured_and_warm_as_redis_says(tmp_path):
    far = {"pack": ["V", "I"], "air": ["t_bat"]}
    content = with_bank(banks(), inputs=[], redis=[BARN | {"columns": far}])
    loaded, _ = imported(tmp_path, "vemonitor", content)
    bank = loaded.derivations["shed"]
    assert (bank.device, bank.temperature) == ("pack", "air")


def test_a_bank_named_as_a_source_is_gets_another_name(tmp_path):
    content = with_bank(banks(), inputs=[WITH_CURRENT | {"name": "shed"}])
    loaded, _ = imported(tmp_path, "vemonitor", content)
    assert list(loaded.derivations) == ["shed_2", "energy", "alerts"]
    assert loaded.derivations["shed_2"].device == "shed"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (with_bank(banks({"other": SHED})), "there is no 'shed' in 'bankItems'"),
        (with_bank(banks({"other": SHED})), "bankItems.other: is left out: no block names it"),
        (with_bank(banks(), inputs=[MONITOR]), "no block reads the column 'I', the current"),
        (
            with_bank(banks(t105=T105 | {"capacity": [[20, 90, 4.5], [5, 185, 37]]})),
            "derivations.shed.capacity_table.1: is not valid here and is skipped: from 5 h to 20",
        ),
        (with_bank(banks(t105=T105 | {"capacity": [[20, 225, 5]]})), "is not 225 Ah: the Ah"),
        (
            with_bank(banks(t105=T105 | {"float_voltage": 13.5})),
            "float_voltage: does not fit 3 cells of flooded: the default is taken",
        ),
        (
            with_bank(banks({"shed": SHED | {"battery_type": "nicd"}})),
            "'nicd' is none of flooded, gel, agm, li: flooded is taken",
        ),
    ],
)
def test_what_is_odd_about_a_bank_is_said_and_the_rest_is_imported(content, sentence, tmp_path):
    loaded, notes = imported(tmp_path, "vemonitor", content)
    assert sentence in notes
    assert loaded.sources


@pytest.mark.parametrize(
    ("battery", "sentence"),
    [
        ({"capacity": [[20]]}, "capacity.0: expected [hours, Ah, A]"),
        ({"capacity": [["x", 5]]}, "capacity.0.0: expected a number above 0"),
        ({"nb_cells": -3}, "nb_cells: expected a number above 0"),
    ],
)
def test_a_bank_that_cannot_be_read_is_named(battery, sentence, tmp_path):
    content = with_bank(banks(t105=T105 | battery))
    assert sentence in refusal(tmp_path, "vemonitor", content)
    content = with_bank(banks({"shed": SHED | {"battery_key": "none"}}))
    assert "there is no such battery" in refusal(tmp_path, "vemonitor", content)


def test_imported_files_count_and_the_last_wins(tmp_path):
    (tmp_path / "ports.yaml").write_text(yaml.safe_dump({"appConnectors": CONNECTORS}))
    (tmp_path / "house.yaml").write_text(yaml.safe_dump({"appBlocks": [block([MONITOR])]}))
    content = {"Imports": ["ports.yaml", "house.yaml"], "appBlocks": [block([SLOW])]}
    loaded, notes = imported(tmp_path, "vemonitor", content)
    assert list(loaded.sources) == ["monitor"]
    assert "house.yaml: appBlocks.0.inputs.serial.0.ref_cols: has no equivalent" in notes


@pytest.mark.parametrize("name", ["/etc/shadow", "../up.yaml", "", "a/b.yaml"])
def test_only_files_beside_are_imported(tmp_path, name):
    said = refusal(tmp_path, "vemonitor", house(block([MONITOR]), Imports=[name]))
    assert "is not the name of a file beside" in said


def test_a_file_that_is_imported_and_not_there_is_named(tmp_path):
    said = refusal(tmp_path, "vemonitor", house(block([MONITOR]), Imports=["ports.yaml"]))
    assert "ports.yaml: No such file" in said


def test_no_secret_is_shown_and_each_is_said_how_to_store(tmp_path):
    outputs = {"influxDb2": [INFLUX], "emoncms": [{"name": "n", "source": "cloud"}]}
    content = house(block([MONITOR], [BARN], outputs=outputs))
    result, made = typed(tmp_path, "vemonitor", content, secrets=False)
    for each in SECRETS.values():
        assert each not in result.output
    for name in SECRETS:
        assert f"'sudo energy-monitor secret set {name}'" in result.stderr
    loaded = config.load(made)
    assert loaded.sources["barn"].password.name == "redis-shed"
    assert loaded.outputs["base"].token.name == "influxdb-base"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"appBlocks": "x"}, "file: appBlocks: expected a list, not a text"),
        ({"appBlocks": [{"inputs": ["x"]}]}, "appBlocks.0.inputs: expected a block of"),
        (house(block([MONITOR | {"time_interval": "soon"}])), "time_interval: expected a number"),
        (house(block([MONITOR | {"name": ["x"]}])), "name: expected one plain value, not a list"),
        ({"sources": {}}, "there is no 'appBlocks' in it: is it vemonitor's?"),
        (house(block()), "it contains nothing that can be read here"),
        ("a: [b\nc", ": is not YAML"),
        ("", "there is no 'appBlocks' in it"),
        (b"\xff\xfe", "is not UTF-8 text"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 levels deep"),
        ("a" * 1_000_001, "larger than 1 MB"),
        ("a: &a [*a]", "an alias (*) stands for what it is in"),
    ],
)
def test_what_is_none_of_it_is_a_sentence(tmp_path, content, sentence):
    assert sentence in refusal(tmp_path, "vemonitor", content)


def test_nothing_in_a_file_is_executed(tmp_path):
    content = f'appBlocks: !!python/object/apply:os.mkdir ["{tmp_path}/made"]'
    refusal(tmp_path, "vemonitor", content)
    assert not (tmp_path / "made").exists()


def test_a_file_that_grows_by_its_aliases_is_left(tmp_path):
    levels = [
        f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(9)
    ]
    said = refusal(tmp_path, "vemonitor", "\n".join(["a-1: &a-1 x", *levels]))
    assert "each alias (*) counted in full" in said


def test_merged_keys_are_followed(tmp_path):
    file = tmp_path / "merged.yaml"
    file.write_text("base: &base {a: 1, b: 2}\nboth: {<<: *base, b: 3}\n")
    assert foreign.read_yaml(file).at("both").value == {"a": "1", "b": "3"}


def test_every_unit_of_vemonitor_s_columns_is_one_of_ours():
    known = table().fields
    assert vemonitor_columns.UNITS.keys() <= known.keys()


# emonHub


HUB = """\
### a remark
[hub]
loglevel = DEBUG # (default: WARNING)
[interfacers]
[[RFM2Pi]]
    Type = EmonHubJeeInterfacer
    [[[init_settings]]]
        com_port = /dev/ttyAMA0
[[Line]]
    Type = EmonHubMinimalModbusInterfacer
    [[[init_settings]]]
        device = /dev/ttyUSB0
        baud = 2400
        parity = none
    [[[runtimesettings]]]
        pubchannels = ToEmonCMS,
        read_interval = 10
        nodename = sdm120
        [[[[meters]]]]
            [[[[[house]]]]]
                address = 3
                type = sdm120
                registers = 0,6
                names = V, I
            [[[[[shed]]]]]
                type = rid175
            [[[[[barn]]]]]
[[SDM630]]
    Type = EmonHubMinimalModbusInterfacer
    [[[init_settings]]]
        device = "/dev/ttyUSB1" # the other
    [[[runtimesettings]]]
        registers = 0,1
[[Battery]]
    Type = EmonHubVEDirectInterfacer
    [[[init_settings]]]
        com_port = /dev/ttyUSB2
        com_baud = 19200
        toextract = SOC,V,SER# # these
        poll_interval = 5
[[org]]
    Type = EmonHubEmoncmsHTTPInterfacer
    [[[runtimesettings]]]
        subchannels = ToEmonCMS,
        url = https://emoncms.org/
        apikey = key0of0emoncms
        senddata = 1    # on
        sendstatus = 1
        interval = 30
[[off]]
    Type = EmonHubEmoncmsHTTPInterfacer
    [[[runtimesettings]]]
        senddata = 0
[[MQTT]]
    Type = EmonHubMqttInterfacer
[nodes]
[[9]]
"""


def test_interfacers_of_emonhub_become_sources_and_outputs(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "emoncms-org").write_text("stored")
    loaded, notes = imported(tmp_path, "emonhub", HUB)
    sources = loaded.sources
    assert set(sources) == {"house", "barn", "SDM630", "Battery"}
    assert (sources["house"].model, sources["house"].address) == ("eastron-sdm120", 3)
    assert (sources["house"].serial.baudrate, sources["house"].every) == (2400, 10)
    assert (sources["barn"].model, sources["SDM630"].model) == ("eastron-sdm120", "eastron-sdm630")
    assert (sources["SDM630"].line, sources["Battery"].line) == ("/dev/ttyUSB1", "/dev/ttyUSB2")
    assert sources["Battery"].quantities == ("state_of_charge", "battery_voltage")
    (org,) = loaded.outputs.values()
    assert (org.type, org.url, org.every, org.key.name) == (
        *("emoncms", "https://emoncms.org", 30),
        "emoncms-org",
    )
    assert SECRETS["emoncms-cloud"] not in notes
    for said in (
        "interfacers.RFM2Pi: is not read here; leave it to emonHub",
        "meters.house.names: has no equivalent: values have the names of the quantities here",
        "meters.shed: is left out: 'energy-monitor models' lists the known ones",
        "interfacers.org.runtimesettings.sendstatus: has no equivalent",
        "interfacers.off: is left out: it sends no data",
        "interfacers.MQTT: has no equivalent: MqttInterfacer",
        "nodes: has no equivalent: it is about radio frames",
    ):
        assert said in notes, said


def test_a_reporter_of_an_old_emonhub_becomes_an_output(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "emoncms-cms").write_text("stored")
    old = (
        "[reporters]\n[[cms]]\nType = EmonHubEmoncmsReporter\n[[[runtimesettings]]]\n"
        "url = http://localhost/emoncms\napikey = 0123\n"
    )
    meter = "[interfacers]\n[[sdm120]]\nType = EmonHubSDM120Interfacer\n[[[init_settings]]]\n"
    loaded, _ = imported(tmp_path, "emonhub", f"{old}{meter}device = /dev/ttyUSB0\n")
    assert [each.url for each in loaded.outputs.values()] == ["http://localhost/emoncms"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[hub]\n", "there are no [interfacers] in it: is it emonHub's?"),
        ("[interfacers]\n[[[a]]]\n", "file:2: is not a section that can stand there"),
        ("[interfacers\n", "file:1: is not a section that can stand there"),
        ("[interfacers]\nword\n", "file:2: is neither a [section] nor 'key = value'"),
        ("[hub]\na = 1\na = 2\n", "file:3: 'a' stands there twice"),
        (HUB.replace("poll_interval = 5", "poll_interval = soon"), "expected a number of seconds"),
        (HUB.replace("baud = 2400", "baud = fast"), "'fast' is not a number"),
        (b"\xff", "is not UTF-8 text"),
    ],
)
def test_what_is_no_configuration_of_emonhub_is_a_sentence(tmp_path, content, sentence):
    assert sentence in refusal(tmp_path, "emonhub", content)


# The exporter for heat pumps


def test_metrics_become_quantities(tmp_path):
    metrics = [
        {"name": "outdoor_celcius", "key": "ID_WEB_Temperatur_TA", "type": "gauge"},
        {"name": "impulses", "key": "ID_WEB_Zaehler_BetrZeitImpVD1", "type": "counter"},
        {"name": "by_place", "key": 10, "type": "gauge"},
        {"name": "unheard", "key": "ID_WEB_Of", "type": "gauge"},
    ]
    loaded, notes = imported(tmp_path, "luxtronik", {"metrics": metrics})
    (pump,) = loaded.sources.values()
    assert (pump.type, pump.line) == ("luxtronik", "tcp://192.168.2.5:8889")
    assert pump.quantities == ("outside_temperature", "compressor1_starts", "flow_temperature")
    assert "metrics.0: 'outdoor_celcius' is called outside_temperature here" in notes
    assert "metrics.3: 'unheard' has no equivalent: 'ID_WEB_Of' is not read here" in notes
    assert "mend it where the heat pump is not at" in notes


def test_a_file_without_metrics_is_a_sentence(tmp_path):
    assert "there is no metric in it" in refusal(tmp_path, "luxtronik", {"metrics": []})


# The exporter for lights


def test_the_processor_is_read_with_its_login(tmp_path):
    content = {
        "address": "192.168.1.40",
        "port": 2300,
        "username": "me",
        "password": "pass-of-lights",
        "log_level": "INFO",
    }
    loaded, notes = imported(tmp_path, "lutron", content)
    (lights,) = loaded.sources.values()
    assert (lights.type, lights.line, lights.user) == ("lutron_qs", "tcp://192.168.1.40:2300", "me")
    assert lights.password.name == "lutron-password"
    assert "file: log_level: has no equivalent" in notes
    assert "pass-of-lights" not in notes


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "file:1: is not JSON"),
        ("[" * 100_000, "is nested too deep"),
        ('{"address": "a", "username": "\\ud800"}', "cannot be read"),
        ("[]", "file: expected a block"),
        ({"address": "a"}, "'address' and 'username' are needed"),
        ({"address": "a", "username": True}, "not true or false"),
        (
            {"address": "a b", "username": "me", "port": "x"},
            "sources.lights.line: is not valid here",
        ),
    ],
)
def test_a_file_that_is_no_such_configuration_is_a_sentence(tmp_path, content, sentence):
    assert sentence in refusal(tmp_path, "lutron", content)


# Any file


def test_a_file_that_is_not_there_is_named(tmp_path):
    words = ["import-config", "lutron", str(tmp_path / "none.json")]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none.json: No such file" in result.stderr


def test_what_a_file_says_cannot_write_to_the_terminal(tmp_path):
    content = house(block([MONITOR]), **{"\x1b[31mred": 1})
    _, notes = imported(tmp_path, "vemonitor", content)
    assert "\x1b" not in notes


WORDS = st.one_of(
    st.sampled_from(
        ["V", "SOC", "bmv", "shed", "base", "far", "1", "0x203", "/dev/ttyUSB0", "x y", "value"]
    ),
    st.text(max_size=8),
    st.integers(-1, 10**6),
    st.none(),
)
KEYS = st.sampled_from(
    [
        *("name", "source", "time_interval", "columns", "redis_node", "serial", "redis", "host"),
        *("influxDb2", "inputs", "outputs", "serialPort", "serialTest", "bmv", "shed", "base"),
        *("key", "value", "typeTest", "db", "org", "auth", "password", "address", "username"),
    ]
)
TREES = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)
)


@st.composite
def houses(draw):
    """A configuration that is right but for one place, or two."""
    made = house(block([dict(MONITOR), dict(SLOW)], [dict(BARN)], outputs={"influxDb2": [INFLUX]}))
    made = json.loads(json.dumps(made))
    for _ in range(draw(st.integers(1, 2))):
        node = made
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and node[key] and draw(st.booleans()):
                node = node[key]
            else:
                node[key] = draw(TREES)
                break
    return made


def holds(program, content):
    """Is *content* turned into what ``check`` accepts, or refused in a sentence?"""
    with tempfile.TemporaryDirectory() as folder:
        result, made = typed(Path(folder), program, content)
        assert "Traceback" not in result.output
        if result.exit_code:
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr.strip()
            return
        for line in made.read_text().splitlines():
            for name in line.split("!secret ")[1:]:
                (Path(folder) / "secrets" / name.split("'")[1]).write_text("stored")
        wiring.check(config.load(made))


@settings(max_examples=150)
@given(houses())
def test_what_is_nearly_right_becomes_a_configuration_or_a_sentence(content):
    holds("vemonitor", content)


@settings(max_examples=100)
@given(st.sampled_from(PROGRAMS), TREES)
def test_any_tree_becomes_a_configuration_or_a_sentence(program, content):
    holds(program, content)


@settings(max_examples=100)
@given(st.sampled_from(PROGRAMS), st.text() | st.binary())
def test_any_text_becomes_a_configuration_or_a_sentence(program, content):
    holds(program, content)
