"""Flows: the balance of a house, quarter by quarter, against houses of which all is known."""

import json
import random
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.contract.roles import plan
from collector.derive.flows import energy
from collector.derive.flows.balance import Sides, balance, fitted
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.ledger.days import MICRO, QUARTER_MS
from collector.ledger.sums import Period, periods
from collector.reading import Reading, encode
from collector.scalars import Role

BEGIN_MS = 1_763_593_200_000  # midnight in Rome
DAY_MS = 86_400_000
MINUTE_MS = 60_000
ROME = ZoneInfo("Europe/Rome")
HOUSE = {"mains": "grid", "roof": "solar", "bank": "battery"}
PARTS = {"heat": "heat_pump", "kitchen": "part of house", "oven": "part of kitchen"}
COUNTERS = {
    "mains": ("active_energy_import", "active_energy_export"),
    "roof": ("", "yield_total"),
    "bank": ("charged_energy", "discharged_energy"),
}


def plan_of(roles):
    return plan({device: Role(role) for device, role in roles.items()})


class Ledger:
    """A ledger, filled by energies of each minute: device → what it drew and what it gave."""

    def __init__(self, folder):
        self.file = folder / "ledger" / "ledger.sqlite"
        self.database = create(self.file)
        self.book = Book()
        self.totals = {}

    def tell(self, at_ms, device, drawn=0, given=0, names=None):
        total = self.totals.setdefault(device, [0, 0])
        total[0] += drawn
        total[1] += given
        names = names or COUNTERS.get(device, ("active_energy", ""))
        values = {name: micro / MICRO for name, micro in zip(names, total, strict=True) if name}
        self.book.take(encode(Reading("energy", device, at_ms, values)))

    def write(self):
        with self.database.transaction():
            self.book.write(self.database)
        self.book.written()

    def sums(self, roles, found_periods, end_ms=0):
        self.write()
        wanted = plan_of(roles)
        first, last = found_periods[0].begin_ms, found_periods[-1].end_ms
        found = energy.read(self.database, wanted, first, last)
        return energy.summed(found, wanted, found_periods, end_ms or energy.newest_ms(found))


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path)
    yield made
    made.database.close()


def day(number=0, days=1):
    return [Period(BEGIN_MS + number * DAY_MS, BEGIN_MS + (number + days) * DAY_MS)]


def test_the_worked_example_noon_and_night_are_not_netted(ledger):
    wh = MICRO
    for minute in range(24 * 60 + 1):
        at = BEGIN_MS + minute * MINUTE_MS
        hour = (minute - 1) // 60
        imported = 2_000 * wh // 60 if hour == 22 else 0
        exported = 2_000 * wh // 60 if hour == 12 else 0
        solar = 3_000 * wh // 60 if hour == 12 else 0
        ledger.tell(at, "mains", imported, exported)
        ledger.tell(at, "roof", 0, solar)
    (one,) = ledger.sums({"mains": "grid", "roof": "solar"}, day())
    assert (one.known, one.missing) == (96, 0)
    assert one.flow.self_use == pytest.approx(1 / 3)
    assert one.flow.autarky == pytest.approx(1 / 3, rel=1e-6)


def house_of(seed, minutes=24 * 60):
    """Yield what each device drew and gave in each minute, and the truth."""
    chance = random.Random(seed)
    for minute in range(minutes):
        is_light = 7 * 60 < minute % 1440 < 17 * 60
        solar = chance.randrange(80_000_000) if is_light else 0
        heat, oven = chance.randrange(20_000_000), chance.randrange(10_000_000)
        kitchen = oven + chance.randrange(5_000_000)
        house = heat + kitchen + chance.randrange(30_000_000)
        left = solar - house
        charged = max(min(left, chance.randrange(20_000_000)), 0)
        discharged = max(min(-left, chance.randrange(20_000_000)), 0)
        net = house + charged - solar - discharged
        yield {
            "mains": (max(net, 0), max(-net, 0)),
            "roof": (0, solar),
            "bank": (charged, discharged),
            "heat": (heat, 0),
            "kitchen": (kitchen, 0),
            "oven": (oven, 0),
            "house": (house, 0),
        }


