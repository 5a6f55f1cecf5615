"""The simulated meter, asked by masters that know nothing of it: mbpoll and minimalmodbus."""

import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

import minimalmodbus
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.demo import meter
from collector.demo.meter import answer, encode, registers, serve
from collector.demo.terminal import Wire, pseudo_terminal
from collector.errors import EnergyMonitorError
from collector.sources.modbus import devicemap
from collector.sources.modbus.registers import Cell, decode
from collector.sources.simulated.house import House

WE515 = devicemap.load("orno-we-515")
NOON = 1_781_000_000
NOW = registers(WE515, House().at(NOON))
DEADLINE_S = 20

needs_mbpoll = pytest.mark.skipif(
    shutil.which("mbpoll") is None, reason="needs mbpoll (Debian package mbpoll)"
)


def request(function, first, count, address=1):
    return meter.closed(struct.pack(">BBHH", address, function, first, count))


def eventually(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def mbpoll(link, first, count, *more):
    """Read registers with mbpoll; return its words, or None, and what it said."""
    command = ["mbpoll", "-m", "rtu", "-b", "9600", "-P", "none", "-0", "-1", "-q", "-t", "4:hex"]
    command += [*more, "-r", str(first), "-c", str(count), str(link)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    words = [
        int(word, 16)
        for word in re.findall(r"^\[\d+\]:\s+0x([0-9A-F]{4})", done.stdout, re.MULTILINE)
    ]
    return words or None, done.stdout + done.stderr


@pytest.fixture
def still(tmp_path):
    """A meter in a house where time stands still."""
    link = tmp_path / "meter"
    ours, theirs = os.pipe()

    def run():
        with pseudo_terminal(link) as port:
            serve(port, lambda frame: answer(frame, 1, NOW, 10), parent=ours)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(link.exists)
    yield link
    os.close(theirs)
    thread.join(DEADLINE_S)
    os.close(ours)
    assert not link.is_symlink()


@needs_mbpoll
@pytest.mark.parametrize("function", ["3", "4"])
def test_mbpoll_reads_the_house_from_every_register(still, function):
    truth = House().at(NOON)
    for register in WE515.registers:
        words, said = mbpoll(
            still, register.address, register.length, "-t", f"{7 - int(function)}:hex"
        )
        assert words is not None, said
        value = decode(register, words)
        assert value == pytest.approx(truth[register.quantity], abs=register.scale / 2)


@needs_mbpoll
def test_mbpoll_is_told_what_it_may_not_read(still):
    assert mbpoll(still, 0x0130, 10)[0] is not None
    assert "Illegal data address" in mbpoll(still, 0x0100, 2)[1]
    assert "Illegal data value" in mbpoll(still, 0x0130, 11)[1]
    assert "Illegal function" in mbpoll(still, 0x0130, 2, "-t", "0")[1]


@needs_mbpoll
def test_another_address_gets_no_answer(still):
    words, said = mbpoll(still, 0x0130, 2, "-a", "2", "-o", "0.1")
    assert words is None
    assert "timed out" in said


def test_minimalmodbus_reads_it_again_after_closing_the_port(still):
    for _ in range(3):
        instrument = minimalmodbus.Instrument(str(still), 1, close_port_after_each_call=True)
        instrument.serial.timeout = DEADLINE_S
        assert instrument.read_registers(0xA000, 10) == [NOW[0xA000 + each] for each in range(10)]


def test_it_answers_after_noise(still):
    line = os.open(still, os.O_RDWR | os.O_NOCTTY)
    try:
        asked = request(3, 0x0131, 1)
        for noise in (b"\x00" * 700, bytes(range(256)), asked[:5]):
            os.write(line, noise)
            time.sleep(5 * meter.NOISE_AFTER_S)  # only a pause tells it that a new frame begins
            os.write(line, asked)
            assert select.select([line], [], [], DEADLINE_S)[0]
            assert os.read(line, 100) == answer(asked, 1, NOW)
    finally:
        os.close(line)


def test_on_a_slow_wire_the_answer_takes_as_long_as_its_bytes(tmp_path):
    ours, theirs = os.pipe()
    wire = Wire(character_s=0.002, turnaround_s=0.05)

    def run():
        with pseudo_terminal(tmp_path / "meter") as port:
            serve(port, lambda frame: answer(frame, 1, NOW), wire, ours)

    thread = threading.Thread(target=run)
    thread.start()
    eventually((tmp_path / "meter").exists)
    line = os.open(tmp_path / "meter", os.O_RDWR | os.O_NOCTTY)
    begun = time.monotonic()
    os.write(line, request(3, 0xA000, 10))
    heard = b""
    while len(heard) < 25:
        heard += os.read(line, 100)
    lasted = time.monotonic() - begun
    os.close(line)
    os.close(theirs)
    thread.join(DEADLINE_S)
    os.close(ours)
    assert heard == answer(request(3, 0xA000, 10), 1, NOW)
    assert lasted >= 0.05 + (8 + 3.5 + 25) * 0.002


def test_a_process_of_its_own_shows_the_house_now_and_goes_with_its_link(tmp_path):
    link, house = tmp_path / "meter", House()
    before = house.counters(time.time())["import"]
    with meter.start("orno-we-515", 7, link) as process:
        instrument = minimalmodbus.Instrument(str(link), 7, close_port_after_each_call=True)
        instrument.serial.timeout = DEADLINE_S
        shown = instrument.read_long(0xA000) * 10
        after = house.counters(time.time())["import"]
    assert before - 5 <= shown <= after + 5
    assert process.returncode == 0
    assert not link.is_symlink()


def test_it_ends_when_its_parent_is_killed(tmp_path):
    link = tmp_path / "meter"
    program = (
        "import sys, pathlib, time; from collector.demo import meter;"
        f"print(meter.start('orno-we-515', 1, pathlib.Path({str(link)!r})).pid, flush=True);"
        "time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert link.is_symlink()
        parent.kill()
    eventually(lambda: not link.is_symlink())
    eventually(lambda: has_ended(pid))


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_signal_ends_it_and_takes_the_link_away(tmp_path):
    with meter.start("orno-we-515", 1, tmp_path / "meter") as process:
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert not (tmp_path / "meter").is_symlink()


def test_what_is_no_link_is_never_replaced(tmp_path):
    file = tmp_path / "meter"
    file.write_text("precious")
    with pytest.raises(EnergyMonitorError, match="does not start"):
        meter.start("orno-we-515", 1, file)
    assert file.read_text() == "precious"


def test_a_link_left_by_a_crash_is_replaced(tmp_path):
    link = tmp_path / "meter"
    link.symlink_to("/dev/pts/99999")
    with pseudo_terminal(link):
        assert link.exists()
    assert not link.is_symlink()


def test_an_unknown_model_is_told_with_the_known_ones(tmp_path, capfd):
    with pytest.raises(EnergyMonitorError):
        meter.start("orno-we-51", 1, tmp_path / "meter")
    assert "orno-we-515" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        # Modbus Application Protocol V1.1b3, 6.3: the form of request, answer and exception.
        (request(3, 0x0130, 2), struct.pack(">BBBHH", 1, 3, 4, NOW[0x0130], NOW[0x0131])),
        (request(4, 0x0130, 1), struct.pack(">BBBH", 1, 4, 2, NOW[0x0130])),
        (request(3, 0x0132, 1), b"\x01\x03\x02\x00\x00"),  # reserved: reads as 0
        (request(6, 0x0130, 2), b"\x01\x86\x01"),
        (request(3, 0x0158, 2), b"\x01\x83\x02"),
        (request(3, 0xFFFF, 2), b"\x01\x83\x02"),
        (request(3, 0x0130, 0), b"\x01\x83\x03"),
        (request(3, 0x0130, 126), b"\x01\x83\x03"),
        (meter.closed(b"\x01\x03\x01\x30"), b"\x01\x83\x03"),
    ],
)
def test_each_request_has_its_answer(frame, expected):
    assert answer(frame, 1, NOW) == meter.closed(expected)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        request(3, 0x0130, 2)[:-1],
        request(3, 0x0130, 2)[:-1] + b"\x00",
        request(3, 0x0130, 2, address=2),
        request(3, 0x0130, 2, address=0),
    ],
)
def test_there_is_no_answer_to_others_or_to_damage(frame):
    assert answer(frame, 1, NOW) is None


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(data):
    for frame in (data, meter.closed(data), meter.closed(b"\x01" + data)):
        said = answer(frame, 1, NOW)
        assert said is None or meter.is_whole(said)


