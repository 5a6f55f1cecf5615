"""The flows as counters: the same quarters as in the ledger, as they come."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from collector.contract import Context
from collector.contract.roles import FLOWS_ENERGY
from collector.derive.flows.derivation import Flows, FlowsOptions
from collector.ledger.days import MICRO, QUARTER_MS
from collector.lines.serial import Lines
from collector.reading import Reading
from collector.scalars import Role
from tests.unit.derive.test_flows import (
    BEGIN_MS,
    COUNTERS,
    HOUSE,
    MINUTE_MS,
    PARTS,
    Ledger,
    day,
    house_of,
)

ROLES = HOUSE | PARTS
DAY_MINUTES = 24 * 60


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path)
    yield made
    made.database.close()


def flows(roles=ROLES):
    roles = {device: Role(role) for device, role in roles.items()}
    context = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"), roles=roles)
    return Flows("flows", FlowsOptions(type="flows"), context)


def energies(minutes, is_read=lambda device, minute, given: True):  # noqa: ARG005
    """Yield the readings of the derivation 'energy' at each full minute."""
    totals = {device: [0, 0] for device in ROLES}
    for minute in range(len(minutes) + 1):
        for device, total in totals.items():
            if minute:
                for at, micro in enumerate(minutes[minute - 1][device]):
                    total[at] += micro
            names = COUNTERS.get(device, ("active_energy", ""))
            values = {name: each / MICRO for name, each in zip(names, total, strict=True) if name}
            given = minutes[minute - 1][device][1] if minute else 0
            if is_read(device, minute, given):
                yield Reading("energy", device, BEGIN_MS + minute * MINUTE_MS, values)


def after(made, device="home"):
    """Return what the counters of a device say at the end."""
    found = [each for each in made if each.kind == FLOWS_ENERGY and each.device == device]
    assert [each.at_ms % QUARTER_MS for each in found] == [0] * len(found)
    for each, following in pairwise(found):
        assert each.at_ms < following.at_ms
        assert all(following.values[name] >= value for name, value in each.values.items())
    return found[-1].values


def test_counters_are_what_the_ledger_sums(ledger):
    readings = list(energies(list(house_of(1))))
    for each in readings:
        ledger.book.take_energy(each)
    (truth,) = ledger.sums(ROLES, day())
    made = flows().derive(readings)
    assert after(made) == {
        "house_energy": truth.flow.house / MICRO,
        "grid_import_energy": truth.flow.imported / MICRO,
        "grid_export_energy": truth.flow.exported / MICRO,
        "solar_energy": truth.flow.solar / MICRO,
        "self_use_energy": truth.flow.used / MICRO,
        "battery_charge_energy": truth.flow.charged / MICRO,
        "battery_discharge_energy": truth.flow.discharged / MICRO,
        "house_grid_energy": truth.flow.from_grid / MICRO,
        "house_solar_energy": truth.flow.from_solar / MICRO,
        "house_battery_energy": truth.flow.from_battery / MICRO,
        "rest_energy": truth.flow.rest / MICRO,
    }
    assert after(made, "oven") == {"part_energy": truth.flow.parts["oven"] / MICRO}


def test_parts_and_rest_add_up_to_the_house_exactly():
    made = flows().derive(list(energies(list(house_of(2)))))
    house = after(made)
    parts = sum(round(after(made, part)["part_energy"] * MICRO) for part in PARTS)
    assert parts + round(house["rest_energy"] * MICRO) == round(house["house_energy"] * MICRO)


def test_it_says_the_same_however_the_readings_are_cut_and_after_each_restart():
    readings = list(energies(list(house_of(3))))
    whole = flows().derive(readings)
    chance, it, made = random.Random(3), flows(), []
    while readings:
        count = chance.randrange(1, 900)
        made += it.derive(readings[:count])
        readings = readings[count:]
        state = json.loads(json.dumps(it.state()))
        it = flows()
        it.restore(state)
    assert made == whole


def dusk_and_dawn(minutes):
    """Yield the minutes of a house whose panels wake up and fall asleep gently."""
    for minute, each in enumerate(minutes):
        _, solar = each["roof"]
        at = minute % DAY_MINUTES
        gives = min(solar, 90_000) if at < 7 * 60 + 30 or at > 16 * 60 + 30 else solar
        drawn, fed = each["mains"]
        net = drawn - fed + solar - gives
        yield each | {"roof": (0, gives), "mains": (max(net, 0), max(-net, 0))}


def test_panels_that_sleep_give_nothing_until_they_wake_up(ledger):
    minutes = list(dusk_and_dawn(house_of(4, 2 * DAY_MINUTES)))
    readings = list(energies(minutes, lambda device, _, given: device != "roof" or bool(given)))
    for each in readings:
        ledger.book.take_energy(each)
    (truth,) = ledger.sums(ROLES, day(0, 2))
    it, made = flows(), []
    for each in readings:
        made += [*it.derive([each]), *it.tick(each.at_ms)]
    assert truth.known > 160  # the first night, nobody knows of the panels yet
    assert after(made)["house_energy"] == pytest.approx(truth.flow.house / MICRO, rel=0.01)
    assert after(made)["solar_energy"] == pytest.approx(truth.flow.solar / MICRO, rel=0.01)


def test_what_nobody_can_know_is_counted_nowhere_and_the_next_quarter_is_right():
    minutes = list(house_of(5))
    gap = range(10 * 60 + 5, 13 * 60 + 5)
    it, made = flows(), []
    for each in energies(minutes, lambda device, minute, _: device != "mains" or minute not in gap):
        made += [*it.derive([each]), *it.tick(each.at_ms)]
    known = [at for at in range(96) if not 40 <= at <= 52]
    whole = sum(minutes[at * 15 + each]["house"][0] for at in known for each in range(15))
    assert after(made)["house_energy"] == pytest.approx(whole / MICRO, rel=1e-9)
    steps = [each for each in made if each.device == "home" and each.kind == FLOWS_ENERGY]
    assert max(each.at_ms - before.at_ms for before, each in pairwise(steps)) <= QUARTER_MS


def test_a_month_in_which_nobody_reads_makes_no_readings():
    minutes = list(house_of(6, 120))
    readings = list(energies(minutes))
    later = [
        Reading(each.kind, each.device, each.at_ms + 30 * DAY_MINUTES * MINUTE_MS, each.values)
        for each in readings[-len(ROLES) * 50 :]
    ]
    it = flows()
    it.derive(readings)
    it.tick(later[0].at_ms)
    made = it.derive(later)
    assert len([each for each in made if each.device == "home"]) < 10


def test_energies_of_a_time_to_come_are_forgotten():
    it = flows()
    minutes = list(house_of(7, 60))
    readings = list(energies(minutes))
    it.derive([Reading("energy", "mains", BEGIN_MS * 2, dict.fromkeys(COUNTERS["mains"], 1.0))])
    it.tick(BEGIN_MS)
    made = it.derive(readings)
    whole = sum(each["house"][0] for each in minutes) / MICRO
    assert after(made)["house_energy"] == pytest.approx(whole, rel=1e-9)
