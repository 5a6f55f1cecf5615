"""The source vedirect: what the device said last, never stale, wherever it is plugged in."""

import time
from pathlib import Path

import pytest
import yaml

from collector import config
from collector.contract import BadOption, Context
from collector.errors import DeviceSilent, FrameDamaged, LineAway
from collector.lines import adapter
from collector.lines.serial import Framing, Lines
from collector.quantity import catalogue
from collector.reading import NAME, Reading
from collector.scan.render import render
from collector.sources.modbus.rtu_line import RtuLine
from collector.sources.vedirect import listener
from collector.sources.vedirect.source import VEDirect, VEDirectOptions
from tests.fakes.running import wait_for
from tests.fakes.searching import only_at, scanned
from tests.fakes.talker import CHARGER, HISTORY, MONITOR, SerialServer, Talker, blocks

AT_MS = 1_768_480_200_000
MONITOR_SAYS = blocks(MONITOR, HISTORY)
MONITOR_READS = {
    "battery_voltage": 26.201,
    "state_of_charge": 87.6,
    "deepest_discharge": -149.322,
    "charged_energy": 85270.0,
}
HEX = b":A501000000000000000000000ED04C6040000000000C200000000000B0000000900C80D120172\n"


@pytest.fixture
def make():
    """Make sources of one house, and close them in the end."""
    context = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"))
    made = []

    def make(name="battery", **options):
        made.append(VEDirect(name, VEDirectOptions(type="vedirect", **options), context))
        made[-1].lines = context.lines
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(listener, "WAIT_S", 0.3)
    monkeypatch.setattr(listener, "SEARCH_S", 1.0)
    monkeypatch.setattr(listener, "QUIET_S", 1.0)


def read(source):
    return source.read(AT_MS, frozenset(source.quantities))


def opened(source):
    source.open()
    return source


def plugged(monkeypatch, *talkers):
    """Make *talkers* all the ports of this machine."""
    monkeypatch.setattr(adapter, "ports", lambda: [each.path for each in talkers])


@pytest.mark.parametrize("piece", [None, 1, 13])
def test_a_monitor_is_read_as_one_reading_of_the_slot(make, piece):
    with Talker(MONITOR_SAYS, piece=piece) as device:
        source = opened(make(line=device.path))
        assert read(source) == [Reading("battery", "battery", AT_MS, MONITOR_READS)]


def test_a_charger_is_read_through_noise_and_hex_messages(make):
    cut = blocks(CHARGER)
    storm = b"\xff\x00" + HEX * 3 + cut[:20] + HEX + cut[20:] + HEX + b"junk"
    with Talker(storm) as device:
        (reading,) = read(opened(make("sun", line=device.path)))
    assert reading == Reading("solar", "sun", AT_MS, {"battery_voltage": 12.53, "panel_power": 8})


def test_the_newest_block_is_read_at_once_however_often(make):
    with Talker(every_s=60) as device:
        source = opened(make(line=device.path))
        device.say(MONITOR_SAYS)
        read(source)
        for volts in range(26000, 26010):
            device.say(blocks(MONITOR | {"V": str(volts)}, HISTORY))
            wanted = volts / 1000
            wait_for(lambda: read(source)[0].values["battery_voltage"] == wanted, "it is read")  # noqa: B023  called here


@pytest.mark.usefixtures("short")
def test_what_a_dead_device_said_is_not_read_again(make, monkeypatch):
    monkeypatch.setattr(listener, "FRESH_S", 0.2)
    with Talker(MONITOR_SAYS) as device:
        source = opened(make(line=device.path))
        assert read(source)
        device.data = b""
        time.sleep(0.3)
        with pytest.raises(DeviceSilent, match=r"no block for .* s: is the device on"):
            read(source)
        device.data = MONITOR_SAYS
        assert read(source)


def test_the_next_block_is_waited_for_where_the_newest_is_old(make, monkeypatch):
    monkeypatch.setattr(listener, "FRESH_S", 0.1)
    with Talker(MONITOR_SAYS, every_s=0.4) as device:
        source = opened(make(line=device.path))
        for _ in range(3):
            assert read(source)
            assert time.monotonic() - source.listener.said_s < 0.4


@pytest.mark.parametrize(
    ("said", "error", "sentence"),
    [
        (b"", DeviceSilent, "is the device on, and its plug in"),
        (b"\x83\x11nonsense", FrameDamaged, r"\d+ bytes came with no whole block"),
        (blocks(MONITOR)[:40], FrameDamaged, "no whole block"),
        (blocks(HISTORY), FrameDamaged, "blocks came, and none with a PID"),
        (HEX, FrameDamaged, "sends VE.Direct HEX messages but no text blocks"),
    ],
    ids=["silence", "garbage", "half a block", "no PID", "only HEX"],
)
@pytest.mark.usefixtures("short")
def test_why_nothing_is_read_is_told(make, said, error, sentence):
    with Talker(said) as device:
        source = opened(make(line=device.path))
        with pytest.raises(error, match=sentence):
            read(source)


