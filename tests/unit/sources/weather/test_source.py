"""The weather: each hour once, at its own time, with a history that is fetched piece by piece."""

import json
import logging
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption, Context, ReadGroup
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.lines import http
from collector.lines.http_answer import Limits
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.reading import decode, encode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.sources.weather import open_meteo as service
from collector.sources.weather import source as weather
from collector.sources.weather.source import Weather, WeatherOptions
from tests.fakes import open_meteo
from tests.fakes.http_answers import Reply, serving
from tests.fakes.open_meteo import UNITS, Sky
from tests.fakes.running import configure, energy_monitor

NOW_S = round(datetime(2026, 11, 20, 10, 15, tzinfo=UTC).timestamp())
HOUR_S = 3600
DAY_S = 24 * HOUR_S
THIS_HOUR_S = NOW_S // HOUR_S * HOUR_S


@pytest.fixture
def sky():
    return Sky(NOW_S)


@pytest.fixture
def server(sky):
    with serving(sky) as running:
        yield running


@pytest.fixture
def made(server, tmp_path):
    def make(**options):
        context = Context("home", Lines(), tmp_path, tmp_path / "state")
        source = Weather("sky", options_for(**{"url": server.url} | options), context)
        source.open()
        return source

    return make


def options_for(url, **options):
    place = {"latitude": 45.07, "longitude": 7.69, "url": url, "archive_url": url}
    return WeatherOptions(type="weather", **place | options)


def read(source, sky, later_s=0):
    sky.now_s += later_s
    readings = source.read(sky.now_s * 1000, frozenset(source.quantities))
    source.journalled()
    return readings


