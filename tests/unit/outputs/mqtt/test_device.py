"""What a device shows, and when a counter is believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.outputs.mqtt.device import Device
from collector.outputs.mqtt.memory import Memory

EVERY_MS = 10_000
DAY_MS = 86_400_000


def reading(device, at_s, **values):
    device.take(at_s * 1_000, [(name, repr(value)) for name, value in values.items()])
    return dict(device.shown(EVERY_MS))


def counter(*texts):
    """Return what a counter shows after each of some reads, 10 s apart."""
    device = Device("electricity")
    return [
        reading(device, 10 * at, active_energy=each)["active_energy"]
        for at, each in enumerate(texts, 1)
    ]


def test_a_counter_shows_what_was_read():
    assert counter(1000.1, 1000.2, 1000.2) == ["1000.1", "1000.2", "1000.2"]


@pytest.mark.parametrize("dip", [0.0, 999.0, 1000.05])
def test_a_counter_that_dips_once_stays(dip):
    assert counter(1000.1, dip, 1000.2) == ["1000.1", "1000.1", "1000.2"]


def test_a_counter_that_is_lower_twice_is_a_new_meter():
    assert counter(1000.1, 0.0, 0.1, 0.2) == ["1000.1", "1000.1", "0.1", "0.2"]


def test_two_low_reads_that_fall_do_not_agree():
    assert counter(1000.0, 5.0, 3.0, 4.0) == ["1000.0", "1000.0", "1000.0", "4.0"]


def test_the_same_reading_sent_twice_is_one_read():
    device = Device("electricity")
    reading(device, 10, active_energy=1000.0)
    for _ in range(3):
        assert reading(device, 20, active_energy=3.0) == {"active_energy": "1000.0"}


def test_a_gauge_that_is_no_longer_read_is_unknown_and_a_counter_stays():
    device = Device("electricity")
    for at_s in range(0, 100, 10):
        reading(device, at_s, voltage=230.0, active_energy=5.0, active_power=1.0)
    for at_s in range(100, 200, 10):
        shown = reading(device, at_s, active_power=1.0)
    assert shown == {"active_energy": "5.0", "active_power": "1.0"}


def test_a_quantity_that_is_read_rarely_stays_between_its_reads():
    device = Device("electricity")
    for at_s in range(0, 3_600, 10):
        rare = {"temperature": 20.0} if at_s % 300 == 0 else {}
        assert "temperature" in reading(device, at_s, active_power=1.0, **rare)


def test_an_older_reading_changes_nothing():
    device = Device("electricity")
    reading(device, 20, voltage=230.0, active_energy=5.0)
    assert reading(device, 10, voltage=1.0, active_energy=9.0) == {
        "voltage": "230.0",
        "active_energy": "5.0",
    }
    assert device.seen_ms == 20_000


def test_a_device_is_silent_after_three_of_its_intervals():
    device = Device("electricity")
    for at_s in range(0, 300, 60):
        reading(device, at_s, voltage=230.0)
    assert not device.is_silent(420_000, EVERY_MS)
    assert device.is_silent(420_001, EVERY_MS)


def test_an_outage_is_not_its_interval():
    device = Device("electricity")
    for at_s in (0, 10, 20, 7_220, 7_230):
        reading(device, at_s, voltage=230.0)
    assert device.is_silent(7_230_000 + 30_001, EVERY_MS)


def test_a_quantity_is_gone_after_a_week_in_which_others_are_read():
    device = Device("electricity")
    device.take(0, [("voltage", "1.0"), ("current", "1.0")])
    device.take(7 * DAY_MS, [("current", "1.0")])
    assert device.gone() == []
    device.take(7 * DAY_MS + 1, [("current", "1.0")])
    assert device.gone() == ["voltage"]


def test_a_device_goes_on_after_a_clock_that_was_ahead_is_set_back():
    device, fields = Device("electricity"), [("voltage", "2.0")]
    device.take(10 * DAY_MS, [("voltage", "1.0"), ("active_energy", "5.0")], now_ms=10 * DAY_MS)
    device.take(1_000, fields, now_ms=1_000)
    assert device.seen_ms == 1_000
    assert dict(device.shown(EVERY_MS)) == {"voltage": "2.0", "active_energy": "5.0"}
    device.take(500, [("voltage", "3.0")], now_ms=1_000)
    assert dict(device.shown(EVERY_MS))["voltage"] == "2.0"


def test_a_restart_remembers_what_was_shown_and_shows_nothing_before_it_is_read(tmp_path):
    device = Device("electricity")
    for at_s in (0, 10, 20):
        reading(device, at_s, active_energy=1000.1, voltage=230.0)
    Memory("it", tmp_path / "state" / "f").save({"mains": device}, 0)
    again = Memory("it", tmp_path / "state" / "f").load()["mains"]
    assert again.shown(EVERY_MS) == []
    assert again.interval_ms == 10_000
    assert reading(again, 30, voltage=231.0) == {"voltage": "231.0"}
    assert reading(again, 40, active_energy=0.0) == {"voltage": "231.0"}
    assert reading(again, 50, active_energy=1000.2)["active_energy"] == "1000.2"


GOOD = {"form": 1, "devices": {"m": {"kind": "k", "values": {"voltage": ["1.0", 5, [1], 0]}}}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"form": 2, "devices": {}}',
        "[" * 100_000,
        json.dumps(GOOD).replace('"1.0"', '"nan"'),
        json.dumps(GOOD).replace('"1.0"', "1.0"),
        json.dumps(GOOD).replace("[1]", '["1"]'),
        json.dumps(GOOD).replace("5", "true"),
        json.dumps(GOOD).replace('"k"', "7"),
        json.dumps(GOOD).replace("5", "1" + "0" * 30),
        json.dumps(GOOD).replace('"m"', '"a/+/#"'),
        json.dumps(GOOD).replace("voltage", 'volt\\"age'),
    ],
)
def test_a_memory_that_is_damaged_is_said_and_left(tmp_path, text, caplog):
    (tmp_path / "f").write_text(text)
    assert Memory("it", tmp_path / "f").load() == {}
    assert "it: " in caplog.text
    assert "is damaged" in caplog.text


def test_a_memory_is_written_where_names_change_and_every_five_minutes(tmp_path):
    memory, device = Memory("it", tmp_path / "f"), Device("electricity")
    times = []
    for at_s in range(0, 620, 10):
        reading(device, at_s, active_energy=float(at_s), **({"voltage": 1.0} if at_s > 95 else {}))
        before = memory.saved_s, memory.saved_names
        memory.save({"mains": device}, 1_000.0 + at_s)
        if before != (memory.saved_s, memory.saved_names):
            times.append(at_s)
    assert times == [0, 100, 400]


def test_a_memory_that_cannot_be_written_is_said_once_and_tried_again(tmp_path, caplog):
    memory, device = Memory("it", tmp_path / "state" / "f"), Device("electricity")
    reading(device, 10, voltage=1.0)
    (tmp_path / "state").write_text("in the way")
    for at_s in (0, 10, 400, 800):
        memory.save({"mains": device}, 1_000.0 + at_s)
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / "state").unlink()
    memory.save({"mains": device}, 3_000.0)
    assert memory.load().keys() == {"mains"}


@given(st.lists(st.floats(0, 1e10), max_size=30))
def test_a_counter_falls_only_to_a_value_that_was_read_twice_below(reads):
    shown = [float(each) for each in counter(*reads)]
    assert set(shown) <= set(reads)
    for at in range(1, len(shown)):
        if shown[at] < shown[at - 1]:
            assert any(each <= shown[at] for each in reads[:at])
