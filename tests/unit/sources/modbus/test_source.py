"""The Modbus source: right values from independent slaves, and the right error for each failure."""

import logging
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.contract import BadOption, Context
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.lines.serial import Lines, SerialOptions
from collector.sources.modbus import devicemap
from collector.sources.modbus.source import Modbus, ModbusOptions
from tests.fakes.far_end import FarEnd, cable
from tests.fakes.loopback import Loopback, byte_by_byte
from tests.fakes.pty_line import paced_line
from tests.fakes.rtu_slave import answer, parse, refusal, reply
from tests.fakes.virtual_line import VirtualPort, virtual_time
from tests.servers.libmodbus_slave import libmodbus_slave
from tests.servers.mbpoll import mbpoll
from tests.servers.pymodbus_slave import pymodbus_slaves

AT_MS = 1_763_654_400_000
NO_PARITY = SerialOptions(parity="none")
WE_515 = dict.fromkeys(range(0xA000, 0xA00A), 1) | dict.fromkeys(range(0xA01E, 0xA028), 2)
WE_515 |= {0x0130: 5000, 0x0131: 23012}
WE_515 |= {0x0139: 0x0001, 0x013A: 0x0203}  # current
WE_515 |= {0x0140: 0xFFFF, 0x0141: 0xFC18}  # active power
WE_515 |= {0x0148: 0x0000, 0x0149: 0x0064}  # reactive power
WE_515 |= {0x0150: 0x0000, 0x0151: 0x03ED, 0x0158: 0xFC28}
OWN_MAP = """\
brand: Test
model: T1
kind: electricity
document: made up
serial: {baudrate: 115200, parity: none}
function: 3
word_order: big
max_registers: 20
probe: [{address: 0, type: uint16, within: [0, 65535]}]
registers:
  - {quantity: voltage,       address: 0,  type: uint16}
  - {quantity: current,       address: 1,  type: uint16}
  - {quantity: active_power,  address: 2,  type: uint16}
  - {quantity: power_factor,  address: 10, type: uint16, optional: true}
  - {quantity: frequency,     address: 60, type: uint16}
  - {quantity: active_energy, address: 61, type: uint16}
proofs: []
"""
PLACES = {"voltage": 0, "current": 1, "active_power": 2}
PLACES |= {"power_factor": 10, "frequency": 60, "active_energy": 61}
T1 = {**dict.fromkeys(range(3), 7), 10: 8, 60: 9, 61: 10}


@pytest.fixture(scope="module")
def own_maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    (folder / "devices").mkdir()
    (folder / "devices" / "t1.yaml").write_text(OWN_MAP)
    return folder


def context(folder):
    return Context("home", Lines(), folder, folder / "state")


def options(line, model="orno-we-515", serial=NO_PARITY, **others):
    return ModbusOptions(type="modbus", line=line, model=model, serial=serial, **others)


@contextmanager
def opened(source):
    source.open()
    with closing(source):
        yield source


def t1(own_maps, line, **others):
    return Modbus("mains", options(line, "t1", SerialOptions(), **others), context(own_maps))


def values(source, *quantities):
    (reading,) = source.read(AT_MS, frozenset(quantities or source.quantities))
    return dict(reading.values)


@contextmanager
def pymodbus_slave(path, address, registers):
    with pymodbus_slaves(path, {address: registers}):
        yield


@pytest.mark.parametrize("slave", [pymodbus_slave, libmodbus_slave])
def test_a_meter_reads_as_an_independent_master_says(tmp_path, slave):
    with cable() as (near, far), slave(far, 1, WE_515):
        with opened(Modbus("mains", options(near), context(tmp_path))) as source:
            (reading,) = source.read(AT_MS, frozenset(source.quantities))
        told = {
            quantity: mbpoll(near, slave=1, register=address, form=form)[0]
            for quantity, (address, form) in {
                "frequency": (0x0130, ""),
                "voltage": (0x0131, ""),
                "current": (0x0139, "int"),
                "active_power": (0x0140, "int"),
                "reactive_power": (0x0148, "int"),
                "active_energy": (0xA000, "int"),
                "reactive_energy_t4": (0xA026, "int"),
            }.items()
        }
    assert (reading.kind, reading.device, reading.at_ms) == ("electricity", "mains", AT_MS)
    assert reading.values["frequency"] == told["frequency"] / 100 == 50
    assert reading.values["voltage"] == told["voltage"] / 100 == 230.12
    assert reading.values["current"] == told["current"] / 1000 == 66.051
    assert reading.values["active_power"] == told["active_power"] == -1000
    assert reading.values["reactive_power"] == told["reactive_power"] == 100
    assert reading.values["power_factor"] == -0.984
    assert reading.values["active_energy"] == told["active_energy"] * 10
    assert reading.values["reactive_energy_t4"] == told["reactive_energy_t4"] * 10
    assert set(reading.values) == set(source.quantities)