cells = st.builds(
    Cell,
    address=st.just(0),
    type=st.sampled_from(
        ["uint16", "int16", "uint32", "int32", "uint64", "int64", "bcd16", "bcd32"]
    ),
    scale=st.sampled_from([1.0, 0.1, 0.01, 10.0, 1000.0]),
    word_order=st.sampled_from(["big", "little"]),
)


@given(cells, st.floats(0, 9999), st.booleans())
def test_a_value_read_back_is_the_value_within_half_a_step(cell, number, below):
    signed = cell.type.startswith("int")
    value = (-number if signed and below else number) * cell.scale
    words = encode(cell, value)
    assert len(words) == cell.length
    assert decode(cell, words) == pytest.approx(value, abs=cell.scale * 0.500001)


@pytest.mark.parametrize("name", devicemap.names())
def test_what_a_real_device_sent_is_what_the_meter_sends(name):
    device = devicemap.load(name)
    known = {register.quantity: register for register in device.registers}
    for proof in device.proofs:
        sent = dict(enumerate(proof.words, proof.address))
        for quantity, value in proof.values.items():
            register = known[quantity]
            content = tuple(sent[register.address + each] for each in range(register.length))
            assert encode(register, value) == content, quantity


def test_registers_that_a_device_is_recognised_by_are_there():
    for probe in WE515.probe:
        assert probe.fits([NOW[probe.address + each] for each in range(probe.length)])


def test_every_register_of_the_map_is_there():
    for register in WE515.registers:
        assert set(range(register.address, register.address + register.length)) <= NOW.keys()