def hours(readings):
    return [each.at_ms // 1000 for each in readings if not each.at_ms % (HOUR_S * 1000)]


def asked(server):
    return [
        (each.path.rpartition("/")[2], each.fields["start_date"], each.fields["end_date"])
        for each in server.asked
    ]


# Readings


def test_the_last_days_are_told_at_the_start_of_each_hour(made, sky):
    readings = read(made(), sky)
    assert hours(readings) == list(range(THIS_HOUR_S - 3 * DAY_S, THIS_HOUR_S, HOUR_S))
    assert {(each.kind, each.device) for each in readings} == {("climate", "sky")}
    assert [each.at_ms for each in readings] == sorted(each.at_ms for each in readings)
    for each in readings:
        assert decode(encode(each)) == each


def test_what_is_of_an_instant_and_what_is_of_an_hour_stand_at_their_beginning(made, sky):
    readings = {each.at_ms // 1000: each.values for each in read(made(), sky)}
    at = THIS_HOUR_S - HOUR_S
    for variable, (quantity, _) in service.VARIABLES.items():
        later = HOUR_S if variable in service.OVER_THE_HOUR else 0
        assert readings[at][quantity] == open_meteo.value(variable, at + later)
    assert readings[at].keys() == set(made().quantities)


def test_the_present_is_told_without_what_needs_an_hour(made, sky):
    present = read(made(), sky)[-1]
    assert present.at_ms == NOW_S * 1000
    assert (
        present.values["outside_temperature"] == open_meteo.value("temperature_2m", NOW_S) + 0.005
    )
    assert "precipitation" not in present.values


def test_it_is_asked_once_an_hour_and_tells_only_what_is_new(made, sky, server):
    source = made()
    read(source, sky)
    for _ in range(2):
        assert read(source, sky, 900) == []
    assert len(server.asked) == 1
    assert [each.at_ms // 1000 for each in read(source, sky, 900)] == [THIS_HOUR_S, sky.now_s]
    assert len(server.asked) == 2


def test_what_was_corrected_is_told_again(made, sky):
    source = made()
    read(source, sky)
    at = THIS_HOUR_S - 30 * HOUR_S
    sky.corrected = {("temperature_2m", at): -3.5}
    readings = read(source, sky, HOUR_S)
    assert hours(readings) == [at, THIS_HOUR_S]
    assert readings[0].values["outside_temperature"] == -3.5


def test_what_the_service_does_not_know_is_absent(made, sky):
    at = THIS_HOUR_S - HOUR_S
    sky.corrected = {("temperature_2m", at): None}
    sky.corrected |= {(variable, at - HOUR_S): None for variable in UNITS}
    sky.corrected |= {(variable, at): None for variable in service.OVER_THE_HOUR}
    readings = {each.at_ms // 1000: each.values for each in read(made(), sky)}
    assert "outside_temperature" not in readings[at]
    assert "humidity" in readings[at]
    assert at - HOUR_S not in readings


# History


def test_history_is_fetched_window_by_window_the_newest_first(made, sky, server, caplog):
    caplog.set_level(logging.INFO)
    source = made(since="2026-01-15")
    told: list[int] = []
    while not told or "is fetched" not in caplog.text:
        told += hours(read(source, sky, 900))
        assert len(told) < 10_000
    first = round(datetime(2026, 1, 15, tzinfo=UTC).timestamp())
    last = sky.now_s // HOUR_S * HOUR_S
    assert set(range(first, last, HOUR_S)) <= set(told)
    assert len(told) - len(set(told)) <= 2  # the present may stand at a full hour
    history = [each for each in asked(server) if each[1] != "2026-11-17"]
    kinds = [kind for kind, *_ in history]
    assert kinds == sorted(kinds, reverse=True)
    assert {"forecast", "archive"} == set(kinds)
    assert history[-1][1] == "2026-01-15"
    assert "the history since 2026-01-15 00:00 UTC is fetched" in caplog.text
    before = len(server.asked)
    assert read(source, sky, 900) == []
    assert len(server.asked) == before


def test_after_a_restart_it_goes_on_where_it_was(made, sky, server):
    source = made(since="2026-01-15")
    told = read(source, sky) + read(source, sky, 900)
    again = made(since="2026-01-15")  # what the second read returned may not be in the journal
    repeated = read(again, sky, 900)
    assert set(map(encode, told)) > set(map(encode, repeated)) - set(map(encode, repeated[-2:]))
    assert len(hours(repeated)) < len(hours(told))
    starts = [start for _, start, _ in asked(server) if start != "2026-11-17"]
    assert starts[1] == starts[2] < starts[0]


def test_what_was_only_looked_at_is_fetched_again(made, sky):
    source = made(since="2026-01-15")
    told = source.read(sky.now_s * 1000, frozenset(source.quantities))
    sky.now_s += 900
    again = source.read(sky.now_s * 1000, frozenset(source.quantities))
    assert hours(again) == hours(told)


def test_a_time_offline_is_filled_later(made, sky, server):
    source = made()
    read(source, sky)
    read(source, sky, HOUR_S)
    again = made()
    told: list[int] = []
    for _ in range(5):
        told += hours(read(again, sky, 900 if told else 30 * DAY_S))
    assert set(told) >= set(range(THIS_HOUR_S + HOUR_S, sky.now_s // HOUR_S * HOUR_S, HOUR_S))
    assert {kind for kind, *_ in asked(server)} == {"forecast"}


def test_of_another_place_nothing_is_known(made, sky):
    for _ in range(2):
        source = made()
        read(source, sky)
        read(source, sky, HOUR_S)
    assert len(hours(read(made(latitude=46.0), sky))) == 72


def test_without_its_archive_the_weather_of_today_is_told(made, sky, caplog):
    sky.replies["/v1/archive"] = Reply(502, b"Bad Gateway")
    source = made(since="2025-01-01")
    for _ in range(2):
        while read(source, sky, 900) and "no history yet" not in caplog.text:
            pass
    assert read(source, sky, 900)
    assert caplog.text.count("no history yet: ") == 1
    assert "/v1/archive answers 502 'Bad Gateway'" in caplog.text
    sky.replies.clear()
    assert len(read(source, sky, 900)) > 1000


def test_a_folder_that_cannot_be_written_is_told(made, sky, tmp_path, caplog):
    source = made()
    (tmp_path / "state").write_text("in the way")
    read(source, sky)
    read(source, sky, 900)
    assert "history.json cannot be written" in caplog.text


# Faults


def test_a_refusal_is_told_in_the_services_own_words(made, sky):
    reason = b'{"error": true, "reason": "Latitude must be in range of -90 to 90."}'
    sky.replies["/v1/forecast"] = Reply(400, reason)
    with pytest.raises(DeviceRefused, match="answers 400 'Latitude must be in range") as refused:
        read(made(), sky)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("status", "headers", "pause_s"),
    [(429, {}, 3600), (429, {"Retry-After": "7200"}, 7200), (503, {"Retry-After": "1800"}, 1800)],
)
def test_a_service_that_wants_to_be_left_alone_is(made, sky, server, status, headers, pause_s):
    sky.replies["/v1/forecast"] = Reply(status, b"", headers)
    source = made()
    with pytest.raises(DeviceRefused, match=str(status)):
        read(source, sky)
    sky.replies.clear()
    with pytest.raises(DeviceRefused, match="wants to be left alone until 2026-11-20 1"):
        read(source, sky, pause_s - 1)
    assert len(server.asked) == 1
    assert read(source, sky, 1)


@pytest.mark.parametrize("at_s", [NOW_S, 5000])  # before it is right, a slot counts from the boot
def test_a_wrong_clock_is_told_and_nothing_else(made, sky, at_s):
    sky.replies["/v1/forecast"] = Reply(200, b"{}", {"Date": "Fri, 20 Nov 2026 09:00:00 GMT"})
    source = made()
    with pytest.raises(DeviceRefused, match=r"the clock is not right: .* 2026-11-20 09:00 UTC"):
        source.read(at_s * 1000, frozenset(source.quantities))


def test_answers_that_do_not_come_or_are_none_are_faults(made, sky, server, monkeypatch):
    source = made()
    sky.replies["/v1/forecast"] = Reply(200, b"<html>")
    with pytest.raises(FrameDamaged, match="is no JSON: b'<html>'"):
        read(source, sky)
    sky.replies["/v1/forecast"] = Reply(200, b"x" * 100, pause_s=1)
    patient = http.get
    monkeypatch.setattr(http, "get", lambda url: patient(url, limits=Limits(answer_s=0.2)))
    with pytest.raises(DeviceSilent):
        read(source, sky)
    monkeypatch.undo()
    server.stop()
    with pytest.raises(LineAway):
        read(source, sky)
    source.close()
    source.close()


# Decoding

WINDOW = (0, 10**12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.binary() | json_values.map(lambda each: json.dumps(each).encode()))
def test_any_body_is_read_or_damaged(body):
    try:
        service.decode_hours(service.decode_body(body), WINDOW)
    except FrameDamaged:
        return
    pytest.fail("nothing but an answer can be read")


@given(st.lists(st.integers(), max_size=5), st.lists(json_values, max_size=5))
def test_any_columns_are_read_or_damaged(times, column):
    columns = dict.fromkeys(service.VARIABLES, column)
    units = {name: unit for name, (_, unit) in service.VARIABLES.items()}
    answer = {"hourly": {"time": times, **columns}, "hourly_units": units}
    try:
        rows = service.decode_hours(answer, WINDOW)
    except FrameDamaged:
        return
    assert all(WINDOW[0] <= at < WINDOW[1] for at in rows)
    assert all(isinstance(each, float) for values in rows.values() for each in values.values())


@given(json_values)
def test_any_present_is_read_or_damaged(present):
    current = {"time": 5, "temperature_2m": present}
    answer = {"current": current, "current_units": {"temperature_2m": "°C"}}
    (values,) = service.decode_current(answer).values()
    assert all(isinstance(each, float) for each in values.values())
    try:
        service.decode_current({"current": present, "current_units": present})
        service.decode_current({"current": {"time": present}})
    except FrameDamaged:
        pass


def test_another_unit_is_no_answer(sky):
    fields = dict(parse_qsl(service.question((45.0, 7.0), (0, 1), current=False)))
    answer = sky.answer(SimpleNamespace(fields=fields))
    answer["hourly_units"]["wind_speed_10m"] = "km/h"
    with pytest.raises(FrameDamaged, match="tells wind_speed_10m in 'km/h', not in 'm/s'"):
        service.decode_hours(answer, WINDOW)


# Options


def test_options_that_cannot_be_are_refused(made):
    for options in (
        {"url": "api.open-meteo.com"},
        {"archive_url": "ftp://a"},
        {"since": "2026-02-30"},
        {"since": "1969-12-31"},
        {"read": (ReadGroup(quantities=("humidity",), every=Seconds(3600)),)},
    ):
        with pytest.raises(BadOption) as bad:
            made(**options)
        assert bad.value.option == next(iter(options))


def test_it_fits_the_intake(made):
    source = made()
    fed = feed("sky", source, source.options, SourceHealth())
    assert set(source.quantities) <= set(catalogue())
    assert fed.groups[0].interval_ms == 900_000


def test_the_services_are_open_meteos_and_each_is_asked_for_what_it_knows():
    options = WeatherOptions(type="weather", latitude=45.07, longitude=7.69)
    now_ms = NOW_S * 1000
    for days in (0, 3, 45, 84):
        window = (now_ms - days * DAY_S * 1000, now_ms)
        assert weather.where(options, window, now_ms) == "https://api.open-meteo.com/v1/forecast"
    archive = "https://archive-api.open-meteo.com/v1/archive"
    assert weather.where(options, (0, 1), now_ms) == archive
    # A window that the archive is asked for must have ended long enough ago.
    assert weather.ARCHIVED_AFTER_MS - weather.WINDOW_MS > 7 * DAY_S * 1000
    asked = service.question((45.07, -7.69), (0, DAY_S * 1000), current=False)
    assert asked.startswith("latitude=45.07&longitude=-7.69&hourly=temperature_2m%2C")
    assert "&start_date=1970-01-01&end_date=1970-01-02&" in asked


def test_the_command_read_shows_it_and_leaves_no_trace(tmp_path):
    with serving(Sky(round(time.time()))) as server:
        file = configure(
            tmp_path,
            "  sky: {type: weather, latitude: 45.07, longitude: 7.69, "
            f"url: '{server.url}', archive_url: '{server.url}'}}\n",
        )
        shown = energy_monitor("read", "sky", "--config", file)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"sky +outside_temperature +[0-9.]+ +°C", shown.stdout)
    assert shown.stdout.count("precipitation") == 1
    assert not (tmp_path / "state").exists()