@pytest.mark.parametrize("slave", [pymodbus_slave, libmodbus_slave])
def test_floats_of_a_meter_with_function_4_read_as_an_independent_master_says(tmp_path, slave):
    device_map = devicemap.load("eastron-sdm630")
    registers = {register.quantity: register.address for register in device_map.registers}
    image: dict[int, int] = {}
    for number, address in enumerate(registers.values()):
        image |= {address: 0x4300 + number, address + 1: 0x199A}
    with cable() as (near, far), slave(far, 5, image):
        source = Modbus("mains", options(near, "eastron-sdm630", address=5), context(tmp_path))
        with opened(source):
            read = values(source)
        for quantity, address in registers.items():
            scale = next(r.scale for r in device_map.registers if r.quantity == quantity)
            (told,) = mbpoll(near, slave=5, register=address, function=4, form="float")
            assert read[quantity] == pytest.approx(told * scale, rel=1e-5)


def test_two_meters_share_a_line_and_a_dead_one_costs_only_its_time_out(tmp_path):
    shared = context(tmp_path)
    with cable() as (near, far), pymodbus_slaves(far, {1: WE_515, 3: WE_515}):
        alive = [Modbus(name, options(near, address=n), shared) for name, n in (("a", 1), ("c", 3))]
        dead = Modbus("b", options(near, address=2), shared)
        assert {each.line for each in (*alive, dead)} == {near}
        with opened(alive[0]), opened(dead), opened(alive[1]):
            for _ in range(3):
                assert values(alive[0], "voltage") == {"voltage": 230.12}
                with pytest.raises(DeviceSilent, match="address 2"):
                    values(dead, "voltage")
                assert values(alive[1], "voltage") == {"voltage": 230.12}


def test_a_meter_behind_a_serial_server_is_read(tmp_path):
    with SerialServer() as server:
        url = server.line.replace("tcp:", "socket:")
        with opened(Modbus("mains", options(url), context(tmp_path))) as source:
            assert values(source, "voltage", "active_power")["active_power"] == -1000


class SerialServer(Loopback):
    def serve(self, client):
        while request := client.recv(256):
            self.send(client, byte_by_byte(reply(request, {1: WE_515})))


def test_only_what_is_due_is_read(own_maps):
    with FarEnd(lambda request: reply(request, {1: T1})) as far:
        with opened(t1(own_maps, far.path)) as source:
            assert values(source, "current") == {"current": 7}
            assert values(source, "voltage", "frequency") == {"voltage": 7, "frequency": 9}
        asked = [parse(request) for request in far.requests]
        assert asked == [(1, 3, 1, 1), (1, 3, 0, 1), (1, 3, 60, 1)]


def test_a_silent_meter_is_given_up_at_the_first_block(own_maps):
    with FarEnd(lambda _: b"") as far, opened(t1(own_maps, far.path)) as source:
        source.meter.slave.slow_answer_time_s = 0.01
        for asked in (2, 3):  # the first time also by another read: the block may be at fault
            with pytest.raises(DeviceSilent):
                values(source)
            assert len(far.requests) == asked


def test_the_patience_is_that_of_one_time_out(own_maps):
    with FarEnd(lambda _: b"") as far, opened(t1(own_maps, far.path)) as source:
        assert 0.5 < source.patience_s < 0.55
        while source.meter.slave.allowance_s > 0.1:
            source.meter.slave.stayed_silent()
        assert 0.1 < source.patience_s < 0.15


