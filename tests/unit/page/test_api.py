"""The API of a house with sun, battery and parts: what it says is what its records have."""

import gzip
import http.client
import json
import queue
import re
import threading
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.contract.page import Home
from collector.contract.views import HistoryView, NowView
from collector.page import render
from collector.page.pace import MOST
from collector.status import hints_of
from tests.fakes import page_house as house
from tests.fakes.page import ask, options_with, serving

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return house.home(tmp_path_factory.mktemp("house") / "data")


@pytest.fixture(scope="module")
def page(home):
    about = {"home": home, "wall_ms": lambda: house.NOW_MS}
    with serving(options_with(), show=house.show, **about) as options:
        yield options


def got(page, path, **query):
    status, _, body = ask(page, f"/api/v1/{path}{'?' if query else ''}{query_of(query)}")
    assert status == 200, body
    return json.loads(body)


def query_of(query):
    return "&".join(f"{name}={value}" for name, value in query.items())


def refused(page, path, **query):
    status, headers, body = ask(page, f"/api/v1/{path}?{query_of(query)}")
    assert headers["content-type"] == "application/json"
    return status, json.loads(body)["error"]


def ms(year, month, day, hour=0):
    local = datetime(year, month, day, hour, tzinfo=ZoneInfo(house.ZONE))
    return round(local.timestamp() * 1000)


