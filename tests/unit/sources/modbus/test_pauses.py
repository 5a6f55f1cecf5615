"""Meters that take no request before the line has been quiet for a while, found out by asking."""

import time

import pytest

from collector.contract import Context
from collector.errors import DeviceSilent
from collector.lines.serial import Lines
from collector.scalars import Seconds
from collector.sources.modbus.rtu_line import RtuLine
from collector.sources.modbus.source import Modbus, ModbusOptions
from tests.fakes.mbap_device import Device, framed, words
from tests.fakes.rtu_slave import parse, reply
from tests.fakes.virtual_line import VirtualPort, virtual_time

AT_MS = 1_763_654_400_000
OWN_MAP = """\
brand: Test
model: T2
kind: electricity
document: made up
serial: {baudrate: 9600, parity: none}
function: 3
word_order: big
max_registers: 2
probe: [{address: 0, type: uint16, within: [0, 65535]}]
registers:
  - {quantity: voltage,       address: 0,   type: uint16}
  - {quantity: current,       address: 200, type: uint16}
  - {quantity: active_power,  address: 400, type: uint16}
proofs: []
"""
REGISTERS = dict.fromkeys(range(402), 0) | {0: 230, 200: 3, 400: 690}
ALL = frozenset({"voltage", "current", "active_power"})
READ = {"voltage": 230, "current": 3, "active_power": 690}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = tmp_path_factory.mktemp("config")
    (config / "devices").mkdir()
    (config / "devices" / "t2.yaml").write_text(OWN_MAP)
    return config


class Bus:
    """Slaves on one line; each answers only after so many seconds of quiet."""

    def __init__(self, pauses_s):
        self.pauses_s = pauses_s
        self.last_s = 0.0
        self.asked = []

    def __call__(self, request, now_s):
        slave = parse(request)[0]
        quiet_s, self.last_s = now_s - self.last_s, now_s + 8 / 960
        self.asked.append(slave)
        if quiet_s < self.pauses_s.get(slave, float("inf")) - 1e-6:
            return []
        said = reply(request, {slave: REGISTERS})
        self.last_s = now_s + 0.02 + len(said) / 960
        return [(self.last_s, said)]


def meters(folder, clock, bus, **options):
    context = Context("home", Lines(), folder, folder / "state")
    made = [
        Modbus(
            f"m{address}",
            ModbusOptions(type="modbus", line="/dev/ttyX", model="t2", address=address, **options),
            context,
        )
        for address in bus.pauses_s
    ]
    line = made[0].meter.bus
    assert isinstance(line, RtuLine)
    line.serial = VirtualPort(clock, bus)
    return made


def read(source):
    try:
        (reading,) = source.read(AT_MS, ALL)
    except DeviceSilent:
        return None
    return dict(reading.values)


@pytest.mark.parametrize("pause_s", [0, 0.02, 0.05, 0.06, 0.1, 0.15, 0.4])
def test_the_pause_that_a_meter_wants_is_found_out_in_the_first_read(folder, pause_s):
    with virtual_time() as clock:
        bus = Bus({1: pause_s})
        (source,) = meters(folder, clock, bus)
        assert read(source) == READ
        bus.asked.clear()
        for _ in range(3):
            assert read(source) == READ
        assert len(bus.asked) == 9
        assert (source.meter.slave.pause_s == 0) == (pause_s == 0)


@pytest.mark.parametrize("pause_s", [0.05, 0.06])
def test_what_a_neighbour_says_counts(folder, pause_s):
    with virtual_time() as clock:
        bus = Bus({1: 0.0, 2: pause_s})
        quick, slow = meters(folder, clock, bus)
        got = []
        for _ in range(5):
            assert read(quick) == READ
            got.append(read(slow))
            clock.sleep(1)
        assert got[1:] == [READ] * 4
        assert quick.meter.slave.pause_s == 0


def test_a_meter_that_dies_is_not_thought_to_want_a_pause(folder):
    with virtual_time() as clock:
        bus = Bus({1: 0.0})
        (source,) = meters(folder, clock, bus)
        assert read(source) == READ
        bus.pauses_s.clear()
        bus.asked.clear()
        for _ in range(4):
            assert read(source) is None
        assert len(bus.asked) == 4
        assert source.meter.slave.pause_s == 0


def test_a_pause_that_the_owner_gives_is_kept_from_the_first_request_on(folder):
    with virtual_time() as clock:
        bus = Bus({1: 0.3})
        (source,) = meters(folder, clock, bus, pause=Seconds(0.3))
        assert read(source) == READ
        assert len(bus.asked) == 3
        assert source.bus_time_ms(ALL) > 900


def test_a_meter_behind_a_gateway_may_want_a_pause_as_well(folder):
    last_s = [0.0]

    def hurried(asked):
        quiet_s, last_s[0] = time.monotonic() - last_s[0], time.monotonic()
        return framed(asked, words(asked, REGISTERS)) if quiet_s >= 0.06 else b""

    with Device(hurried) as device:
        context = Context("home", Lines(), folder, folder / "state")
        source = Modbus("m", ModbusOptions(type="modbus", line=device.line, model="t2"), context)
        source.open()
        assert read(source) == READ
        asked = len(device.asked)
        assert read(source) == READ
        assert len(device.asked) == asked + 3
        source.close()


def test_a_pause_given_too_short_takes_no_register_for_missing(folder):
    with virtual_time() as clock:
        bus = Bus({1: 0.3})
        (source,) = meters(folder, clock, bus, pause=Seconds(0.1))
        for _ in range(5):
            assert read(source) is None
            clock.sleep(1)
        assert source.meter.left_out == set()