def start(ledger, devices):
    for device in devices:
        ledger.tell(BEGIN_MS, device)


@pytest.mark.parametrize("seed", range(4))
def test_random_houses_come_out_to_the_last_micro_watt_hour(seed, ledger):
    devices = [*HOUSE, *PARTS]
    start(ledger, devices)
    truth = dict.fromkeys([*devices, "house"], 0)
    for minute, flows in enumerate(house_of(seed)):
        for device in devices:
            ledger.tell(BEGIN_MS + (minute + 1) * MINUTE_MS, device, *flows[device])
        for device in truth:
            truth[device] += sum(flows[device]) if device in ("house", *PARTS) else flows[device][1]
    (one,) = ledger.sums(HOUSE | PARTS, day())
    flow = one.flow
    assert flow.house == truth["house"]
    assert flow.solar == truth["roof"]
    assert flow.exported == truth["mains"]
    assert flow.parts == {name: truth[name] for name in PARTS}
    assert flow.rest == truth["house"] - truth["heat"] - truth["kitchen"]
    assert flow.from_grid + flow.from_solar + flow.from_battery == flow.house
    assert (flow.clamped, flow.exceeded, one.missing, one.gaps) == (0, 0, 0, {})


@pytest.mark.parametrize("by", ["hour", "day", "month"])
def test_sums_of_periods_add_up_to_the_whole(by, ledger):
    start(ledger, HOUSE)
    for minute, flows in enumerate(house_of(9, 3 * 1440)):
        for device in HOUSE:
            ledger.tell(BEGIN_MS + (minute + 1) * MINUTE_MS, device, *flows[device])
    (whole,) = ledger.sums(HOUSE, day(days=3))
    found = list(periods(BEGIN_MS, BEGIN_MS + 3 * DAY_MS, by, ROME))
    parts = ledger.sums(HOUSE, found)
    for name in ("house", "from_grid", "from_solar", "from_battery", "used", "paid"):
        assert sum(getattr(each.flow, name) for each in parts) == getattr(whole.flow, name)
    assert sum(each.known for each in parts) == 3 * 96


def test_a_meter_a_second_out_of_step_shifts_no_more_than_that_second(ledger):
    start(ledger, HOUSE)
    house = 0
    for minute, flows in enumerate(house_of(3)):
        for device in HOUSE:
            late = 1000 if device == "roof" else 0
            ledger.tell(BEGIN_MS + (minute + 1) * MINUTE_MS + late, device, *flows[device])
        house += flows["house"][0]
    ledger.tell(BEGIN_MS + 1441 * MINUTE_MS, "roof")
    (one,) = ledger.sums(HOUSE, day())
    assert one.missing == 0
    # What lies in the second beyond each quarter is the next one's: 2 Wh at most.
    assert abs(one.flow.house - house) < 3_000_000 + one.flow.clamped


def test_where_export_runs_ahead_of_the_sun_the_house_is_clamped_and_that_is_counted():
    flow = balance(Sides(imported=0, exported=10, solar=8), {"heat": 4}, plan_of(HOUSE | PARTS))
    assert (flow.house, flow.clamped, flow.rest, flow.parts) == (0, 2, 0, {"heat": 0})
    assert flow.exceeded == 4


def test_parts_never_exceed_their_whole_and_keep_their_proportion():
    chance = random.Random(5)
    for _ in range(500):
        amounts = [chance.randrange(1000) for _ in range(chance.randrange(1, 6))]
        whole = chance.randrange(2000)
        made = fitted(whole, amounts)
        assert sum(made) == min(whole, sum(amounts))
        assert all(0 <= each <= most for each, most in zip(made, amounts, strict=True))
    wanted = plan_of(HOUSE | PARTS)
    flow = balance(Sides(imported=10), {"kitchen": 6, "oven": 9, "heat": 2}, wanted)
    assert flow.parts == {"kitchen": 6, "oven": 6, "heat": 2}
    assert (flow.rest, flow.exceeded) == (2, 3)


