"""A utility's portal: the library itself asks a fake one, and each hour and day is told once."""

import logging
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import MagicMock

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opower import CostRead, MfaChallenge, UnitOfMeasure
from opower.utilities.glendalewaterandpower import GlendaleWaterAndPower
from yarl import URL

from collector.cli import read as read_command
from collector.config import load
from collector.contract import BadOption, Context, ReadGroup
from collector.decode.intervals import THERM_WH
from collector.decode.intervals import reading as to_reading
from collector.errors import (
    DeviceRefused,
    DeviceSilent,
    FrameDamaged,
    LineAway,
    PackageMissing,
    SecretMissing,
)
from collector.lines.serial import Lines
from collector.reading import decode, encode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.secrets import Secret
from collector.sources.opower import portal
from collector.sources.opower.source import Opower, OpowerOptions
from tests.fakes.http_answers import Reply, serving
from tests.fakes.opower_portal import PASSWORD, ZONE, Portal, as_json, midnight
from tests.fakes.running import configure

NOW = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
UNTIL = midnight(date(2026, 11, 19))
HOUR_S = 3600
DAY_S = 24 * HOUR_S


@pytest.fixture
def far():
    return Portal(UNTIL)


@pytest.fixture
def server(far, monkeypatch):
    """The portal, with which the library talks instead of with any address it asks."""
    with serving(far) as running:
        build = aiohttp.ClientSession._build_url

        def at_home(session, given):
            path = URL(given).raw_path_qs
            return build(session, URL(running.url + path, encoded=True))

        monkeypatch.setattr(aiohttp.ClientSession, "_build_url", at_home)
        yield running


@pytest.fixture
def made(server, tmp_path):  # noqa: ARG001  it must run
    (tmp_path / "utility-password").write_text(PASSWORD)

    def make(**options: Any):
        context = Context("home", Lines(), tmp_path, tmp_path / "state")
        login = {"user": "me@example.com", "password": Secret("utility-password", tmp_path)}
        given = {"utility": "glendalewaterandpower", **login, **options}
        source = Opower("grid", OpowerOptions(type="opower", **given), context)
        source.open()
        return source

    return make


def read(source, later_s=0.0, *, is_kept=True):
    at_ms = round((NOW.timestamp() + later_s) * 1000)
    found = source.read(at_ms, frozenset(source.quantities))
    if is_kept:
        source.journalled()
    return found


def hours(readings):
    return {
        each.at_ms // 1000: each.values["interval_energy"]
        for each in readings
        if "interval_energy" in each.values
    }


def of_day(readings, day):
    begin, end = midnight(day).timestamp(), midnight(day + timedelta(days=1)).timestamp()
    return [each for each in readings if begin <= each.at_ms / 1000 < end]


# What it tells


def test_hours_and_days_stand_where_they_begin_with_their_cost(far, made):
    found = read(made())
    assert {(each.kind, each.device) for each in found} == {("electricity", "grid")}
    times = [each.at_ms for each in found]
    assert times == sorted(times)
    assert times[-1] == round((UNTIL - timedelta(hours=1)).timestamp() * 1000)
    begin = midnight(date(2026, 11, 18))
    reading = next(each for each in found if each.at_ms == begin.timestamp() * 1000)
    used = 1000 * far.used(begin)
    day = sum(1000 * far.used(begin + timedelta(hours=each)) for each in range(24))
    assert dict(reading.values) == pytest.approx(
        {
            "interval_energy": used,
            "interval_cost": used / 5000,
            "interval_length": HOUR_S,
            "daily_energy": day,
            "daily_cost": day / 5000,
            "daily_length": DAY_S,
            "currency": 840,
        },
        abs=1e-3,
    )


def test_all_the_portal_keeps_is_told_once_newest_window_first(far, made):
    source = made()
    found = []
    for slot in range(24):
        found += read(source, 1800 * slot)
    wanted = {
        round(begin.timestamp()): 1000 * used
        for begin, _, used in far.hours(far.since.date() - timedelta(days=1), date(2026, 11, 20))
    }
    assert hours(found) == pytest.approx(wanted)
    assert len(found) == len(wanted)
    asked = len(far.windows)
    assert read(source, 1800 * 24) == []
    assert far.signins == 21  # for five years by 90 days
    begins = [
        first for kind, first, _ in far.windows if kind == "day" and first < date(2026, 11, 1)
    ]
    assert begins == sorted(begins, reverse=True)
    assert asked == len(far.windows)


