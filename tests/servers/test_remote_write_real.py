"""Remote write with a real Prometheus: what it takes late, and what never."""

import time
from contextlib import contextmanager

import pytest

from collector.contract import Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.serial import Lines
from collector.outputs.prometheus_remote_write.output import RemoteWrite, RemoteWriteOptions
from collector.reading import Reading, encode
from tests.fakes.outputs.prometheus_remote_write import RECEIVER, WINDOW
from tests.fakes.proxy import Proxy
from tests.servers import prometheus

HOUR_MS = 3_600_000
NAMES = {
    "voltage": "voltage_volts",
    "active_power": "active_power_watts",
    "active_energy": "active_energy_joules_total",
}


def readings(device, *times, value=230.1):
    values = dict.fromkeys(NAMES, value)
    return [encode(Reading("electricity", device, at, values)) for at in times]


def output_to(url, folder):
    options = RemoteWriteOptions(type="prometheus_remote_write", url=url)
    return RemoteWrite("metrics", options, Context("home", Lines(), folder, folder))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Prometheus as it is installed: it takes nothing late."""
    with prometheus.running(tmp_path_factory.mktemp("p"), "", RECEIVER) as running:
        yield running


@pytest.fixture(scope="module")
def lenient(tmp_path_factory):
    """Prometheus that takes what is up to a day late."""
    with prometheus.running(tmp_path_factory.mktemp("p"), WINDOW, RECEIVER) as running:
        yield running


@contextmanager
def refused(output, batch):
    with pytest.raises(ReadingsRefused) as caught:
        output.write(batch)
    yield caught.value.reasons


@pytest.fixture
def now_ms():
    return (int(time.time()) - 1) * 1000  # queries see nothing of the future


def stored(server, device, quantity="voltage"):
    return server.samples(f'energy_monitor_{NAMES[quantity]}{{device="{device}"}}[2d]')


def test_values_are_in_base_units_with_their_own_times_and_the_site(server, tmp_path, now_ms):
    output_to(server.url, tmp_path).write(readings("units", now_ms - 1000, now_ms))
    assert stored(server, "units") == {now_ms - 1000: 230.1, now_ms: 230.1}
    assert stored(server, "units", "active_energy")[now_ms] == 828360.0
    (labels,) = server.query('energy_monitor_voltage_volts{device="units"}')
    assert dict(labels)["site"] == "home"


def test_of_a_backlog_older_than_an_hour_all_that_is_taken_is_stored(server, tmp_path, now_ms):
    output = output_to(server.url, tmp_path)
    output.write(readings("live", now_ms))
    times = [now_ms - HOUR_MS - 30_000 + second * 1000 for second in range(60)]
    batch = [line for at in times for line in readings("a", at) + readings("b", at)]
    with refused(output, batch) as reasons:
        left = {at for at in times if at in stored(server, "a")}
        assert 0 < len(left) < 60
        assert left == {at for at in times if at >= min(left)}, "only the oldest are refused"
        for quantity in NAMES:
            for device in "ab":
                assert set(stored(server, device, quantity)) == left
        assert set(reasons) == set(range(2 * (60 - len(left))))
        assert "out of bounds" in reasons[0]
        assert "out_of_order_time_window" in reasons[0]


def test_a_series_that_has_something_newer_is_refused_and_the_others_are_stored(
    server, tmp_path, now_ms
):
    output = output_to(server.url, tmp_path)
    output.write(readings("late", now_ms))
    other = readings("punctual", now_ms - 5000, now_ms - 4000)
    with refused(output, [*readings("late", now_ms - 5000), *other]) as reasons:
        assert list(reasons) == [0]
        assert "out of order" in reasons[0]
    assert set(stored(server, "late")) == {now_ms}
    assert set(stored(server, "punctual")) == {now_ms - 5000, now_ms - 4000}


def test_another_value_at_the_same_time_is_refused_and_what_follows_is_stored(
    server, tmp_path, now_ms
):
    output = output_to(server.url, tmp_path)
    output.write(readings("twice", now_ms - 2000))
    batch = readings("twice", now_ms - 2000, value=1.0) + readings("twice", now_ms - 1000)
    with refused(output, batch) as reasons:
        assert list(reasons) == [0]
        assert "duplicate" in reasons[0]
    assert stored(server, "twice") == {now_ms - 2000: 230.1, now_ms - 1000: 230.1}


def test_a_batch_whose_answer_was_lost_is_not_called_refused(server, tmp_path, now_ms):
    times = [now_ms - 60_000 + second * 1000 for second in range(50)]
    with Proxy(server.url) as proxy:
        output = output_to(proxy.url, tmp_path)
        proxy.fault = "lose"
        with pytest.raises(OutputAway):
            output.write(readings("lost", *times))
        proxy.fault = ""
        output.close()
        output.write(readings("lost", *times, now_ms))
        output.close()
    assert set(stored(server, "lost")) == {*times, now_ms}


def test_what_is_older_than_the_window_is_refused_though_prometheus_says_to_try_again(
    lenient, tmp_path, now_ms
):
    output = output_to(lenient.url, tmp_path)
    output.write(readings("old", now_ms))
    batch = readings("old", now_ms - 30 * HOUR_MS, now_ms - 2 * HOUR_MS)
    with refused(output, batch) as reasons:
        assert list(reasons) == [0]
        assert "500 'too old sample" in reasons[0]
    assert set(stored(lenient, "old")) == {now_ms - 2 * HOUR_MS, now_ms}


def test_a_server_without_the_receiver_is_away_and_the_sentence_says_what_is_missing(
    tmp_path, now_ms
):
    with prometheus.running(tmp_path, "") as closed:
        output = output_to(closed.url, tmp_path)
        with pytest.raises(OutputAway, match="enable-remote-write-receiver"):
            output.write(readings("any", now_ms))
