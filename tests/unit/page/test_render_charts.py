"""Lines, bars, the picture of the flow, and what is chosen."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract.views import DeviceView, Figure, Flow, Part
from collector.page.charts import bars, scale_of, sparkline, still, thinned
from collector.page.choice import choice
from collector.page.families import by_family, called, lamp, on_first_page
from collector.page.figures import Writer
from collector.page.flow import picture
from collector.page.views.span import RANGES
from collector.page.words import words
from tests.fakes import page_views as views

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 3, 31, 14, 20, tzinfo=ROME)
EN = words("en")
FINITE = st.floats(-1e9, 1e9)


def test_a_line_needs_two_points():
    assert sparkline(((0, 1.0),)) is None
    line = sparkline(((0, 1.0), (10, 3.0)))
    assert line is not None
    assert (line.low, line.high) == (1.0, 3.0)
    assert line.d.startswith("M0.0 ")


@given(FINITE, FINITE)
def test_a_scale_holds_what_it_shows(one, other):
    low, high = min(one, other), max(one, other)
    bottom, top, step = scale_of(low, high)
    assert bottom <= low + abs(low) * 1e-6 + 1e-6
    assert top >= high - abs(high) * 1e-6 - 1e-6
    assert 1 <= (top - bottom) / step <= 7


def test_a_spike_of_one_step_stays_visible():
    thin = thinned(views.DAY_POINTS, 100)
    assert len(thin) <= 100
    assert max(high for _, _, _, high in thin if high is not None) == 9012.0
    drawn = still(views.DAY_POINTS, (), views.MIDNIGHT_MS, views.MIDNIGHT_MS + views.DAY_MS, 0)
    assert drawn is not None
    assert drawn.top >= 9012.0


def test_a_gap_is_no_line():
    drawn = still(views.DAY_POINTS, (), views.MIDNIGHT_MS, views.MIDNIGHT_MS + views.DAY_MS, 0)
    assert drawn is not None
    assert len(drawn.lines) == 2


def test_bars_are_as_high_as_their_parts_together():
    chart = bars(views.ENERGY, Writer(EN, ROME), "Rest")
    assert len(chart.bars) == 17
    for bar, period in zip(chart.bars, views.ENERGY.periods, strict=True):
        whole = sum(block.height for block in bar.blocks)
        assert whole == pytest.approx(chart.bars[0].blocks[0].height / 180 * period.house, abs=2)
        assert bar.x + bar.width <= 100
    assert [name for name, _, _ in chart.parts] == ["heatpump", "fridge"]
    assert (
        chart.bars[0].text.replace("\xa0", " ").startswith("00:00: 0.30 kWh · Heat pump 0.18 kWh")
    )


def test_what_is_to_come_has_its_room():
    chart = bars(views.ENERGY, Writer(EN, ROME), "Rest")
    assert chart.bars[0].width == pytest.approx(100 / 24, abs=0.01)


def drawn(flow, **roles):
    return picture(flow, EN, roles)


def test_the_picture_leaves_out_what_the_house_has_not():
    shown = drawn(Flow(grid=300.0, house=300.0))
    assert [each.key for each in shown.nodes] == ["grid", "house"]
    assert shown.nodes[0].word == "drawn"


def test_power_that_is_fed_in_flows_backwards():
    links = {each.path: each for each in drawn(views.NOW.flow).links}
    assert links["flow/grid"].turned
    assert not links["flow/solar"].turned
    assert links["flow/grid"].turn == 180


def test_the_heat_pump_stands_once():
    shown = drawn(views.NOW.flow, heatpump="heat_pump")
    assert [each.key for each in shown.nodes if each.icon == "heat_pump"] == ["heatpump"]
    alone = drawn(Flow(grid=1.0, heat_pump=900.0, parts=()))
    assert [each.key for each in alone.nodes if each.icon == "heat_pump"] == ["heat_pump"]


def test_many_parts_are_put_together():
    parts = tuple(Part(name=f"p{n}", label=f"P{n}", power=10.0 * n) for n in range(7))
    lower = [each for each in drawn(Flow(grid=500.0, parts=parts, rest=5.0)).nodes if each.y > 300]
    assert [each.power for each in lower] == [0.0, 10.0, 20.0, 30.0 + 40 + 50 + 60 + 5]
    assert lower[-1].path == "flow/parts/p3 flow/parts/p4 flow/parts/p5 flow/parts/p6 flow/rest"


def test_the_ring_is_whole():
    ring = drawn(replace(views.NOW.flow, grid=100.0, battery=300.0, solar=600.0)).ring
    assert [(each.colour, each.start, each.length) for each in ring] == [
        ("solar", 0.0, 60.0),
        ("battery", 60.0, 30.0),
        ("grid", 90.0, 10.0),
    ]


def test_nothing_chosen_is_the_house_today():
    assert choice({}, NOW) == ("", "", "day", "2026-03-31", False)
    assert choice({"range": "hour"}, NOW).at == "2026-03-31T14"


def test_a_chosen_hour_loses_its_minutes_and_a_day_its_hour():
    assert choice({"range": "hour", "at": "2026-01-02T03:00"}, NOW).at == "2026-01-02T03"
    assert choice({"range": "week", "at": "2026-01-02T03:00"}, NOW).at == "2026-01-02"
    assert choice({"show": "lights/1/level"}, NOW)[:2] == ("lights/1", "level")


@pytest.mark.parametrize(
    "query",
    [
        {"range": "decade"},
        {"at": "yesterday"},
        {"at": "2026-02-30"},
        {"at": "0001-01-01"},
        {"range": "hour", "at": "2026-01-01T77"},
    ],
)
def test_nonsense_is_refused_with_a_sentence(query):
    with pytest.raises(ValueError, match=r"is|lies"):
        choice(query, NOW)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("hour", "2026-03-31T13", "2026-03-31T15"),
        ("day", "2026-03-30", "2026-04-01"),
        ("week", "2026-03-24", "2026-04-07"),
        ("month", "2026-02-01", "2026-04-01"),
        ("year", "2025-01-01", "2027-01-01"),
    ],
)
def test_one_goes_back_and_forth_by_the_range(name, before, after):
    chosen = choice({"range": name}, NOW)
    assert (chosen.moved(-1), chosen.moved(1)) == (before, after)


@given(st.sampled_from(RANGES), st.dates(date(2000, 1, 1), date(2199, 12, 31)))
def test_every_neighbour_can_be_chosen(name, day):
    chosen = choice({"range": name, "at": f"{day}"}, NOW)
    for at in (chosen.moved(-1), chosen.moved(1)):
        if 2000 <= int(at[:4]) < 2200:
            assert choice({"range": name, "at": at}, NOW).at == at


def device(name, kind, **about):
    given = {"device": name, "kind": kind, "label": "Lights", "source": "lights", "at_ms": 0}
    return DeviceView(**{**given, "age_s": 900.0, "fresh": False, **about})


LIGHTS = (
    device("lights", "lighting_total", main=Figure(quantity="x", label="", value=46.0, unit="W")),
    device("lights.Kitchen.3", "lighting_area"),
    device("lights.Kitchen.Table.12", "lighting"),
    device("lights.Living_Room.Window.18", "shade"),
)


def test_lights_are_by_room_and_go_by_their_own_names():
    (family,) = by_family(LIGHTS, EN)
    assert family.power == 46.0
    assert [each.name for each in family.areas] == ["Kitchen", "Living Room"]
    assert [lamp(each) for each in family.areas[0].devices] == ["Table"]
    assert called(device("heat_pump", "heatpump", label="")) == "heat pump"


def test_a_lamp_is_never_silent_and_only_the_sum_of_lights_is_on_the_first_page():
    assert on_first_page(LIGHTS) == [LIGHTS[0]]
    meter = device("garage", "electricity")
    assert on_first_page([meter]) == [meter]


def test_what_was_used_adds_up_and_what_was_measured_has_its_mean():
    points = [(0, 1.0, None, None), (1, 2.0, None, None), (2, 3.0, None, None)]
    assert thinned(points, 2, add=True) == [(0, 3.0, None, None), (2, 3.0, None, None)]
    assert thinned(points, 2)[0] == (0, 1.5, 1.0, 2.0)


def test_what_a_derivation_says_of_a_meter_is_no_device_of_its_own():
    meter, derived = device("mains", "electricity"), device("mains", "energy")
    assert [each.devices for each in by_family([meter, derived], EN)] == [(meter,)]
