"""The power flow of now, from readings."""

from pathlib import Path

import pytest

from collector.contract import BadOption, Context
from collector.derive.flows.derivation import Flows, FlowsOptions
from collector.lines.serial import Lines
from collector.reading import Reading
from collector.scalars import Role, Seconds

BEGIN_MS = 1_763_593_200_000
ROLES = {"mains": "grid", "roof": "solar", "bank": "battery", "heat": "heat_pump"}
POWERS = {"mains": 500.0, "roof": 2000.0, "bank": 300.0, "heat": 700.0}
KINDS = {"roof": ("solar", "panel_power"), "bank": ("battery", "battery_power")}


def flows(roles=ROLES, every=1):
    roles = {device: Role(role) for device, role in roles.items()}
    context = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"), roles=roles)
    return Flows("flows", FlowsOptions(type="flows", every=Seconds(every)), context)


def reading(device, at_s, power, **more):
    kind, name = KINDS.get(device, ("electricity", "active_power"))
    return Reading(kind, device, BEGIN_MS + round(at_s * 1000), {name: power, **more})


def second(at_s, **powers):
    return [reading(device, at_s, power) for device, power in (POWERS | powers).items()]


def values(made, device="home"):
    return [each.values for each in made if each.device == device]


def test_house_origins_shares_and_rest_of_one_moment():
    made = flows().derive(second(0) + second(1))
    (now,) = values(made)
    assert now == {
        "house_power": 2200.0,
        "grid_import_power": 500.0,
        "grid_export_power": 0.0,
        "solar_power": 2000.0,
        "battery_charge_power": 300.0,
        "battery_discharge_power": 0.0,
        "house_grid_power": 200.0,
        "house_solar_power": 2000.0,
        "house_battery_power": 0.0,
        "rest_power": 1500.0,
        "balances": 1,
        "balances_clamped": 0,
    }
    (share,) = values(made, "heat")
    assert share["house_share"] == pytest.approx(100 * 700 / 2200)


def test_a_balance_below_nothing_is_clamped_and_counted():
    made = flows().derive(second(0, mains=-5000.0) + second(1))
    (now,) = values(made)
    assert (now["house_power"], now["rest_power"], now["balances_clamped"]) == (0, 0, 1)
    assert values(made, "heat") == []


def test_without_a_meter_of_the_balance_there_is_none_and_without_a_part_no_rest():
    it = flows()
    assert it.derive([each for each in second(0) + second(1) if each.device != "bank"]) == []
    it = flows()
    made = it.derive([each for each in second(0) + second(1) if each.device != "heat"])
    (now,) = values(made)
    assert "rest_power" not in now


def test_a_meter_that_falls_silent_stops_the_balance_after_three_of_its_intervals():
    it = flows()
    made = []
    for at in range(40):
        made += it.derive([each for each in second(at) if each.device != "mains" or at < 5])
    assert len(values(made)) == 4 + 10


def test_an_inverter_that_fell_asleep_gives_nothing():
    it = flows()
    made = []
    for at in range(100):
        made += it.derive(
            [each for each in second(at, roof=20.0) if each.device != "roof" or at < 5]
        )
    assert len(values(made)) == 99
    assert values(made)[-1]["solar_power"] == 0


def test_a_time_that_is_still_to_come_is_forgotten():
    it = flows()
    it.derive([reading("mains", 1e6, 1.0)])
    it.derive(second(0))
    it.tick(BEGIN_MS + 10_000)
    assert len(values(it.derive(second(11) + second(12)))) == 1


def test_meters_of_three_phases_add_up():
    roles = {"l1": "grid", "l2": "grid"}
    made = flows(roles).derive(
        [
            reading(each, at, power)
            for at in (0, 1)
            for each, power in (("l1", 500.0), ("l2", -200.0))
        ]
    )
    (now,) = values(made)
    assert (now["grid_import_power"], now["grid_export_power"], now["house_power"]) == (
        500,
        200,
        300,
    )


def test_a_meter_before_the_panels_that_counts_them_as_export_is_turned_round():
    it = flows({"mains": "grid", "pv": "solar"})
    made = []
    for at in range(3):
        made += it.derive([reading("mains", at, 100.0), reading("pv", at, -900.0)])
    assert values(made)[0]["solar_power"] == 900


def test_it_needs_a_role_that_makes_a_balance():
    with pytest.raises(BadOption, match="give one a 'role'"):
        flows({"oven": "part of house"})


def test_at_most_one_balance_per_interval():
    it = flows(every=5)
    made = []
    for at in range(20):
        made += it.derive(second(at) + second(at + 0.5))
    assert [each.at_ms - BEGIN_MS for each in made if each.device == "home"] == [0, 5000, 10000]
