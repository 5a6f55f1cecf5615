"""The search behind a TCP port: Modbus units, by their device maps and by SunSpec."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli.main import main
from collector.contract import with_role
from collector.sources.modbus import discover
from collector.sources.modbus.source import Modbus
from tests.fakes.loopback import HANG_UP, Loopback
from tests.fakes.mbap_device import Device, units
from tests.fakes.rtu_slave import reply
from tests.fakes.searching import scanned
from tests.fakes.sunspec_image import HYBRID, METER, common, image
from tests.servers.libmodbus_slave import libmodbus_unit
from tests.servers.pymodbus_slave import pymodbus_units

SDM_230 = {0x0000: 0x4366, 0x0001: 0x3333, 0x0046: 0x4248, 0x0047: 0x0000}
TOLD = "Acme Sun 5, version 1.2, serial number A-17, models 1, 103, 120, 64110, 160, 124, 1, 203"


def found(line, **others):
    return scanned(line, **others).found


@pytest.fixture
def few_units(monkeypatch):
    """Servers that stay silent for other units take their time."""
    monkeypatch.setattr(discover, "UNITS", (1, 7))
    monkeypatch.setattr("collector.sources.modbus.mbap_line.MOST_ALLOWANCE_S", 0.5)


@pytest.fixture
def at_502(monkeypatch):
    """Let the port of a line be taken for one of Modbus."""

    def at(line):
        ports = (int(line.rpartition(":")[2]),)
        monkeypatch.setattr(Modbus, "manner", replace(Modbus.manner, ports=ports))

    return at


def test_units_behind_a_gateway_are_found_and_named(at_502):
    with Device(units({2: SDM_230, 9: {0x4000: 0}, 126: image(*HYBRID)})) as device:
        at_502(device.line)
        assert found(device.line) == [
            discover.found(device.line, None, 2, ["eastron-sdm230"]),
            discover.found(device.line, None, 9, []),
            discover.found(device.line, None, 126, ["sunspec"], TOLD),
        ]
        assert {each.function for each in device.asked} == {3, 4}
        assert {each.unit for each in device.asked} == {*discover.UNITS, discover.NO_UNIT}


def test_a_thorough_scan_asks_every_unit(at_502):
    with Device(units({201: SDM_230})) as device:
        at_502(device.line)
        (only,) = found(device.line, thorough=True)
        assert only.options["address"] == 201
        assert {each.unit for each in device.asked} == set(range(256))


def test_a_device_that_answers_for_any_unit_is_found_once(at_502):
    registers = dict.fromkeys(range(0x400), 0) | SDM_230
    with libmodbus_unit(registers) as line:
        at_502(line)
        (only,) = found(line)
    assert (only.place, only.options["address"]) == (line, 1)


@pytest.mark.usefixtures("few_units")
@pytest.mark.parametrize("word", [0, 0xFFFF, 0x4248])
def test_a_device_that_sends_one_number_everywhere_is_not_named(at_502, word):
    with Device(units({1: dict.fromkeys(range(0x10000), word)})) as device:
        at_502(device.line)
        (only,) = found(device.line)
    assert not only.options
    assert "no device map matches" in only.text


def test_the_meter_of_a_gen24_is_found_at_its_unit(at_502):
    meters = {1: image(*HYBRID), 200: image(common("Fronius", "TS 65A-3"), METER)}
    with Device(units(meters)) as device:
        at_502(device.line)
        assert [each.options["address"] for each in found(device.line)] == [1, 200]


def test_a_server_that_hangs_up_on_other_units_is_searched_to_the_end(at_502):
    unit_4 = units({4: SDM_230})
    with Device(lambda asked: unit_4(asked) if asked.unit == 4 else [HANG_UP]) as device:
        at_502(device.line)
        assert [each.options["address"] for each in found(device.line)] == [4]


@pytest.mark.usefixtures("few_units")
def test_what_is_found_is_a_configuration_that_check_accepts_and_read_reads(at_502, tmp_path):
    with pymodbus_units({1: image(*HYBRID), 7: image(common("Acme", "M"), METER)}) as line:
        at_502(line)
        shown = CliRunner().invoke(main, ["scan", "--line", line])
        assert shown.exit_code == 0
        assert f"address 1: {TOLD}" in shown.stderr
        remark = with_role(TOLD, "solar")
        assert f"  meter1:  # {remark}\n    type: modbus\n    line: {line}\n" in shown.stdout
        file = tmp_path / "config.yaml"
        file.write_text(f"site: home\ndata_dir: {tmp_path}\n{shown.stdout}")
        assert config.load(file).sources["meter2"].address == 7
        checked = CliRunner().invoke(main, ["check", "--config", str(file)])
        assert checked.exit_code == 0, checked.output
        read = CliRunner().invoke(main, ["read", "meter1", "--json", "--config", str(file)])
        lines = map(json.loads, read.stdout.splitlines())
        values = {each["device"]: each["values"] for each in lines}
        assert values["meter1"]["active_power_export"] == 4897
        assert values["meter1.meter1"]["active_power"] == -1265
        raw = CliRunner().invoke(main, ["read", "meter1", "--raw", "--config", str(file)])
        assert "meter1.string1 dc_input_power" in raw.stdout
        as_json = CliRunner().invoke(main, ["scan", "--line", line, "--json"])
        entry, _ = json.loads(as_json.stdout)
        assert entry["type"] == "modbus"
        assert entry["options"] == {"line": line, "model": "sunspec", "address": 1}


@pytest.mark.usefixtures("few_units")
def test_modbus_is_looked_for_last_where_the_port_does_not_tell(monkeypatch):
    monkeypatch.setattr("collector.sources.luxtronik.protocol.ANSWER_S", 0.5)
    with pymodbus_units({1: image(*HYBRID)}) as line:
        assert [each.options["model"] for each in found(line)] == ["sunspec"]


def test_a_server_where_no_unit_answers_is_told(at_502):
    with Device(units({})) as device:
        at_502(device.line)
        seen = scanned(device.line)
        assert seen.skipped == [f"{device.line}: no Modbus TCP device answers"]
        assert [int(text.split()[-1]) for text, _ in seen.progress] == [*discover.UNITS]
        shown = CliRunner().invoke(main, ["scan", "--line", device.line])
        assert shown.exit_code == 1
        assert "3493 (nut)" in shown.stdout


def test_nobody_at_that_port_is_told_at_once(at_502):
    with Device(units({})) as device:
        pass
    at_502(device.line)
    (reason,) = scanned(device.line).skipped
    assert "cannot be reached" in reason


class SerialServer(Loopback):
    def serve(self, client):
        while request := client.recv(256):
            self.send(client, reply(request, {1: dict.fromkeys(range(0x10000), 0)}))


@pytest.mark.usefixtures("few_units")
def test_a_serial_server_is_reported_with_the_line_that_is_right(at_502):
    with SerialServer() as server:
        at_502(server.line)
        seen = scanned(server.line)
    assert not seen.found
    assert f"its line is {server.line.replace('tcp:', 'socket:')}" in seen.skipped[0]