def test_what_has_been_fetched_is_not_fetched_again_after_a_restart(far, made):
    first = read(made(), is_kept=False)
    source = made()
    assert read(source) == first
    far.windows.clear()
    read(source, 1800)
    was = {each for each in far.windows if each[1] < date(2026, 11, 1)}
    read(source, 3600)  # now it is written down
    far.windows.clear()
    again = read(made(), 5400)
    assert [each.at_ms for each in again] == [first[-1].at_ms]  # the newest, so that it is seen
    older = [each for each in far.windows if each[1] < date(2026, 11, 1)]
    assert older
    assert not was & set(older)


def test_every_six_hours_what_is_new_or_corrected_is_told(far, made):
    far.since = far.until - timedelta(days=10)
    source = made()
    for slot in range(24):
        read(source, 1800 * slot)
    signins = far.signins
    assert read(source, DAY_S - HOUR_S * 6) == read(source, DAY_S - HOUR_S * 5) == []
    assert far.signins == signins + 1
    changed = midnight(date(2026, 11, 15)) + timedelta(hours=3)
    far.corrected[round(changed.timestamp()) // 3600] = 9.0
    far.until += timedelta(hours=2)
    news = read(source, DAY_S + HOUR_S)
    at = changed.timestamp()
    assert hours(news)[at] == 9000.0
    assert set(hours(news)) >= {at, UNTIL.timestamp(), UNTIL.timestamp() + HOUR_S}
    assert far.signins == signins + 2


def test_after_a_long_time_away_all_that_was_missed_is_fetched(far, made):
    source = made()
    for slot in range(24):
        read(source, 1800 * slot)
    away = timedelta(days=50)
    far.until += away
    source = made()
    found = [each for slot in range(4) for each in read(source, away.total_seconds() + 1800 * slot)]
    assert set(hours(found)) >= {
        UNTIL.timestamp() + HOUR_S * each for each in range(round(away.total_seconds() / HOUR_S))
    }


@pytest.mark.parametrize("tells_offsets", [True, False])
@pytest.mark.parametrize(
    ("day", "count"), [(date(2026, 11, 1), 25), (date(2026, 3, 8), 23), (date(2026, 6, 1), 24)]
)
def test_a_day_on_which_clocks_change_has_each_of_its_hours(far, made, day, count, tells_offsets):
    far.tells_offsets = tells_offsets
    far.until = midnight(day + timedelta(days=3))
    far.since = far.until - timedelta(days=9)
    at = datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(days=4)
    found = made().read(round(at.timestamp() * 1000), frozenset(Opower.quantities))
    begin_s = midnight(day).timestamp()
    assert [each.at_ms / 1000 for each in of_day(found, day)] == [
        begin_s + HOUR_S * each for each in range(count)
    ]
    first = of_day(found, day)[0]
    assert first.values["daily_length"] == count * HOUR_S
    lengths = {each.values["interval_length"] for each in of_day(found, day)}
    assert lengths == {HOUR_S}
    total = sum(each.values["interval_energy"] for each in of_day(found, day))
    assert first.values["daily_energy"] == pytest.approx(total, abs=1)


def test_a_portal_that_tells_no_cost_tells_none(far, made):
    far.tells_cost = False
    found = read(made())
    assert hours(found)
    assert not [each for each in found if {"interval_cost", "currency"} & set(each.values)]


def test_gas_and_water_come_in_their_units_or_not_at_all(far, made, caplog):
    far.accounts += [("GAS", "200004711", "DAY"), ("WATER", "300004711", "DAY")]
    far.units = {"GAS": "TH", "WATER": "GAL"}
    with caplog.at_level(logging.WARNING, "collector"):
        source = made()
        found = [each for each in read(source) if each.device == "grid-gas"]
        read(source, 7 * HOUR_S)
    assert {each.kind for each in found} == {"gas"}
    begin = midnight(date(2026, 11, 18))
    therms = sum(far.used(begin + timedelta(hours=each)) for each in range(24))
    assert found[-1].values["daily_energy"] == pytest.approx(therms * THERM_WH, rel=1e-3)
    assert caplog.messages.count(
        "grid: water is left out: the portal does not give its unit"
    ) == 1  # fmt: skip


def test_of_several_accounts_of_a_kind_one_must_be_named(far, made):
    far.accounts.append(("ELEC", "100000815", "HOUR"))
    with pytest.raises(DeviceRefused, match=r"'account': electricity …4711, electricity …0815"):
        read(made())
    assert hours(read(made(account="0815")))
    with pytest.raises(DeviceRefused, match="no account ends with '1234'"):
        read(made(account="1234"))


def test_a_meter_that_is_read_for_bills_tells_bills(far):
    del far
    meter = UnitOfMeasure.KWH
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    window = (0, round(NOW.timestamp() * 1000))
    for used, amounts in ((300.0, {"energy": 300e3, "cost": 60.0}), (0, {"cost": 60.0})):
        (bill,) = portal.decode([CostRead(begin, end, used, 60.0)], "electricity", meter, window)
        assert bill.span == "billing"
        assert bill.amounts == amounts


# What goes wrong


def test_a_wrong_password_is_tried_once_until_it_changes_or_half_a_day_has_passed(
    far, made, tmp_path, caplog
):
    far.password = "another"
    source = made()
    for later_s in (0, 1800, 11 * HOUR_S):
        with pytest.raises(DeviceRefused, match="does not accept the login: HTTP 401") as error:
            read(source, later_s)
    with pytest.raises(DeviceRefused, match="tried again after 2026-11-20 22:15 UTC"):
        read(made(), HOUR_S)  # after a restart
    assert far.signins == 1
    with pytest.raises(DeviceRefused):
        read(source, 12 * HOUR_S)
    assert far.signins == 2
    (tmp_path / "utility-password").write_text("another")
    assert read(source, 12 * HOUR_S + 60)
    kept = b"".join(each.read_bytes() for each in (tmp_path / "state").iterdir())
    for secret in (PASSWORD, "another"):
        assert secret not in caplog.text + str(error.value)
        assert secret.encode() not in kept


def test_a_utility_that_wants_a_code_is_told_in_words_and_left_alone(far, made, monkeypatch):
    tries = []

    async def wants_code(*_):
        tries.append(1)
        raise MfaChallenge("PG&E MFA required", MagicMock())

    monkeypatch.setattr(GlendaleWaterAndPower, "async_login", wants_code)
    source = made()
    for _ in range(3):
        with pytest.raises(DeviceRefused, match=r"wants a code by SMS .* type green_button"):
            read(source)
    assert (len(tries), far.signins) == (1, 0)


def test_a_missing_secret_and_an_unknown_utility_are_named(far, made):
    with pytest.raises(SecretMissing, match="secret 'none' is not found"):
        read(made(password=Secret("none")))
    with pytest.raises(DeviceRefused, match="did you mean 'glendalewaterandpower'"):
        read(made(utility="glendalewater"))
    assert far.signins == 0


@pytest.mark.parametrize(
    ("part", "reply", "fault", "words"),
    [
        ("signin", Reply(503), LineAway, "cannot be asked: HTTP 503"),
        ("signin", Reply(200, b"x", cut_after=3), LineAway, "cannot be asked"),
        ("customers", Reply(200, b"<html>"), LineAway, "cannot be asked"),
        ("customers", as_json({}), LineAway, "No 'customers'"),
        ("customers", as_json([1]), LineAway, "No 'customers'"),
        ("customers", as_json({"customers": [1]}), FrameDamaged, "cannot be read: TypeError"),
        ("customers", as_json({"customers": []}), LineAway, "No utility customers"),
        ("DataBrowser", as_json({"reads": [{"startTime": "x"}]}), FrameDamaged, "cannot be read"),
        ("DataBrowser", as_json({"reads": 7}), FrameDamaged, "cannot be read"),
        ("DataBrowser", Reply(500, b"secret-token"), DeviceRefused, "answers HTTP 500$"),
        ("DataBrowser", Reply(429), DeviceRefused, "answers HTTP 429$"),
        ("DataBrowser", Reply(200, b"[" * 1_000_000), LineAway, "."),
    ],
)
def test_every_wrong_answer_is_a_fault_in_words_and_the_next_read_is_well(
    far, made, part, reply, fault, words
):
    far.replies[part] = reply
    source = made()
    with pytest.raises(fault, match=words) as error:
        read(source)
    assert "secret-token" not in str(error.value)
    assert "http" not in str(error.value)
    far.replies.clear()
    assert read(source, 1800)


def test_an_answer_that_is_too_long_is_not_read_to_its_end(far, made, monkeypatch):
    monkeypatch.setattr(portal, "MOST_BYTES", 100_000)
    far.replies["customers"] = as_json({"customers": [], "more": "x" * 200_000})
    with pytest.raises(LineAway, match="longer than 100,000 bytes"):
        read(made())


def test_a_clock_that_is_wrong_is_told(far, made):
    reply = far.replies["customers"] = as_json({"customers": []})
    far.replies["customers"] = Reply(
        200, reply.body, {**reply.headers, "Date": "Fri, 01 Jan 2010 00:00:00 GMT"}
    )
    with pytest.raises(LineAway, match="the clock is not right: the portal's says 2010-01-01"):
        read(made())


def test_a_portal_that_stays_silent_or_drips_is_given_up(far, made, monkeypatch):
    monkeypatch.setattr(portal, "DEADLINE_S", 0.5)
    far.replies["customers"] = Reply(200, b"x" * 100, pause_s=0.1)
    began = time.monotonic()
    with pytest.raises(DeviceSilent, match=r"not done within 0 s|not done within 1 s"):
        read(made())
    assert time.monotonic() - began < 20


def test_a_portal_that_is_not_there_is_away(made, monkeypatch):
    source = made()
    monkeypatch.setattr(
        aiohttp.ClientSession, "_build_url", lambda *_: URL("http://127.0.0.1:9/secret?token=1")
    )
    with pytest.raises(LineAway, match="cannot be asked: Cannot connect to host") as error:
        read(source)
    assert "token" not in str(error.value)


def test_without_the_library_it_is_told_how_to_get_it(made, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opower", None)
    monkeypatch.delitem(__import__("sys").modules, "collector.sources.opower.portal")
    monkeypatch.delattr("collector.sources.opower.portal")
    with pytest.raises(PackageMissing, match=r"-m pip install 'opower"):
        read(made())


def test_history_that_cannot_be_had_costs_no_new_reading(far, made, caplog):
    class Old(Portal):
        def __call__(self, asked):
            start = asked.fields.get("startDate", "9")
            return Reply(500) if start < "2026-10" else super().__call__(asked)

    far.__class__ = Old
    with caplog.at_level(logging.WARNING, "collector"):
        source = made()
        assert hours(read(source))
        signins = far.signins
        assert read(source, 1800) == []
        assert far.signins == signins  # six hours it is left alone
        read(source, 7 * HOUR_S)
    assert caplog.messages == ["grid: no history now: glendalewaterandpower answers HTTP 500"]


moments = st.integers(-(10**9), 4 * 10**9) | st.integers(1793516400, 1793606400)
anything = st.floats() | st.integers(-(10**12), 10**12) | st.none() | st.text(max_size=3)


@given(
    st.lists(st.tuples(moments, moments, anything, anything, anything, anything)),
    st.sampled_from(list(UnitOfMeasure)),
    st.sampled_from([ZONE, UTC]),
)
def test_whatever_the_library_tells_what_is_read_can_be_stored(rows, unit, zone):
    told = [
        CostRead(datetime.fromtimestamp(a, zone), datetime.fromtimestamp(b, zone), c, d, [], e, f)
        for a, b, c, d, e, f in rows
    ]
    window = (0, 10**13)
    found = portal.decode(told, "electricity", unit, window)
    assert len({each.begin_ms for each in found}) == len(found)
    for each in found:
        reading = to_reading("grid", each)
        assert decode(encode(reading)) == reading


# As a source


def test_groups_have_no_meaning_and_every_quantity_is_in_the_catalogue(made):
    with pytest.raises(BadOption) as error:
        made(read=(ReadGroup(quantities=("interval_energy",), every=Seconds(60)),))
    assert error.value.option == "read"
    source = made()
    feed("grid", source, source.options, SourceHealth("opower"))


def test_read_shows_the_newest_and_raw_the_meters(made, tmp_path, capsys):
    del made
    options = "utility: glendalewaterandpower\n    user: me\n    password: !secret utility-password"
    file = configure(tmp_path / "home", f"  grid:\n    type: opower\n    {options}\n")
    (tmp_path / "home" / "secrets").mkdir()
    (tmp_path / "home" / "secrets" / "utility-password").write_text(PASSWORD)
    for raw, words in ((True, "…4711"), (False, "interval_energy")):
        read_command.read_source(load(file), "grid", watch=False, raw=raw, as_json=False)
        assert words in capsys.readouterr().out