def test_a_pulled_line_is_away_and_back_without_a_restart(own_maps, tmp_path):
    link = tmp_path / "usb-meter"
    first = FarEnd(lambda request: reply(request, {1: T1}))
    link.symlink_to(first.path)
    with closing(t1(own_maps, str(link))) as source:
        source.open()
        assert values(source, "voltage") == {"voltage": 7}
        first.pull()
        with pytest.raises(LineAway):
            values(source, "voltage")
        source.close()
        link.unlink()
        with pytest.raises(LineAway, match="is not there"):
            source.open()
        with FarEnd(lambda request: reply(request, {1: T1})) as second:
            link.symlink_to(second.path)
            source.open()
            assert values(source, "voltage") == {"voltage": 7}


def test_a_refused_block_is_parted_and_the_split_remembered(own_maps):
    with FarEnd(lambda request: reply(request, {1: T1})) as far:
        with opened(t1(own_maps, far.path)) as source:
            expected = {"voltage": 7, "power_factor": 8}
            assert values(source, *expected) == expected
            first = len(far.requests)
            assert values(source, *expected) == expected
        asked = [parse(request)[2:] for request in far.requests]
        assert asked[:first] == [(0, 11), (0, 1), (10, 1)]
        assert asked[first:] == [(0, 1), (10, 1)]


def test_an_optional_register_that_is_refused_alone_is_left_out(own_maps, caplog):
    caplog.set_level(logging.INFO)
    without = {register: word for register, word in T1.items() if register != 10}
    without |= dict.fromkeys(range(3, 10), 0)
    with FarEnd(lambda request: reply(request, {1: without})) as far:
        with opened(t1(own_maps, far.path)) as source:
            assert "power_factor" not in values(source)
            first = len(far.requests)
            assert "power_factor" not in values(source)
        assert [parse(request)[2:] for request in far.requests[first:]] == [(0, 3), (60, 2)]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("mains: power_factor is left out: address 1 on ")


def test_of_a_total_no_part_is_told_where_the_other_is_left_out(tmp_path):
    known = {0x0500: 0x45C9, 0x0501: 0xA000}
    with FarEnd(lambda request: reply(request, {1: known})) as far:
        source = Modbus("mains", options(far.path, "eastron-sdm72"), context(tmp_path))
        with opened(source):
            wanted = ["active_power", "active_power_import", "active_power_export"]
            assert values(source, *wanted) == {"active_power_import": 6452}


def test_a_device_that_refuses_all_is_refused_by_name(own_maps):
    with FarEnd(lambda request: reply(request, {1: {}})) as far:
        with (
            opened(t1(own_maps, far.path)) as source,
            pytest.raises(DeviceRefused, match="1 registers from 0x0001") as caught,
        ):
            values(source, "current")
        assert caught.value.code == 2


def test_a_meter_that_knows_no_function_3_is_asked_with_function_4(own_maps, caplog):
    caplog.set_level(logging.INFO)

    def function_4_only(request):
        slave, function, _, _ = parse(request)
        return refusal(slave, 3, 1) if function == 3 else reply(request, {1: T1})

    with FarEnd(function_4_only) as far:
        with opened(t1(own_maps, far.path)) as source:
            assert values(source, "voltage") == {"voltage": 7}
            assert values(source, "voltage") == {"voltage": 7}
        assert [parse(request)[1] for request in far.requests] == [3, 4, 4]
    assert caplog.messages == ["mains: does not know function 3; asked with function 4"]


def test_a_meter_that_knows_neither_function_refuses(own_maps):
    def neither(request):
        slave, function, _, _ = parse(request)
        return refusal(slave, function, 1)

    with FarEnd(neither) as far, opened(t1(own_maps, far.path)) as source:
        for _ in range(2):
            with pytest.raises(DeviceRefused, match="exception 1, illegal function"):
                values(source, "voltage")
        assert [parse(request)[1] for request in far.requests] == [3, 4, 3, 4]


