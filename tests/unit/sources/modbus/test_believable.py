"""What no sound device could send is not believed, and what a house may show is."""

import struct

import pytest

from collector.contract import Context
from collector.errors import FrameDamaged
from collector.lines.serial import Lines
from collector.sources.modbus import devicemap
from collector.sources.modbus.registers import NUMBERS
from collector.sources.modbus.source import Modbus, ModbusOptions
from tests.fakes.mbap_device import Device, units

AT_MS = 1_763_654_400_000
QUANTITIES = ("voltage_l1", "active_power", "active_energy_import")
PLACES = {"voltage_l1": 0, "active_power": 0x34, "active_energy_import": 0x48}


def float_words(value):
    return struct.unpack(">HH", struct.pack(">f", value))


def source_at(device, folder, model):
    context = Context("home", Lines(), folder, folder / "state")
    source = Modbus("m", ModbusOptions(type="modbus", line=device.line, model=model), context)
    source.open()
    return source


def read(source, *quantities):
    readings = source.read(AT_MS, frozenset(quantities or source.quantities))
    return {name: value for each in readings for name, value in each.values.items()}


def filled(device_map, value):
    """Return registers that all hold *value*, each as its type writes it."""
    registers = dict.fromkeys(range(0x10000), 0)
    for each in device_map.registers:
        if each.type == "float32":
            words = float_words(value)
        else:
            words = [*[0] * (NUMBERS[each.type][0] - 1), value]
        registers |= dict(enumerate(words, each.address))
    return registers


@pytest.mark.parametrize("model", [n for n in devicemap.names() if "pzem" not in n])
@pytest.mark.parametrize("word", [0, 236, 0xFFFF])
def test_one_number_in_every_register_is_not_believed(tmp_path, model, word):
    device_map = devicemap.load(model)
    if word == 0 and not any(each.quantity.startswith("voltage") for each in device_map.registers):
        return  # nothing says that it is not simply idle
    with Device(units({device_map.address: dict.fromkeys(range(0x10000), word)})) as device:
        source = source_at(device, tmp_path, model)
        if device_map.registers[0].type == "float32" and word == 0xFFFF:
            assert read(source) == {}  # NaN
        else:
            with pytest.raises(FrameDamaged, match=r"every register|0 Hz"):
                read(source)
        source.close()


@pytest.mark.parametrize("value", [236.0, 50.0, 1.0])
@pytest.mark.parametrize("model", ["orno-we-517", "eastron-sdm630", "eastron-sdm120"])
def test_one_float_in_every_register_is_not_believed(tmp_path, model, value):
    with Device(units({1: filled(devicemap.load(model), value)})) as device:
        source = source_at(device, tmp_path, model)
        with pytest.raises(FrameDamaged, match="the same number in every register"):
            read(source)
        source.close()


def test_equal_counters_of_one_phase_are_believed(tmp_path):
    energies = [f"active_energy{each}" for each in ("", "_import", "_l1", "_import_l1")]
    with Device(units({1: filled(devicemap.load("eastron-sdm630"), 12.5)})) as device:
        source = source_at(device, tmp_path, "eastron-sdm630")
        assert read(source, *energies) == dict.fromkeys(energies, 12500)
        source.close()


def test_a_new_meter_without_a_load_is_believed(tmp_path):
    registers = dict.fromkeys(range(0x600), 0)
    with Device(units({1: registers})) as device:
        source = source_at(device, tmp_path, "eastron-sdm630")
        idle = ["active_power", "active_energy", "active_energy_import", "current_l1"]
        assert read(source, *idle) == dict.fromkeys(idle, 0)
        source.close()


def test_a_counter_that_reads_0_for_a_moment_is_left_out_and_a_reset_is_believed(tmp_path):
    registers = dict.fromkeys(range(0x200), 0)

    def put(**values):
        for name, value in values.items():
            registers.update(enumerate(float_words(value), PLACES[name]))

    with Device(units({1: registers})) as device:
        source = source_at(device, tmp_path, "eastron-sdm630")
        put(voltage_l1=230.0, active_power=690.0, active_energy_import=0.0)
        assert read(source, *QUANTITIES)["active_energy_import"] == 0
        for _ in range(2):  # a moment, and once more later
            put(active_energy_import=13423.5)
            assert read(source, *QUANTITIES)["active_energy_import"] == 13423500
            put(active_energy_import=0.0, active_power=0.0)
            assert read(source, *QUANTITIES) == {"voltage_l1": 230, "active_power": 0}
        assert "active_energy_import" not in read(source, *QUANTITIES)
        for _ in range(2):
            assert read(source, *QUANTITIES)["active_energy_import"] == 0
        source.close()