def test_what_the_battery_took_from_the_grid_is_paid_and_never_autarky():
    night = balance(Sides(imported=5, exported=0, charged=4, discharged=0), {}, plan_of(HOUSE))
    noon = balance(Sides(imported=0, exported=0, charged=0, discharged=4), {}, plan_of(HOUSE))
    night.add(noon)
    assert (night.house, night.from_battery, night.from_grid) == (5, 4, 1)
    assert night.autarky == 0


def test_export_is_the_suns_before_it_is_the_batterys():
    flow = balance(Sides(imported=2, exported=3, solar=2, discharged=1), {}, plan_of(HOUSE))
    assert (flow.used, flow.from_battery, flow.from_solar, flow.from_grid) == (0, 0, 0, 2)


def test_a_house_meter_tells_the_grid_or_the_sun():
    roles = {"home": "house", "roof": "solar"}
    flow = balance(Sides(house=3, solar=5), {}, plan_of(roles))
    assert (flow.imported, flow.exported, flow.from_solar) == (0, 2, 3)
    flow = balance(Sides(house=3, imported=0, exported=2), {}, plan_of({"home": "house"}))
    assert (flow.solar, flow.used, flow.from_solar) == (5, 3, 3)


def test_off_the_grid_the_house_is_what_sun_and_battery_give():
    flow = balance(Sides(solar=5, charged=3, discharged=0), {}, plan_of({"roof": "solar"}))
    assert (flow.house, flow.imported, flow.autarky, flow.self_use) == (2, 0, 1, 1)


def test_a_missing_meter_is_told_and_guessed_nowhere(ledger):
    start(ledger, HOUSE)
    for minute, flows in enumerate(house_of(4)):
        at = minute + 1
        for device in HOUSE:
            if device != "bank" or not 600 <= at < 720:
                ledger.tell(BEGIN_MS + at * MINUTE_MS, device, *flows[device])
            else:
                total = ledger.totals[device]
                total[0] += flows[device][0]
                total[1] += flows[device][1]
    (one,) = ledger.sums(HOUSE, day())
    assert one.missing == 9  # 10:00 to 12:00, and the quarter in which the gap begins: 09:59
    assert one.known == 96 - 9
    assert one.gaps["bank"] > 0


@pytest.mark.parametrize("correction", [-0.3, 0.0, 0.3])
def test_a_decision_that_is_corrected_leaves_its_quarter_known_and_is_told_beside(
    correction, ledger
):
    start(ledger, ["mains", "roof"])
    for minute in range(1, 24 * 60 + 1):
        at = BEGIN_MS + minute * MINUTE_MS
        ledger.tell(at, "mains", 3 * MICRO, 2 * MICRO)
        ledger.tell(at, "roof", 0, MICRO)
    begin_s = BEGIN_MS / 1000 + 36_000
    told = {"event": 7.0, "event_of": 1.0, "event_correction": correction}
    told |= {"event_begin": begin_s, "event_end": begin_s + 300}
    for quantity in COUNTERS["mains"]:
        ledger.book.take(
            encode(Reading("counter_event", "mains", BEGIN_MS, {quantity: 1.0, **told}))
        )
    (one,) = ledger.sums({"mains": "grid", "roof": "solar"}, day())
    assert (one.known, one.missing) == (96, 0)
    assert (one.flow.imported, one.flow.exported) == (4320 * MICRO, 2880 * MICRO)
    assert sum(one.gaps.values()) == round(2 * correction * MICRO)


def test_an_inverter_that_sleeps_at_night_is_no_gap(ledger):
    made = 0
    for minute in range(2 * 1440 + 1):
        at = BEGIN_MS + minute * MINUTE_MS
        ledger.tell(at, "mains", 10_000_000 if minute else 0)
        if 8 * 60 <= minute % 1440 <= 16 * 60:
            solar = 5_000_000 if minute % 1440 > 8 * 60 else 4_000_000 * bool(minute > 1440)
            made += solar
            ledger.tell(at, "roof", 0, solar)
    one, two = ledger.sums({"mains": "grid", "roof": "solar"}, day() + day(1))
    assert (two.known, two.gaps) == (64, {})  # the sun of the last day stopped at 300 W: it failed
    assert one.missing == 32  # before the inverter was there
    assert one.flow.solar + two.flow.solar == made