def test_the_first_block_is_read_alone_where_the_second_is_damaged(make):
    with Talker(MONITOR_SAYS[:-1] + b"?") as device:
        (reading,) = read(opened(make(line=device.path)))
    assert set(reading.values) == {"battery_voltage", "state_of_charge"}


@pytest.mark.usefixtures("short")
def test_a_line_that_stays_silent_is_opened_anew(make, monkeypatch):
    monkeypatch.setattr(listener, "LOST_AFTER_S", 0.2)
    with Talker() as device:
        source = opened(make(line=device.path))
        with pytest.raises(LineAway, match="opening it again"):
            read(source)


@pytest.mark.usefixtures("short")
def test_an_unplugged_device_is_away_and_comes_back(make):
    with Talker(MONITOR_SAYS) as device:
        source = opened(make(line=device.path))
        assert read(source)
        device.unplug()
        wait_for(lambda: source.listener.fault, "the thread sees it")
        with pytest.raises(LineAway, match="went away"):
            read(source)
        with pytest.raises(LineAway, match="is not there"):
            source.open()
    source.close()
    source.close()


def test_a_bug_in_the_thread_is_raised_where_it_is_seen(make, monkeypatch):
    with Talker(MONITOR_SAYS) as device:
        source = opened(make(line=device.path))
        monkeypatch.setattr(source.listener.joiner, "add", lambda *_: 1 / 0)
        wait_for(lambda: source.listener.fault, "the thread fails")
        with pytest.raises(ZeroDivisionError):
            read(source)


def test_another_device_than_expected_is_not_read(make):
    with Talker(MONITOR_SAYS) as device:
        source = opened(make(line=device.path, expect={"PID": "0x203"}))
        with pytest.raises(LineAway, match=r"another device, BMV-702 .*: its PID is 0x204, not"):
            read(source)


def test_which_device_it_is_is_told_once(make, caplog):
    caplog.set_level("INFO")
    with Talker(MONITOR_SAYS) as device:
        source = opened(make(line=device.path))
        for _ in range(3):
            read(source)
        source.open()
        read(source)
    assert caplog.messages == [f"battery: BMV-702 (PID 0x204), firmware 3.08, on {device.path}"]


def test_a_device_behind_a_serial_server_is_read_and_a_hang_up_is_seen(make):
    with SerialServer(MONITOR_SAYS) as server:
        source = opened(make(line=server.url))
        assert read(source)[0].values == MONITOR_READS
        server.hang_up()
        wait_for(lambda: source.listener.fault, "the thread sees it")
        with pytest.raises(LineAway):
            read(source)
        assert read(opened(source))


# The port is looked for


@pytest.mark.usefixtures("short")
def test_the_port_of_the_expected_device_is_found_again_under_another_name(make, monkeypatch):
    with Talker(blocks(CHARGER)) as other, Talker(MONITOR_SAYS) as device, Talker() as mute:
        source = make(line="auto", expect={"PID": "0x0204", "H1": "*"})
        plugged(monkeypatch, mute, other, device)
        assert read(opened(source))[0].values == MONITOR_READS
        assert source.listener.line.port == device.path
        device.unplug()
        wait_for(lambda: source.listener.fault, "the thread sees it")
        with pytest.raises(LineAway):
            read(source)
        plugged(monkeypatch, other)
        with pytest.raises(LineAway, match=r"MPPT 75\|15 .*: its PID is 0xA042, not 0x0204"):
            source.open()
        with Talker(MONITOR_SAYS) as elsewhere:
            plugged(monkeypatch, other, elsewhere)
            assert read(opened(source))[0].values == MONITOR_READS
            assert source.listener.line.port == elsewhere.path


@pytest.mark.usefixtures("short")
def test_ports_of_others_are_left_alone(make, monkeypatch, tmp_path):
    link = tmp_path / "by-id"
    with Talker(MONITOR_SAYS) as taken, Talker(MONITOR_SAYS) as mains:
        link.symlink_to(mains.path)
        source = make(line="auto")
        source.lines.get(str(link), Framing(), RtuLine)  # not open just now
        make("first", line=taken.path)
        plugged(monkeypatch, taken, mains)
        with pytest.raises(LineAway, match=r"none of the free ports .there is none"):
            source.open()