def test_a_busy_meter_refuses_and_nothing_is_learned(own_maps):
    with (
        FarEnd(lambda _: refusal(1, 3, 6)) as far,
        opened(t1(own_maps, far.path)) as source,
        pytest.raises(DeviceRefused, match="exception 6, busy"),
    ):
        values(source)
    assert source.meter.splits == set()


def test_a_block_that_is_never_answered_is_parted_where_others_are(own_maps):
    """Some meters stay silent where the standard wants a refusal."""

    def silent_for_gaps(request):
        said = reply(request, {1: T1})
        return b"" if said[1] & 0x80 else said

    with FarEnd(silent_for_gaps) as far, opened(t1(own_maps, far.path)) as source:
        source.meter.slave.slow_answer_time_s = 0.01
        assert values(source, "voltage", "power_factor") == {"voltage": 7, "power_factor": 8}
        asked = len(far.requests)
        assert values(source, "voltage", "power_factor") == {"voltage": 7, "power_factor": 8}
        assert len(far.requests) == asked + 2


class LacksOne:
    """A slave in virtual time without one register: it says nothing to it, or a refusal.

    What it says to request number *late* comes *delay_s* after that.
    """

    def __init__(self, quantity, says, late=0, delay_s=0.0):
        self.place = PLACES[quantity]
        self.says = says
        self.late = late
        self.delay_s = delay_s
        self.requests = []
        self.words = dict.fromkeys(range(62), 1) | T1
        self.others = {each: self.words[PLACES[each]] for each in PLACES if each != quantity}

    def __call__(self, request, now_s):
        self.requests.append(parse(request))
        slave, function, start, count = parse(request)
        said = reply(request, {1: self.words})
        if self.place in range(start, start + count):
            if self.says == "nothing":
                return []
            said = refusal(slave, function, self.says)
        is_late = len(self.requests) == self.late
        return [(now_s + (self.delay_s if is_late else 0.001), said)]


def opened_in(clock, own_maps, slave):
    source = t1(own_maps, "/dev/ttyUSB0")
    source.meter.bus.serial = VirtualPort(clock, slave)
    source.meter.open()
    return source


@pytest.mark.parametrize("quantity", list(PLACES))
@pytest.mark.parametrize("says", ["nothing", 2, 3, 4])
def test_one_register_that_is_not_there_costs_no_other(own_maps, caplog, quantity, says):
    caplog.set_level(logging.INFO)
    slave = LacksOne(quantity, says)
    with virtual_time() as clock:
        source = opened_in(clock, own_maps, slave)
        for _ in range(3):
            assert values(source) == slave.others
        asked = len(slave.requests)
        assert values(source) == slave.others
    assert not any(
        PLACES[quantity] in range(start, start + count)
        for _, _, start, count in slave.requests[asked:]
    )
    left_out = [each for each in caplog.messages if "left out" in each]
    assert len(left_out) == 1
    assert left_out[0].startswith(f"mains: {quantity} is left out: ")


@pytest.mark.parametrize("quantity", list(PLACES))
@pytest.mark.parametrize("says", ["nothing", 2])
@pytest.mark.parametrize("delay_s", [0.6, 1.5])
def test_one_late_answer_beside_it_costs_a_few_reads_and_not_the_meter(
    own_maps, quantity, says, delay_s
):
    for late in range(1, 15):
        slave = LacksOne(quantity, says, late, delay_s)
        with virtual_time() as clock:
            source, failed = opened_in(clock, own_maps, slave), 0
            for _ in range(15):
                try:
                    assert values(source) == slave.others
                except (DeviceSilent, DeviceRefused):
                    failed += 1
                clock.sleep(1)
            assert values(source) == slave.others
            assert failed <= 3


def test_a_register_that_was_there_is_asked_on(own_maps):
    gone = {register: word for register, word in T1.items() if register != 60}
    there = [T1]
    with (
        FarEnd(lambda request: reply(request, {1: there[0]})) as far,
        opened(t1(own_maps, far.path)) as source,
    ):
        assert values(source, "voltage", "frequency") == {"voltage": 7, "frequency": 9}
        there[0] = gone
        assert values(source, "voltage", "frequency") == {"voltage": 7}
        there[0] = T1
        assert values(source, "voltage", "frequency") == {"voltage": 7, "frequency": 9}