def wh(begin_ms, end_ms, what):
    """Return what flowed by the quarters that the house is made of."""
    quarters = range(begin_ms // 900_000, end_ms // 900_000)
    place = ("house", "solar", "charged", "discharged").index(what)
    return sum(house.flows(each)[place] for each in quarters) / 1e6


def wait_for_today(page):
    """Ask until today is known: a page waits a moment for it, and no longer."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        ask(page, "/")
        now = got(page, "now")
        if now["today"]["begin_ms"] or now["today"]["cost_state"] == "none":
            return now
    raise AssertionError("today stays unknown")


# now


def test_now_has_every_figure_of_the_house(page):
    now = wait_for_today(page)
    assert now.keys() == hints_of(NowView).keys()
    assert now["flow"]["grid"] == -412.3
    assert now["flow"]["battery"] == -362.6
    assert now["flow"]["house"] == now["house"]["power"] == 2345.6
    assert now["flow"]["heat_pump"] == 1510.0
    assert [each["name"] for each in now["flow"]["parts"]] == ["heatpump", "fridge"]
    assert now["measured"]["state"] == "problem"
    assert now["measured"]["problems"][0]["command"] == "energy-monitor read garage"
    assert now["measured"]["problems"][1]["advice"] == "Look whether its door is open."
    devices = [each["device"] for each in now["devices"]]
    assert devices[-3:] == ["garage", "lights.hall", "lights.kitchen"]  # they have no role
    assert len(devices) == 8


def test_what_reports_changes_is_not_silent_and_has_a_name_of_its_own(page):
    devices = {each["device"]: each for each in got(page, "now")["devices"]}
    kitchen, garage = devices["lights.kitchen"], devices["garage"]
    assert (kitchen["label"], kitchen["fresh"]) == ("Lights · kitchen", True)
    assert kitchen["main"]["value"] == 24.0
    assert (garage["label"], garage["fresh"]) == ("", False)


def test_now_says_what_is_usual_at_this_hour(page):
    usual = wait_for_today(page)["house"]
    assert usual["verdict"] == "high"
    assert 400 <= usual["usual_low"] < usual["usual_high"] <= 520


def test_today_is_what_the_quarters_add_up_to(page):
    today = wait_for_today(page)["today"]
    assert today["begin_ms"] == ms(2026, 11, 20)
    assert today["until_ms"] == house.NOW * 900_000
    assert today["house_wh"] == wh(today["begin_ms"], today["until_ms"], "house")
    assert today["solar_wh"] == wh(today["begin_ms"], today["until_ms"], "solar")
    same = wh(today["begin_ms"] - DAY_MS, today["until_ms"] - DAY_MS, "house")
    assert today["yesterday_same_time_wh"] == same
    assert (today["cost"], today["cost_state"], today["currency"]) == ("1.20", "known", "EUR")


def test_one_that_has_the_same_already_gets_nothing(page):
    status, headers, body = ask(page, "/api/v1/devices")
    tag = headers["etag"]
    status, again, nothing = ask(page, "/api/v1/devices", If_None_Match=f'"other", {tag}')
    assert (status, nothing, again["etag"]) == (304, "", tag)
    assert "content-length" not in again
    assert ask(page, "/api/v1/devices", If_None_Match='"x"')[::2] == (200, body)


def test_it_is_packed_for_those_who_take_it(page):
    connection = http.client.HTTPConnection(page.address, page.port, timeout=20)
    connection.request("GET", "/api/v1/now", headers={"Accept-Encoding": "br, gzip"})
    answer = connection.getresponse()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert json.loads(gzip.decompress(answer.read()))["site"] == "home"
    connection.close()


# history


def test_an_hour_has_every_second_of_the_journal(page):
    found = got(page, "history", device="mains", quantity="active_power", range="hour")
    assert found.keys() == hints_of(HistoryView).keys()
    assert (found["source"], found["step_ms"]) == ("journal", 2000)
    begin_ms = ms(2026, 11, 20, 16)
    first = [house.power_at(begin_ms // 1000 + each) for each in (0, 1)]
    assert found["points"][0] == [begin_ms, sum(first) / 2, min(first), max(first)]
    assert len(found["points"]) == 300


def test_a_spike_of_one_second_stays_in_an_hour_a_day_and_a_week(page):
    for asked, source in (("hour", "journal"), ("day", "ledger"), ("week", "ledger")):
        at = "2026-11-20T14" if asked == "hour" else "2026-11-20"
        found = got(page, "history", device="mains", quantity="active_power", range=asked, at=at)
        assert (found["source"], found["high"]) == (source, house.SPIKE_W), asked
        spikes = [point for point in found["points"] if point[3] == house.SPIKE_W]
        assert len(spikes) == 1
        assert 0 <= house.SPIKE_MS - spikes[0][0] < found["step_ms"]


def test_what_the_ledger_does_not_keep_is_read_from_the_journal(page):
    found = got(page, "history", device="mains", quantity="voltage", range="week")
    assert (found["source"], found["mean"]) == ("journal", 230.1)


def test_a_counter_is_shown_by_what_it_added(page):
    query = {"device": "fridge", "quantity": "active_energy", "range": "week"}
    found = got(page, "history", **query, compare=1)
    assert found["shows"] == "used"
    assert {each[1] for each in found["points"]} == {12.0}
    assert found["total"] == 12.0 * len(found["points"])
    assert len(found["before"]) == 7 * 96
    assert found["change"] == 0.0  # as far as this week has come


def test_every_range_has_at_most_2000_points(page):
    query = {"device": "mains", "quantity": "active_power", "compare": 1}
    for name in ("hour", "day", "week", "month", "year"):
        found = got(page, "history", **query, range=name)
        assert len(found["points"]) <= 2000
    five_years_ms = 5 * 365 * DAY_MS
    found = got(page, "history", **query, since_ms=house.NOW_MS - five_years_ms)
    assert 35 < len(found["points"]) <= 2000


def test_a_gap_in_the_journal_is_a_point_without_a_value(tmp_path):
    folder = house.write_journal(tmp_path / "journal", hours=1, devices=("mains",))
    house.write_journal(folder, hours=0)
    begin_ms = house.NOW_MS - 5_400_000
    home = Home(site="home", timezone=house.ZONE, journal=folder)
    with serving(show=house.show, home=home, wall_ms=lambda: house.NOW_MS) as page:
        query = {"device": "mains", "quantity": "active_power"}
        found = got(page, "history", **query, since_ms=begin_ms, until_ms=house.NOW_MS)
        assert found["points"][0][0] == begin_ms + 1_800_000
        assert all(each[1] is not None for each in found["points"])
        assert found["source"] == "journal"  # there is no ledger


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"device": "mians", "quantity": "voltage"}, 404, "did you mean 'mains'"),
        ({"device": "mains", "quantity": "volts"}, 404, "no quantity 'volts'"),
        ({"device": "mains"}, 400, "'quantity' is missing"),
        ({"device": "mains", "quantity": "voltage", "range": "weak"}, 400, "did you mean 'week'"),
        ({"device": "mains", "quantity": "voltage", "at": "2026-02-30"}, 400, "no such day"),
        ({"device": "mains", "quantity": "voltage", "at": "today"}, 400, "written like"),
        ({"device": "mains", "quantity": "voltage", "at": "0001-01-01"}, 400, "before 1970"),
        ({"device": "mains", "quantity": "voltage", "since_ms": "5", "until_ms": "4"}, 400, "bef"),
        ({"device": "mains", "quantity": "voltage", "since_ms": "5"}, 400, "longer than 5 years"),
        ({"device": "mains", "quantity": "voltage", "since_ms": "-1"}, 400, "milliseconds"),
        ({"device": "mains", "quantity": "voltage", "range": "day", "since_ms": "1"}, 400, "give"),
        ({"device": "mains", "quantity": "voltage", "devise": "x"}, 400, "no parameter 'devise'"),
        ({"device": "../x", "quantity": "voltage"}, 400, "written like"),
        ({"device": "mains%0a", "quantity": "voltage"}, 400, "written like"),
        ({"device": "mains", "quantity": "voltage&quantity=voltage"}, 400, "stands twice"),
        ({"device": "%ff", "quantity": "voltage"}, 400, "not UTF-8"),
    ],
)
def test_a_question_that_is_not_accepted_says_why(page, query, status, says):
    got_status, sentence = refused(page, "history", **query)
    assert got_status == status
    assert says in sentence


def test_what_is_shown_can_be_had_as_csv(page):
    query = "device=mains&quantity=active_power&range=hour&format=csv"
    status, headers, body = ask(page, f"/api/v1/history?{query}")
    assert status == 200
    assert headers["content-type"].startswith("text/csv")
    assert headers["content-disposition"] == 'attachment; filename="mains-active_power.csv"'
    lines = body.split("\r\n")
    assert lines[0] == "time,mean W,lowest W,highest W"
    assert lines[1].startswith("2026-11-20T15:00:00Z,")


# energy


def test_energies_of_a_day_are_those_of_its_quarters(page):
    found = got(page, "energy", range="day", at="2026-11-18", compare=1)
    assert (found["by"], len(found["periods"])) == ("hour", 24)
    begin_ms, end_ms = ms(2026, 11, 18), ms(2026, 11, 19)
    assert found["total"]["house"] == wh(begin_ms, end_ms, "house")
    assert found["total"]["solar"] == wh(begin_ms, end_ms, "solar")
    assert found["total"]["known"] == 1.0
    other = wh(begin_ms - DAY_MS, begin_ms, "house")
    assert found["before"]["house"] == other
    assert found["change"] == round(found["total"]["house"] / other - 1, 4)
    assert found["labels"] == {"heatpump": "Heat pump", "fridge": "Fridge & <freezer>"}


@pytest.mark.parametrize("asked", ["hour", "day", "week", "month", "year"])
def test_parts_never_exceed_the_whole_and_its_origins_add_up(page, asked):
    found = got(page, "energy", range=asked)
    for each in [*found["periods"], found["total"]]:
        assert sum(each["parts"].values()) + each["rest"] == pytest.approx(each["house"], 1e-6)
        origins = each["from_grid"] + each["from_solar"] + each["from_battery"]
        assert origins == pytest.approx(each["house"], 1e-6)
        balance = each["imported"] + each["solar"] + each["battery_out"]
        balance -= each["exported"] + each["battery_in"]
        assert balance == pytest.approx(each["house"], 1e-3)


def test_a_year_is_the_sum_of_its_days_and_the_same_when_asked_again(page):
    year, again = (got(page, "energy", range="year") for _ in range(2))
    assert year == again
    begin_ms, end_ms = ms(2026, 1, 1), house.NOW * 900_000
    first_ms = house.FIRST * 900_000
    assert year["total"]["house"] == pytest.approx(wh(max(begin_ms, first_ms), end_ms, "house"))
    assert [each["begin_ms"] for each in year["periods"]][-1] == ms(2026, 11, 1)


def test_the_day_on_which_clocks_are_set_back_has_25_hours(page):
    found = got(page, "energy", range="day", at="2026-10-25")
    assert len(found["periods"]) == 25
    assert len({each["begin_ms"] for each in found["periods"]}) == 25
    week = got(page, "energy", range="week", at="2026-10-25")["periods"]
    assert [(each["end_ms"] - each["begin_ms"]) / 3_600_000 for each in week] == [24] * 6 + [25]


# cost, health, events


def test_costs_follow_from_contract_and_ledger(page):
    found = got(page, "cost")
    assert found["currency"] == "EUR"
    assert found["today"]["amount"] == "1.20"
    assert found["month"]["amount"] == got(page, "bill")["bills"][0]["total"]
    assert [each["name"] for each in found["by_window"]] == ["F1", "F23", "standing charge"]
    assert found["forecast"]["end_ms"] == ms(2026, 12, 1)
    assert float(found["forecast"]["amount"]) > float(found["month"]["amount"])
    assert found["peak_quarter"]["power"] == 520.0
    assert found["base_load_w"] == 400.0
    assert [each["name"] for each in found["by_part"]] == ["heatpump", "fridge", ""]


def test_a_bill_of_another_month_and_one_without_a_contract(page):
    found = got(page, "bill", month="2026-10")
    assert (found["month"], found["months"]) == ("2026-10", ["2026-11", "2026-10"])
    assert found["bills"][0]["last"] == "2026-10-31"
    assert got(page, "bill", month="2025-10")["warnings"] == [
        "there is no contract for 2025-10 of mains"
    ]
    assert refused(page, "bill", month="2026-13")[0] == 400


def test_events_are_newest_first_and_of_their_time(page):
    found = got(page, "events")["events"]
    assert [each["kind"] for each in found] == ["alert", "gap", "restart", "counter"]
    assert "420 Wh used meanwhile" in found[1]["text"]
    assert "was replaced" in found[3]["text"]
    assert got(page, "events", range="day", at="2026-11-11")["events"] == [found[3]]


def test_health_has_the_whole_status(page):
    found = got(page, "health")
    assert found["version"] == "1.2.3"
    assert found["status"]["sources"]["garage"]["state"] == "silent"
    assert found["disk"]["size"] > found["disk"]["free"] > 0


def test_without_ledger_and_contracts_it_says_so_and_goes_on(tmp_path):
    home = Home(site="home", journal=tmp_path, ledger=tmp_path / "x", tariffs=tmp_path / "y")
    with serving(show=house.show, home=home) as page:
        assert "no ledger yet" in refused(page, "energy")[1]
        assert refused(page, "cost")[0] == 503
        assert got(page, "devices")["devices"]
        assert got(page, "devices")["devices"][0]["device"] == "bank"
        assert wait_for_today(page)["today"]["cost_state"] == "none"
        assert got(page, "history", device="mains", quantity="voltage")["points"] == []


# many at once


def test_four_may_wait_the_fifth_is_sent_away_and_the_quick_go_on(home, monkeypatch):
    let = threading.Event()

    def slow(_costs):
        assert let.wait(20)
        return ()

    monkeypatch.setattr("collector.page.views.cost.Costs.view", slow)
    with serving(show=house.show, home=home, wall_ms=lambda: house.NOW_MS) as page:
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def cost():
            answers.put(ask(page, "/api/v1/cost"))

        threads = [threading.Thread(target=cost) for _ in range(MOST + 1)]
        for each in threads:
            each.start()
        status, headers, body = answers.get(timeout=20)  # of the one who does not wait
        assert (status, headers["retry-after"]) == (429, "2")
        assert "ask again" in json.loads(body)["error"]
        assert ask(page, "/api/v1/now")[0] == 200
        let.set()
        assert [answers.get(timeout=20)[0] for _ in range(MOST)] == [200] * MOST
        for each in threads:
            each.join(20)


def test_however_many_ask_one_answer_is_made_at_a_time(home, monkeypatch):
    """Each thread that computes keeps those that measure waiting for the processor."""
    at_once, seen = [0], []
    draw = render.page

    def counted(*args, **views):
        at_once[0] += 1
        seen.append(at_once[0])
        threading.Event().wait(0.01)
        try:
            return draw(*args, **views)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(render, "page", counted)
    with serving(show=house.show, home=home, wall_ms=lambda: house.NOW_MS) as page:
        threads = [
            threading.Thread(target=ask, args=(page, path), kwargs={"Accept": "text/html"})
            for path in ("/", "/devices", "/api", "/nothing", "/health", "/history")
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
    assert seen == [1] * len(threads)


# pages


@pytest.mark.parametrize(
    "path",
    ["/", "/devices", "/history", "/history?show=mains/active_power&range=week&compare=1",
     "/history?range=nonsense", "/history?device=x&quantity=voltage", "/cost", "/bill",
     "/bill?month=2025-01", "/health", "/api"],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en", "it"])
def test_every_page_is_drawn_from_the_same_views(page, path, language):
    status, headers, body = ask(page, path, Accept="text/html", Accept_Language=language)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert "default-src 'self';" in policy
    assert "unsafe" not in policy
    assert f'<html lang="{language}"' in body
    assert "<script>" not in body
    assert " style=" not in body


def test_a_page_that_there_is_not_is_a_page_for_browsers(page):
    status, _, body = ask(page, "/nothing", Accept="text/html")
    assert status == 404
    assert "<html" in body
    assert ask(page, "/api/v1/nothing", Accept="text/html")[2].startswith('{"error":')


def test_files_of_pages_may_be_kept_for_ever_and_are_packed(page):
    body = ask(page, "/", Accept="text/html")[2]
    path = re.search(r'"(/static/[^"]+\.css)"', body)
    assert path
    status, headers, _ = ask(page, path[1])
    assert (status, headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in headers["cache-control"]
    assert ask(page, "/static/nothing.css")[0] == 404
