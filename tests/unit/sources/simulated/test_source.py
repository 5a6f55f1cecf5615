"""The simulated source: the house's figures, at the instant that was asked for."""

from datetime import date
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from collector.contract import BadOption, Context
from collector.errors import DeviceSilent
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.reading import Reading, decode, encode
from collector.sources.simulated.appliances import PARTS
from collector.sources.simulated.house import House
from collector.sources.simulated.source import Simulated, SimulatedOptions

HOUSE = House(seed=3)
AT_MS = 1_768_480_200_500
CONTEXT = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"))
CHOICES = get_args(get_type_hints(SimulatedOptions)["part"])


def source(**options):
    options = {"type": "simulated", "seed": 3, **options}
    return Simulated("sim", SimulatedOptions(**options), CONTEXT)


def read(part):
    simulated = source(part=part)
    simulated.open()
    readings = simulated.read(AT_MS, frozenset(simulated.quantities))
    simulated.close()
    return readings


def test_the_meter_reads_what_the_house_says():
    assert read("meter") == [Reading("electricity", "sim", AT_MS, HOUSE.at(AT_MS / 1000))]


def test_a_part_reads_its_own_power_and_energy():
    power = HOUSE.powers(AT_MS / 1000)["heat_pump"]
    energy = HOUSE.counters(AT_MS / 1000)["heat_pump"]
    values = {"active_power": power, "active_energy": energy}
    assert read("heat_pump") == [Reading("heatpump", "sim", AT_MS, values)]


def test_every_part_of_the_house_can_be_read():
    assert set(CHOICES) == {"meter", *PARTS}


@pytest.mark.parametrize("part", CHOICES)
def test_every_value_can_be_stored_and_lies_in_its_range(part):
    (reading,) = read(part)
    assert decode(encode(reading)) == reading
    assert set(reading.values) == set(source(part=part).quantities)
    for name, value in reading.values.items():
        assert catalogue()[name].low <= value <= catalogue()[name].high


def test_a_clock_that_is_not_right_yet_finds_no_house():
    for at_ms in (5_000, 4_102_444_800_000):  # 1970 and 2100
        with pytest.raises(DeviceSilent, match="is the clock right"):
            source().read(at_ms, frozenset({"voltage"}))
    first_ms = int(HOUSE.day(date(2026, 1, 1)).midnight * 1000)
    assert source().read(first_ms, frozenset({"active_energy"}))[0].values["active_energy"] == 0


@pytest.mark.parametrize("timezone", ["Europe/Rom", "/etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_refused(timezone):
    with pytest.raises(BadOption, match="not a time zone") as caught:
        source(timezone=timezone)
    assert caught.value.option == "timezone"