@pytest.mark.usefixtures("short")
def test_two_that_look_for_devices_find_one_each(make, monkeypatch):
    with Talker(blocks(CHARGER)) as one, Talker(MONITOR_SAYS) as other:
        plugged(monkeypatch, one, other)
        battery = opened(make(line="auto", expect={"SOC": "*"}))
        with pytest.raises(LineAway, match="is in use"):
            make("again", line="auto", expect={"SOC": "*"}).open()
        sun = opened(make("sun", line="auto", expect={"PPV": "*"}))
        assert battery.line != sun.line
        assert (battery.listener.line.port, sun.listener.line.port) == (other.path, one.path)


# Labels that are not known


def test_numbers_under_unknown_labels_are_kept_on_request(make):
    said = MONITOR | {"X#1": "-5", "TXT": "text"}
    with Talker(blocks(said)) as device:
        source = opened(make(line=device.path, raw=True))
        _, raw = read(source)
        assert raw == Reading("raw", "battery.X_1", AT_MS, {"raw_value": -5})
        assert NAME.fullmatch(raw.device)
        assert len(source.read(AT_MS, frozenset({"battery_voltage"}))) == 1
        rows = {each["label"]: each for each in source.read_raw()}
    assert rows["X#1"] == {
        "label": "X#1",
        "text": "-5",
        "quantity": "",
        "value": None,
        "meaning": "",
    }
    assert rows["PID"]["meaning"] == "BMV-702"
    assert rows["FW"]["meaning"] == "3.08"
    assert rows["SOC"]["value"] == 87.6


def test_unknown_labels_are_kept_in_limited_number(make):
    with Talker(every_s=60) as device:
        source = opened(make(line=device.path, raw=True))
        seen = set()
        for first in range(0, 60, 6):
            unknown = {f"X{number}": "1" for number in range(first, first + 6)}
            device.say(blocks(MONITOR | unknown, HISTORY))
            wait_for(lambda: unknown.keys() <= source.listener.said.keys(), "it is heard")  # noqa: B023  called here
            seen |= {each.device for each in read(source)}
    assert len(seen) == 1 + 32


def test_without_the_request_nothing_raw_is_read(make):
    with Talker(blocks(MONITOR | {"X1": "5"})) as device:
        source = opened(make(line=device.path))
        assert set(source.quantities) <= catalogue().keys()
        assert len(read(source)) == 1


# Options


def test_one_source_listens_to_a_line(make):
    make(line="/dev/ttyUSB77")
    with pytest.raises(BadOption, match="battery already listens to /dev/ttyUSB77") as caught:
        make("other", line="/dev/ttyUSB77")
    assert caught.value.option == "line"


@pytest.mark.parametrize("line", ["ttyUSB0", "http://x:1", "socket://x"])
def test_what_is_no_line_is_refused(make, line):
    with pytest.raises(BadOption, match=r"is not a line; .* or 'auto'"):
        make(line=line)


def test_a_line_that_is_set_from_afar_is_refused_with_the_right_one(make):
    with pytest.raises(LineAway, match="read from a port here or from socket://"):
        make(line="rfc2217://127.0.0.1:9").open()


def test_a_line_of_meters_is_refused(make):
    source = make(line="auto")
    source.lines.get("/dev/ttyUSB77", Framing(), RtuLine)
    with pytest.raises(BadOption, match="already used by a source of another type"):
        make("other", line="/dev/ttyUSB77")


# The scan


def test_a_scan_finds_devices_that_talk_and_asks_them_nothing(tmp_path, monkeypatch):
    with Talker(MONITOR_SAYS) as monitor, Talker(blocks(CHARGER)) as charger:
        only_at(monkeypatch, [monitor.path, charger.path])
        seen = scanned()
        assert {each.place for each in seen.found} == {monitor.path, charger.path}
        assert {each.kind for each in seen.found} == {"vedirect"}
        assert not [part for _, part in seen.progress if part is not None]  # none was asked
    text = render(sorted(seen.found, key=lambda each: each.place != monitor.path))
    file = tmp_path / "config.yaml"
    file.write_text(text)
    sources = config.load(file).sources
    assert sources["battery1"].line == monitor.path
    assert sources["battery1"].expect == {"PID": "0x204"}
    assert sources["solar2"].expect == {"SER#": "HQ1411MYIKN"}
    assert set(yaml.safe_load(text)["sources"]) == {"battery1", "solar2"}
    assert "# BMV-702 (PID 0x204), firmware 3.08" in text


def test_a_scan_says_what_speaks_only_hex(monkeypatch):
    with Talker(HEX) as device:
        only_at(monkeypatch, [device.path])
        (found,) = scanned().found
    assert (found.place, found.options) == (device.path, {})
    assert "no text blocks" in found.text
