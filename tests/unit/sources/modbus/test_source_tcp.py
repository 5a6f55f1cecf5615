"""The Modbus source over TCP, and SunSpec devices: right values from independent servers."""

import logging
import struct
from contextlib import closing, contextmanager

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from collector.contract import BadOption, Context
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines.serial import Framing, Lines, SerialOptions
from collector.sources.modbus import devicemap
from collector.sources.modbus.source import Modbus, ModbusOptions
from tests.fakes.far_end import cable
from tests.fakes.loopback import Loopback
from tests.fakes.mbap_device import Device, exception, framed, units, words
from tests.fakes.rtu_slave import reply
from tests.fakes.sunspec_image import HYBRID, INVERTER, METER, battery_inputs, common, image, model
from tests.servers.libmodbus_slave import libmodbus_unit
from tests.servers.pymodbus_slave import pymodbus_slaves, pymodbus_units

AT_MS = 1_763_654_400_000
NO_PARITY = SerialOptions(parity="none")
EM24 = dict.fromkeys(range(0x50), 0)
EM24 |= {0x0000: 0x08FD, 0x0028: 0xCFC7, 0x0029: 0xFFFF, 0x0033: 500, 0x0034: 0xD687, 0x0035: 0x12}


def context(folder):
    return Context("home", Lines(), folder, folder / "state")


def modbus(line, shared, model_name="carlo-gavazzi-em24-ethernet", name="mains", **others):
    given = ModbusOptions(type="modbus", line=line, model=model_name, **others)
    return Modbus(name, given, shared)


@contextmanager
def opened(source):
    source.open()
    with closing(source):
        yield source


def values(source, *quantities):
    """Return {device: values} of one read."""
    readings = source.read(AT_MS, frozenset(quantities or source.quantities))
    assert {each.at_ms for each in readings} <= {AT_MS}
    return {each.device: dict(each.values) for each in readings}


@contextmanager
def pymodbus_unit(registers):
    with pymodbus_units({1: registers}) as line:
        yield line


@pytest.mark.parametrize("server", [pymodbus_unit, libmodbus_unit])
def test_a_meter_with_ethernet_is_read(tmp_path, server):
    with server(EM24) as line, opened(modbus(line, context(tmp_path))) as source:
        read = values(source)["mains"]
    assert set(read) == set(source.quantities)
    assert (read["voltage_l1"], read["active_power"], read["frequency"]) == (230.1, -1234.5, 50)
    assert read["active_energy_import"] == 123456700


@pytest.mark.parametrize("server", [pymodbus_unit, libmodbus_unit])
def test_a_meter_behind_a_gateway_reads_as_it_would_on_its_own_line(tmp_path, server):
    device_map = devicemap.load("eastron-sdm630")
    registers: dict[int, int] = {}
    for number, each in enumerate(device_map.registers):
        high, low = struct.unpack(">HH", struct.pack(">f", 1.5 * number))
        registers |= {each.address: high, each.address + 1: low}
    everything = dict.fromkeys(range(0x200), 0) | registers
    with (
        server(everything) as line,
        opened(modbus(line, context(tmp_path), "eastron-sdm630")) as source,
    ):
        read = values(source)["mains"]
    assert read == {
        each.quantity: 1.5 * number * each.scale for number, each in enumerate(device_map.registers)
    }


def test_units_behind_one_gateway_share_the_connection_and_a_dead_one_costs_no_neighbour(tmp_path):
    shared = context(tmp_path)
    with Device(units({1: EM24, 3: EM24 | {0: 0x0900}})) as device:
        one, dead, three = (
            modbus(device.line, shared, name=name, address=unit)
            for name, unit in (("one", 1), ("dead", 2), ("three", 3))
        )
        assert {each.line for each in (one, dead, three)} == {device.line}
        with opened(one), opened(dead), opened(three):
            for _ in range(5):
                assert values(one, "voltage_l1") == {"one": {"voltage_l1": 230.1}}
                with pytest.raises(DeviceSilent, match=r"address 2 .*gateway"):
                    values(dead)
                assert values(three, "voltage_l1") == {"three": {"voltage_l1": 230.4}}
        assert device.connections == 1
        assert dead.meter.splits == set()


def test_two_sources_may_not_ask_the_same_unit(tmp_path):
    shared = context(tmp_path)
    modbus("tcp://127.0.0.1:502", shared)
    with pytest.raises(BadOption, match="1 is the address of mains already"):
        modbus("tcp://127.0.0.1:502", shared, name="solar")