def test_a_damaged_answer_is_a_damaged_frame(own_maps):
    def damaged(request):
        said = reply(request, {1: T1})
        return said[:-1] + bytes([said[-1] ^ 1])

    with FarEnd(damaged) as far, opened(t1(own_maps, far.path)) as source:
        source.meter.slave.slow_answer_time_s = 0.01
        with pytest.raises(FrameDamaged):
            values(source)


def test_no_voltage_and_no_frequency_are_a_damaged_frame(own_maps):
    dead = T1 | {0: 0, 60: 0}
    with (
        FarEnd(lambda request: reply(request, {1: dead})) as far,
        opened(t1(own_maps, far.path)) as source,
    ):
        assert values(source, "voltage") == {"voltage": 0}
        with pytest.raises(FrameDamaged, match="0 V and 0 Hz"):
            values(source, "voltage", "frequency")


def test_raw_is_register_by_register_with_refusals_told(own_maps):
    without = {register: word for register, word in T1.items() if register != 10}
    with (
        FarEnd(lambda request: reply(request, {1: without})) as far,
        opened(t1(own_maps, far.path)) as source,
    ):
        rows = {row["quantity"]: row for row in source.read_raw()}
    assert rows["frequency"] == {
        "quantity": "frequency",
        "address": 60,
        "function": 3,
        "type": "uint16",
        "words": [9],
        "value": 9,
    }
    assert rows["power_factor"]["words"] == []
    assert "exception 2" in rows["power_factor"]["refused"]


def test_the_time_on_the_bus_is_that_of_a_paced_line(own_maps):
    source = t1(own_maps, "/dev/null")
    # at 115200 baud: 16 bytes and 2·2 more; 10 ms of answer time and 1.75 ms of silence for each
    assert source.bus_time_ms({"voltage"}) == pytest.approx(15 / 11.52 + 10 + 1.75)
    assert source.bus_time_ms({"voltage", "frequency"}) == pytest.approx(
        2 * (15 / 11.52 + 10 + 1.75)
    )


def test_a_whole_meter_fits_into_a_second_at_9600_baud(tmp_path):
    device_map = devicemap.load("eastron-sdm630")
    last = max(each.address for each in device_map.registers) + 2
    image = {address: address if address % 2 else 0x4248 for address in range(last)}
    serial = SerialOptions(baudrate=9600, parity="none", stopbits=2)  # as long as 8E1
    with paced_line({1: image}, answer_ms=8) as paced:
        source = Modbus("m", options(paced.path, "eastron-sdm630", serial), context(tmp_path))
        with opened(source):
            assert len(values(source)) == len(device_map.registers)
            assert source.bus_time_ms(source.quantities) < 1000
        assert paced.unheard() == 0


def test_a_model_that_is_not_known_is_refused_with_its_likely_name(tmp_path):
    with pytest.raises(BadOption, match="did you mean 'orno-we-515'") as caught:
        Modbus("mains", options("/dev/ttyUSB0", "orno-we515"), context(tmp_path))
    assert caught.value.option == "model"


def test_a_model_without_a_serial_port_is_refused(tmp_path):
    with pytest.raises(BadOption, match="its line is tcp://HOST:502"):
        Modbus("mains", options("/dev/ttyUSB0", "carlo-gavazzi-em24-ethernet"), context(tmp_path))


@pytest.mark.parametrize(
    ("second", "option"),
    [
        ({"address": 1}, "address"),
        ({"address": 2, "serial": SerialOptions(baudrate=2400)}, "line"),
    ],
)
def test_two_meters_that_cannot_share_a_line_are_refused(tmp_path, second, option):
    shared = context(tmp_path)
    Modbus("mains", options("/dev/ttyUSB0", address=1), shared)
    with pytest.raises(BadOption) as caught:
        Modbus("solar", options("/dev/ttyUSB0", **second), shared)
    assert caught.value.option == option


def test_the_serial_settings_are_those_of_the_model_where_none_are_given(tmp_path):
    source = Modbus("m", options("/dev/ttyUSB0", serial=SerialOptions()), context(tmp_path))
    assert str(source.framing) == "9600 8E1"
    given = SerialOptions(baudrate=19200, stopbits=2)
    source = Modbus("m", options("/dev/ttyUSB0", serial=given), context(tmp_path))
    assert str(source.framing) == "19200 8E2"