def test_an_inverter_that_fell_asleep_gives_nothing_until_it_wakes_up(ledger):
    for minute in range(1440 + 300 + 1):
        at = BEGIN_MS + minute * MINUTE_MS
        ledger.tell(at, "mains", 10_000_000 if minute else 0)
        if 8 * 60 <= minute <= 16 * 60 + 7:
            ledger.tell(at, "roof", 0, 5_000_000 if minute < 16 * 60 else 1_000_000)
    roles = {"mains": "grid", "roof": "solar"}
    one, two = ledger.sums(roles, day() + day(1))
    assert (one.known, one.missing) == (64, 32)
    assert (two.known, two.missing) == (20, 0)
    (alone,) = ledger.sums(roles, day(1))
    assert (alone.known, alone.missing) == (20, 0)


def test_a_meter_before_the_panels_may_be_built_in_either_way_round(ledger):
    names = ("active_energy_import", "active_energy_export")
    for minute in range(1440 + 1):
        at = BEGIN_MS + minute * MINUTE_MS
        is_light = 600 < minute <= 720
        ledger.tell(at, "mains", 2_000_000)
        sides = (5_000_000, 0) if is_light else (0, 10_000)
        ledger.tell(at, "roof", *sides, names=names)
        ledger.tell(at, "shed", *reversed(sides), names=names)
    (one,) = ledger.sums({"mains": "grid", "roof": "solar", "shed": "solar"}, day())
    assert one.flow.solar == 2 * 120 * 5_000_000


def test_a_counter_of_export_that_begins_later_is_no_gap_before(ledger):
    for minute in range(1440 + 1):
        at = BEGIN_MS + minute * MINUTE_MS
        values = {"active_energy_import": minute / 10}
        if minute >= 605:
            values["active_energy_export"] = (minute - 605) / 10
        ledger.book.take(encode(Reading("energy", "mains", at, values)))
    (one,) = ledger.sums({"mains": "grid"}, day())
    assert (one.known, one.missing) == (96, 0)


def test_a_part_that_is_missing_is_in_the_rest_and_told(ledger):
    start(ledger, ["mains"])
    for minute in range(1440):
        at = BEGIN_MS + (minute + 1) * MINUTE_MS
        ledger.tell(at, "mains", 3_000_000)
        if minute >= 719:
            ledger.tell(at, "heat", 1_000_000)
    (one,) = ledger.sums({"mains": "grid", "heat": "heat_pump"}, day())
    assert one.flow.parts["heat"] == 720 * 1_000_000
    assert one.flow.rest == one.flow.house - 720 * 1_000_000
    assert one.missing_parts == {"heat": 48}


def test_the_command_shows_days_in_80_columns(ledger, tmp_path):
    roles = HOUSE | PARTS
    sources = "".join(
        f"  {name}: {{type: simulated, role: {role}}}\n" for name, role in roles.items()
    )
    file = tmp_path / "config.yaml"
    file.write_text(f"timezone: Europe/Rome\ndata_dir: {tmp_path}\nsources:\n{sources}")
    start(ledger, roles)
    for minute, flows in enumerate(house_of(1)):
        for device in roles:
            ledger.tell(BEGIN_MS + (minute + 1) * MINUTE_MS, device, *flows[device])
    ledger.write()
    words = ["flows", "--config", str(file), "--since", "2025-11-20"]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    assert "Thu 20 Nov 2025" in shown.output
    assert "kitchen" in shown.output
    found = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    (one,) = ledger.sums(roles, day())
    assert found[0]["house"] == one.flow.house / 1e6
    assert found[0]["begin"] == "2025-11-20T00:00:00+01:00"
    month = CliRunner().invoke(main, [*words, "--by", "month"])
    assert "Nov 2025" in month.output


def test_the_command_says_that_there_is_no_role(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"data_dir: {tmp_path}\nsources:\n  mains: {{type: simulated}}\n")
    shown = CliRunner().invoke(main, ["flows", "--config", str(file)])
    assert shown.exit_code == 1
    assert "give one a 'role'" in shown.output


assert QUARTER_MS == 15 * MINUTE_MS