def test_a_lost_connection_is_away_and_back_without_a_restart(tmp_path):
    with Device(units({1: EM24})) as device:
        source = modbus(device.line, context(tmp_path))
        source.open()
        assert values(source, "frequency")
        device.hang_up()
        with pytest.raises(LineAway, match="went away"):
            values(source)
    source.close()
    with pytest.raises(LineAway, match="cannot be reached"):
        source.open()
    with Device(units({1: EM24}), device.port), opened(source):
        assert values(source, "frequency") == {"mains": {"frequency": 50}}


def test_what_is_no_modbus_is_hung_up_on_and_the_next_read_connects_anew(tmp_path):
    with Device(lambda _: b"HTTP/1.1 400 Bad Request\r\n") as device:
        with opened(modbus(device.line, context(tmp_path))) as source:
            with pytest.raises(FrameDamaged, match="not Modbus TCP"):
                values(source)
            device.reply = units({1: EM24})
            assert values(source, "frequency")
        assert device.connections == 3  # one was a trial of the other scheme


class SerialServer(Loopback):
    def serve(self, client):
        while request := client.recv(256):
            self.send(client, reply(request, {1: EM24}) or b"")


def test_a_serial_server_that_passes_rtu_on_is_named_with_its_scheme(tmp_path):
    with SerialServer() as server:
        with opened(modbus(server.line, context(tmp_path))) as source:
            right = server.line.replace("tcp:", "socket:")
            with pytest.raises(DeviceSilent, match=f"it answers at {right}"):
                values(source)
            with pytest.raises(DeviceSilent, match="did not answer"):
                values(source)
        assert server.connections <= 3


@pytest.mark.parametrize("model", ["eastron-sdm630", "sunspec"])
def test_a_modbus_tcp_device_behind_the_scheme_of_rtu_is_named_with_its_own(tmp_path, model):
    everything = dict.fromkeys(range(0x200), 1) | image(common(), INVERTER)
    with pymodbus_units({1: everything}) as line:
        socket_line = line.replace("tcp:", "socket:")
        source = modbus(socket_line, context(tmp_path), model, address=1)
        said = ""
        with closing(source):
            try:
                source.open()
                values(source)
            except ReadFault as error:
                said = str(error)
        assert f"it answers at {line}" in said


@pytest.mark.parametrize("base", [50000, 0])
def test_a_device_that_is_silent_where_it_has_no_registers_is_found_by_sunspec(tmp_path, base):
    registers = image(common(), INVERTER, base=base)

    def silent_elsewhere(asked):
        said = words(asked, registers)
        return b"" if said[0] & 0x80 else framed(asked, said)

    with (
        Device(silent_elsewhere) as device,
        opened(modbus(device.line, context(tmp_path), "sunspec", address=1)) as source,
    ):
        assert values(source)["mains"]["active_power_export"] == 4897


def test_a_dead_device_is_asked_in_short_and_no_block_is_blamed_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr("collector.sources.modbus.mbap_line.LEAST_ALLOWANCE_S", 0.02)
    monkeypatch.setattr("collector.sources.modbus.mbap_line.MOST_ALLOWANCE_S", 0.02)
    with Device(lambda _: b"") as device, opened(modbus(device.line, context(tmp_path))) as source:
        source.meter.slave.slow_answer_time_s = 0.001
        for _ in range(4):
            with pytest.raises(DeviceSilent):
                values(source)
        assert len(device.asked) == 5  # at first, another block as well
        assert source.meter.splits == set()
        device.reply = units({1: EM24})
        assert values(source, "frequency")


def test_a_refused_block_is_parted_as_on_a_serial_line(tmp_path):
    holes = {each: EM24[each] for each in EM24 if each not in range(2, 0x28)}

    def reply(asked):
        return framed(asked, words(asked, holes))

    with Device(reply) as device, opened(modbus(device.line, context(tmp_path))) as source:
        assert values(source, "voltage_l1", "active_power")["mains"]["active_power"] == -1234.5
        before = len(device.asked)
        values(source, "voltage_l1", "active_power")
        assert len(device.asked) == before + 2


def test_a_network_is_asked_in_few_large_blocks_and_a_gateway_as_its_line_is(tmp_path):
    native = modbus("tcp://127.0.0.1:502", context(tmp_path), "sunspec")
    assert native.framing is None
    gateway = modbus("tcp://127.0.0.1:502", context(tmp_path), "eastron-sdm630")
    assert gateway.framing == Framing(9600, "none")
    quantities = ["voltage_l1", "active_energy_export"]  # with 70 registers between them
    registers = gateway.registers(quantities)
    blocks = gateway.meter.blocks(registers)
    assert len(gateway.meter.plan(blocks)) == 2
    assert gateway.bus_time_ms(quantities) > 30
    gateway.meter.bus.framings.clear()
    assert len(gateway.meter.plan(blocks)) == 1
    assert gateway.bus_time_ms(quantities) < 11


