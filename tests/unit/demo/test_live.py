"""What people see of the newest readings."""

import os
import re

import pytest

from collector.demo import live
from collector.status import Lateness, LatestReading, SourceStatus, Status
from collector.text import width

VALUES = {"voltage": 230.1, "active_power": -412.0, "active_power_demand_max": 9.0}


def answer_of(values=VALUES, label="", **more):
    latest = {"mains.string1": LatestReading(values=values, label=label, at_ms=1000)}
    source = SourceStatus(latest=latest, lateness_s=Lateness(median=0.0012))
    return Status(sources={"mains": source, "new": SourceStatus()}, now_ms=2500, **more)


@pytest.mark.parametrize(
    ("values", "figure"),
    [
        (VALUES, "mains.string1  active_power   -412  W     1.5 s"),
        (
            {"battery_voltage": 26.0, "state_of_charge": 97.0},
            "mains.string1  state_of_charge     97",
        ),
        ({"flow_rate": 3.0}, "mains.string1  flow_rate      3"),
    ],
)
def test_the_main_figure_of_a_device_is_what_says_most(values, figure):
    assert figure in live.main_figures(answer_of(values))


def test_devices_without_a_reading_have_no_table():
    assert live.main_figures(Status(sources={"new": SourceStatus()})) == ""


@pytest.mark.parametrize("label", ["", "Wohnzimmer und Küche im Erdgeschoss", "台所" * 20])
@pytest.mark.parametrize("columns", [40, 80])
def test_the_table_of_values_fits_the_terminal(label, columns):
    lines = live.live(answer_of(label=label), columns).splitlines()
    assert all(width(each) <= columns for each in lines)
    assert "-412" in lines[2] or columns < 80


def test_what_does_not_fit_the_height_is_counted(monkeypatch, capsys):
    monkeypatch.setattr(os, "get_terminal_size", lambda: os.terminal_size((80, 6)))
    live.draw("home", answer_of({**VALUES, "current": 1.0}))
    drawn = re.sub(r"\033\[[0-9;]*[A-Za-z]", "", capsys.readouterr().out).splitlines()
    assert len(drawn) == 5
    assert drawn[-1] == "… 3 more values: make the terminal taller"


def meters(count):
    values = {f"{quantity}_l{n}": 1.0 for quantity in ("voltage", "current") for n in (1, 2, 3)}
    latest = {
        f"meter{n}": LatestReading(values={**values, "active_power": float(n)})
        for n in range(count)
    }
    return Status(sources={"meters": SourceStatus(latest=latest)})


@pytest.mark.parametrize(
    ("rows", "count", "shown", "last"),
    [
        (24, 23, 19, "… 4 more devices: make the terminal taller"),
        (24, 20, 19, "… 1 more device: make the terminal taller"),
        (24, 19, 19, "… 114 more values: make the terminal taller"),
        (5, 3, 0, "… 3 more devices: make the terminal taller"),
    ],
)
def test_a_device_is_a_line_under_the_head_and_those_that_do_not_fit_are_counted(
    monkeypatch, capsys, rows, count, shown, last
):
    monkeypatch.setattr(os, "get_terminal_size", lambda: os.terminal_size((80, rows)))
    live.draw("home   12:00:00", meters(count))
    drawn = re.sub(r"\033\[[0-9;]*[A-Za-z]", "", capsys.readouterr().out).splitlines()
    assert len(drawn) == shown + 4 <= rows - 1
    assert drawn[0] == "home   12:00:00"
    assert drawn[2].startswith("DEVICE ")
    assert [each.split()[0] for each in drawn[3:-1]] == [f"meter{n}" for n in range(shown)]
    assert drawn[-1] == last


def test_where_not_all_values_fit_each_device_shows_its_main_figure(monkeypatch, capsys):
    monkeypatch.setattr(os, "get_terminal_size", lambda: os.terminal_size((0, 0)))
    live.draw("home", meters(9))
    drawn = capsys.readouterr().out
    assert [f"meter{n} " in drawn for n in range(9)] == [True] * 9
    assert drawn.count("active_power") == 9
    assert "… 54 more values: make the terminal taller" in drawn
