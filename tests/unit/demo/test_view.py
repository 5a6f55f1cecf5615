"""What the terminal shows of the demo: it fits, its head stays, and each device has a line."""

import re

import pytest

from collector.demo import view
from collector.demo.household import METERS
from collector.status import (
    AlertStatus,
    JournalStatus,
    LatestReading,
    PageStatus,
    SourceStatus,
    Status,
)
from collector.text import width

POWERS = {"mains": 832.0, "roof": -1011.0}
HEAD = ("Energy Monitor demo", "page: http://127.0.0.1:9992/", "house: 1,853 W from grid 832")


def of(kind, at_ms=9000, **values):
    return LatestReading(kind=kind, at_ms=at_ms, values=values)


def house(more=0, alerts=1):
    sources = {
        each.name: SourceStatus(
            label=each.label,
            latest={
                each.name: of(
                    "electricity",
                    active_power=POWERS.get(each.name, 0.0),
                    voltage=231.28,
                    active_energy_import=658_900.0,
                    active_energy_export=0.0,
                )
            },
        )
        for each in METERS
    }
    battery = of("battery", state_of_charge=98.4, battery_power=192.0, battery_voltage=26.71)
    sources["battery"] = SourceStatus(latest={"battery": battery})
    sources["sun"] = SourceStatus(latest={"sun": of("solar", panel_power=202.0)})
    zones = {f"lights.{n}": of("lighting", level=50.0 * (n < 3)) for n in range(7)}
    total = {"lights": of("lighting_total", estimated_power=120.0)}
    sources["lights"] = SourceStatus(latest=total | zones)
    sources["pi"] = SourceStatus(last_error="not there")
    sources |= {
        f"more{n}": SourceStatus(latest={f"more{n}": of("ups", load=20.0)}) for n in range(more)
    }
    return Status(
        now_ms=10_000,
        sources=sources,
        alerts={f"filter{n}": AlertStatus(text="clean it " * 20) for n in range(alerts)},
        journal=JournalStatus(readings=5000),
        page=PageStatus(url="http://127.0.0.1:9992", state="serving"),
    )


@pytest.mark.parametrize("more", [0, 1, 10, 60])
@pytest.mark.parametrize("alerts", [0, 1, 5])
@pytest.mark.parametrize(("columns", "rows"), [(80, 23), (120, 39), (40, 10), (20, 4)])
def test_nothing_is_larger_than_the_terminal_and_the_head_is_always_there(
    columns, rows, alerts, more
):
    lines = view.screen(house(more, alerts), columns, rows, has_desktop=True)
    assert len(lines) <= rows
    assert all(width(each) <= columns for each in lines)
    for line, begins in zip(lines, HEAD, strict=False):
        assert line.removesuffix("…").startswith(begins[: columns - 1])


def test_each_device_is_a_line_with_its_main_figures_and_its_age():
    lines = "\n".join(view.screen(house(), 80, 23, has_desktop=False))
    assert re.search(r"^mains +832 W +231\.3 V +658\.9 kWh drawn +1\.0 s$", lines, re.MULTILINE)
    assert re.search(r"^battery +98 % full +192 W charging +26\.7 V +1\.0 s$", lines, re.MULTILINE)
    assert re.search(r"^lights +120 W +3 of 7 on +1\.0 s$", lines, re.MULTILINE)
    assert re.search(r"^pi +not there$", lines, re.MULTILINE)
    assert "! filter0: clean it" in lines
    assert "Panels on the roof" not in lines
    assert "roof            Panels on the roof" in "\n".join(
        view.screen(house(), 120, 39, has_desktop=False)
    )


def test_devices_that_do_not_fit_are_counted():
    lines = view.screen(house(60), 80, 23, has_desktop=False)
    assert "… 54 more devices: make the terminal taller" in lines


def test_before_all_is_read_nothing_is_said_of_the_house():
    assert view.house_power(Status()) is None
    assert len(view.head(Status(), has_desktop=True)) == 1