def test_the_serial_line_behind_a_gateway_may_be_set_otherwise(tmp_path):
    serial = SerialOptions(baudrate=19200, parity="even")
    source = modbus("tcp://127.0.0.1:502", context(tmp_path), "eastron-sdm630", serial=serial)
    assert str(source.framing) == "19200 8E1"
    source = modbus("tcp://127.0.0.1:502", context(tmp_path), "sunspec", serial=serial)
    assert str(source.framing) == "19200 8E1"


@pytest.mark.parametrize(
    ("line", "others", "option", "message"),
    [
        ("tcp://127.0.0.1", {}, "line", "tcp://HOST:PORT, /dev/serial"),
        ("127.0.0.1:502", {}, "line", "'127.0.0.1:502' is not a line"),
        ("/dev/ttyUSB0", {"model_name": "sunspec", "address": 255}, "address", "1 to 247"),
        ("/dev/ttyUSB0", {"model_name": "sunspec", "address": 0}, "address", "1 to 247"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(tmp_path, line, others, option, message):
    with pytest.raises(BadOption, match=message) as caught:
        modbus(line, context(tmp_path), **others)
    assert caught.value.option == option


def test_a_unit_may_have_any_number_on_the_network(tmp_path):
    for unit in (0, 255):
        with Device(units({unit: EM24})) as device:
            source = modbus(device.line, context(tmp_path), address=unit)
            with opened(source):
                assert values(source, "frequency")


def test_a_sunspec_device_is_read_as_an_independent_client_reads_it(tmp_path, caplog):
    caplog.set_level(logging.INFO, "collector.sources.modbus.source")
    with pymodbus_units({126: image(*HYBRID)}) as line:
        with opened(modbus(line, context(tmp_path), "sunspec", "roof", address=126)) as source:
            readings = source.read(AT_MS, frozenset(source.quantities))
        theirs = SunSpecModbusClientDeviceTCP(126, "127.0.0.1", int(line.rpartition(":")[2]))
        theirs.scan()
        theirs.close()
    ours = {each.device: each for each in readings}
    kinds = {name: each.kind for name, each in ours.items()}
    assert kinds == {
        "roof": "solar",
        "roof.string1": "solar",
        "roof.string2": "solar",
        "roof.battery1": "battery",
        "roof.meter1": "electricity",
    }
    inverter, meter = theirs.models[103][0], theirs.models[203][0]
    roof, grid = ours["roof"].values, ours["roof.meter1"].values
    assert roof["active_power_export"] == inverter.W.cvalue == 4897
    assert roof["current_sum"] == pytest.approx(inverter.A.cvalue)
    assert roof["power_factor"] == pytest.approx(inverter.PF.cvalue / 100)
    assert roof["active_energy_export"] == inverter.WH.cvalue
    assert roof["heat_sink_temperature"] == pytest.approx(inverter.TmpSnk.cvalue)
    assert roof["nominal_power"] == theirs.models[120][0].WRtg.cvalue
    assert inverter.TmpCab.cvalue is None
    assert "temperature" not in roof
    for number, module in enumerate(theirs.models[160][0].module, start=1):
        assert ours[f"roof.string{number}"].values["dc_input_power"] == module.DCW.cvalue
    assert grid["active_power"] == meter.W.cvalue == -1265
    assert grid["active_energy_import"] == meter.TotWhImp.cvalue
    (told,) = caplog.messages
    assert told.startswith("roof: Acme Sun 5, version 1.2, serial number A-17, models 1, 103, 120")


def test_a_sunspec_device_is_read_over_rtu(tmp_path):
    with cable() as (near, far), pymodbus_slaves(far, {1: image(*HYBRID, base=50000)}):
        source = modbus(near, context(tmp_path), "sunspec", "roof", serial=NO_PARITY)
        with opened(source):
            read = values(source, "active_power_export", "active_power", "state_of_charge")
    assert read == {
        "roof": {"active_power_export": 4897},
        "roof.meter1": {"active_power": -1265},
        "roof.battery1": {"state_of_charge": 73.5},
    }


def test_a_sunspec_device_with_all_its_models_takes_few_reads(tmp_path):
    with Device(units({1: image(*HYBRID)})) as device:
        with opened(modbus(device.line, context(tmp_path), "sunspec", "roof")) as source:
            before = len(device.asked)
            read = values(source)
        assert len(read["roof"]) == 19
        assert len(device.asked) - before == 3  # of 434 registers, at most 125 at once


def test_a_scale_factor_that_changes_is_heeded_at_once(tmp_path):
    registers = image(common(), INVERTER)
    place = next(each for each in registers if registers[each] == 4897)
    with (
        Device(units({1: registers})) as device,
        opened(modbus(device.line, context(tmp_path), "sunspec", "roof")) as source,
    ):
        assert values(source, "active_power_export") == {"roof": {"active_power_export": 4897}}
        registers |= {place: 512, place + 1: 1}
        assert values(source, "active_power_export") == {"roof": {"active_power_export": 5120}}


def test_another_device_at_the_same_place_is_found_out_when_the_line_is_back(tmp_path):
    with Device(units({1: image(common(), INVERTER)})) as device:
        source = modbus(device.line, context(tmp_path), "sunspec", "roof")
        with opened(source):
            assert "active_power_export" in values(source)["roof"]
            device.hang_up()
            with pytest.raises(LineAway):
                values(source)
            device.reply = units({1: image(common(), METER)})
            source.close()
            source.open()
            assert "active_power" in values(source)["roof"]


@pytest.mark.parametrize(
    ("registers", "error", "message"),
    [
        (EM24, DeviceRefused, "is not a SunSpec device: at none of"),
        (
            image(common(), [64110, 1, 0]),
            DeviceRefused,
            r"Acme Sun 5.*, models 1, 64110: none of these is known",
        ),
        (image(*[[7, 0]] * 200), FrameDamaged, "a chain of models without an end: 100 came"),
    ],
)
def test_what_cannot_be_read_by_sunspec_is_told(tmp_path, registers, error, message):
    with Device(units({1: registers})) as device:
        source = modbus(device.line, context(tmp_path), "sunspec", "roof")
        with closing(source), pytest.raises(error, match=message):
            source.open()


def test_an_inverter_that_sleeps_is_silent_and_found_in_the_morning(tmp_path):
    with Device(lambda asked: framed(asked, exception(asked, 0x0B))) as device:
        source = modbus(device.line, context(tmp_path), "sunspec", "roof")
        for _ in range(3):
            with pytest.raises(DeviceSilent):
                source.open()
        device.reply = units({1: image(common(), INVERTER)})
        with opened(source):
            assert values(source, "active_power_export")


def test_raw_shows_the_registers_of_a_value_and_its_scale_factor(tmp_path):
    meter = model(201, PhVphA=2301, V_SF=-1)
    with (
        Device(units({1: image(common(), meter)})) as device,
        opened(modbus(device.line, context(tmp_path), "sunspec", "grid")) as source,
    ):
        rows = {row["quantity"]: row for row in source.read_raw()}
    row = rows["voltage"]
    assert (row["device"], row["value"]) == ("grid", 230.1)
    assert (row["words"][0], row["words"][-1], len(row["words"])) == (2301, 0xFFFF, 8)
    assert rows["active_power"]["value"] is None


@pytest.mark.parametrize(("charging", "discharging", "power"), [(800, 0, 800), (0, 560, -560)])
def test_power_into_a_battery_is_positive_and_out_of_it_negative(
    tmp_path, charging, discharging, power
):
    chain = [common("Fronius"), INVERTER, battery_inputs(charging, discharging)]
    with (
        pymodbus_units({1: image(*chain)}) as line,
        opened(modbus(line, context(tmp_path), "sunspec", address=1)) as source,
    ):
        battery = values(source)["mains.battery1"]
    assert (battery["battery_power"], battery["battery_current"]) == (power, power / 100)


@pytest.mark.parametrize(("drawn", "fed_in"), [(6452.0, 0.0), (0.0, 6452.0)])
def test_the_first_sdm72_tells_a_direction_by_two_registers(tmp_path, drawn, fed_in):
    registers = dict.fromkeys(range(0x600), 0)
    for address, value in {0x34: 6452.0, 0x48: 1.5, 0x500: drawn, 0x502: fed_in}.items():
        registers[address], registers[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    with (
        Device(units({1: registers})) as device,
        opened(modbus(device.line, context(tmp_path), "eastron-sdm72")) as source,
    ):
        read = values(source)["mains"]
    assert read["active_power"] == drawn - fed_in
    assert (read["active_power_import"], read["active_power_export"]) == (drawn, fed_in)