# A slave that answers late, at any delay, or not at all, or refuses.

delays_s = st.one_of(
    st.none(), st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 0.6, 1.0, 1.5, 2.0]), st.floats(0, 30)
)
manners = st.sampled_from(["answer", "answer", "answer", "refuse", "damage"])
exchanges = st.lists(st.tuples(delays_s, manners), max_size=40)
wishes = st.sampled_from(
    [("voltage",), ("frequency",), ("frequency", "active_energy"), ("voltage", "current"), ()]
)
pauses_s = st.one_of(st.sampled_from([0.0, 0.0, 0.1, 0.3, 1.0]), st.floats(0, 5))
reads = st.lists(st.tuples(wishes, pauses_s), min_size=1, max_size=30)


class LateSlave:
    """Answers in order, after drawn delays; a register holds the request's number and its own."""

    def __init__(self, exchanges):
        self.exchanges = iter(exchanges)
        self.asked = 0
        self.free_s = 0.0

    def __call__(self, request, now_s):
        self.asked += 1
        slave, function, start, count = parse(request)
        delay_s, how = next(self.exchanges, (0.0, "answer"))
        if delay_s is None:
            return []
        self.free_s = max(self.free_s, now_s + delay_s) + 0.001
        words = [64 * self.asked + register for register in range(start, start + count)]
        said = answer(slave, function, words)
        if how == "refuse":
            said = refusal(slave, function, 6)
        elif how == "damage":
            said = said[:-1] + bytes([said[-1] ^ 0x55])
        return [(self.free_s, said)]


@settings(max_examples=400)
@given(exchanges, reads)
def test_a_late_answer_is_never_taken_for_the_present_one(own_maps, exchanges, reads):
    with virtual_time() as clock:
        slave = LateSlave(exchanges)
        source = t1(own_maps, "/dev/ttyUSB0")
        bus = source.meter.bus
        bus.serial = VirtualPort(clock, slave)
        source.meter.open()
        for quantities, pause_s in reads:
            first = slave.asked + 1
            try:
                read = values(source, *quantities)
            except (DeviceSilent, DeviceRefused, FrameDamaged):
                read = {}
            for quantity, value in read.items():
                number, register = divmod(value, 64)
                assert first <= number <= slave.asked
                assert register == PLACES[quantity]
            clock.sleep(pause_s)


@pytest.mark.parametrize("delay_ms", [*range(0, 1500, 50), 1900])
def test_a_meter_that_always_answers_late_is_waited_for_longer(own_maps, delay_ms):
    with virtual_time() as clock:
        slave = LateSlave([(delay_ms / 1000, "answer")] * 100)
        source = t1(own_maps, "/dev/ttyUSB0")
        source.meter.bus.serial = VirtualPort(clock, slave)
        source.meter.open()
        fresh = 0
        for _ in range(20):
            first = slave.asked + 1
            try:
                read = values(source, "voltage", "frequency")
                assert all(value // 64 >= first for value in read.values())
                fresh += 1
            except DeviceSilent:
                fresh = 0
            clock.sleep(1)
        assert fresh >= 10


@pytest.mark.parametrize("missed", [1, 2, 10, 30, 63, 64, 65, 200])
def test_a_meter_that_died_and_came_back_is_read_again(own_maps, missed):
    with virtual_time() as clock:
        slave = LateSlave([(0.0, "answer")] * 2 + [(None, "answer")] * missed)
        source = t1(own_maps, "/dev/ttyUSB0")
        source.meter.bus.serial = VirtualPort(clock, slave)
        source.meter.open()
        assert len(values(source, "voltage", "frequency")) == 2
        for _ in range(missed):
            with pytest.raises(DeviceSilent):
                values(source, "voltage", "frequency")
        assert slave.asked == 2 + missed
        # where every length of answer is owed, one more read goes into telling them apart
        with suppress(DeviceSilent):
            values(source)
        assert len(values(source)) == 6
