"""What stands in the tables: against PyPI luxtronik as oracle, the fact table, and a recording."""

import csv
import socket
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from luxtronik import Luxtronik as Oracle
from luxtronik import datatypes
from luxtronik.calculations import Calculations
from luxtronik.parameters import Parameters

from collector.quantity import catalogue
from collector.sources.luxtronik import meaning
from collector.sources.luxtronik.meaning import Memory, decode, decode_firmware, decode_memories
from tests.fakes import luxtronik_controller as fake
from tests.fakes.luxtronik_controller import Controller

SHARED = Path(__file__).parents[5] / "shared"
MAP = meaning.load()
ENTRIES = [*MAP.calculations, *MAP.parameters]
IN_ORACLE = [each for each in MAP.calculations if each.index in Calculations.calculations]
NAMED = [
    each
    for each in IN_ORACLE
    if not Calculations.calculations[each.index].name.startswith("Unknown")
]
# What the oracle's types mean: their unit, and how many of ours one of theirs is.
UNITS = {
    datatypes.Celsius: ("°C", 1),
    datatypes.Kelvin: ("K", 1),
    datatypes.Pressure: ("bar", 1),
    datatypes.Flow: ("l/h", 1),
    datatypes.Speed: ("rpm", 1),
    datatypes.Frequency: ("Hz", 1),
    datatypes.Percent2: ("%", 1),
    datatypes.Power: ("W", 1),
    datatypes.Energy: ("Wh", 1000),
    datatypes.Seconds: ("s", 1),
}
NUMBERS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=300)


def name_of(entry):
    return entry.quantity


@pytest.fixture(scope="module")
def recorded():
    folder = SHARED / "recordings" / "luxtronik"
    if not folder.exists():
        pytest.skip("the recordings (../shared/recordings) are not beside the repository")
    return {command: (folder / str(command)).read_bytes() for command in (3003, 3004, 3005)}


@pytest.fixture
def oracle(recorded, monkeypatch):
    """What PyPI luxtronik understands of the recorded replies."""
    monkeypatch.setattr(Oracle, "_connect", connect_with_time_out)
    with Controller(recorded) as controller:
        read = Oracle("127.0.0.1", controller.port)
        assert controller.requests == [(3003, 0), (3004, 0), (3005, 0)]
    return read


def connect_with_time_out(oracle):
    oracle._socket = socket.create_connection((oracle._host, oracle._port), 10)


def numbers(reply, head):
    return [
        int.from_bytes(reply[at : at + 4], "big", signed=True) for at in range(head, len(reply), 4)
    ]


# The map


def test_every_quantity_is_in_the_catalogue_and_read_once():
    assert set(MAP.quantities) <= set(catalogue())
    assert len(set(MAP.quantities)) == len(MAP.quantities)
    for firmware in ("V1.80", "V2.88.3", "V3.88.0", "V3.92.1", "V4.0", ""):
        for table in (MAP.calculations, MAP.parameters):
            entries = [entry for entry in table if entry.is_of(firmware)]
            assert len({entry.index for entry in entries}) == len(entries)
            assert len({entry.quantity for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    ("firmware", "table", "heat_wh"),
    [
        ("V2.88.3", {1059: 147140}, 1_471_400),
        ("V3.90.1", {1059: 14714}, 1_471_400),
        ("V3.92.3", {1059: 5, 1140: 2572}, 257_200),
        ("", {1059: 147140, 1140: 2572}, None),
    ],
)
def test_the_heat_of_the_auxiliary_heater_is_read_by_firmware(firmware, table, heat_wh):
    numbers = [table.get(place, 0) for place in range(1141)]
    entries = [entry for entry in MAP.parameters if entry.is_of(firmware)]
    assert decode(entries, numbers, ()).get("heat_energy_aux") == heat_wh


@pytest.mark.parametrize(
    ("inputs", "state"), [((1, 0), 1), ((0, 0), 2), ((0, 1), 3), ((1, 1), 4), ((7, 0), None)]
)
def test_the_two_inputs_of_sg_ready_are_one_state(inputs, state):
    numbers = [0] * 186
    numbers[31], numbers[185] = inputs
    assert meaning.decode_smart_grid(MAP.smart_grid, numbers).get("sg_ready") == state
    assert meaning.decode_smart_grid(MAP.smart_grid, numbers[:100]) == {}


def test_every_state_that_has_words_is_read():
    assert set(MAP.states) <= set(MAP.quantities)
    assert all(catalogue()[quantity].kind == "state" for quantity in MAP.states)


def held(entry, number):
    """Return a table that holds *number* where *entry* stands."""
    return [0] * entry.index + [number]


@pytest.mark.parametrize("entry", NAMED, ids=name_of)
def test_names_units_and_scales_are_those_of_the_oracle(entry):
    theirs = Calculations.calculations[entry.index]
    unit, ours = UNITS.get(type(theirs), ("", 1))
    assert entry.name == theirs.name
    assert catalogue()[entry.quantity].unit == unit
    is_state = isinstance(theirs, datatypes.SelectionBase | datatypes.Bool)
    for number in (1, -37, 342, 1_234_567):
        expected = number if is_state else theirs.from_heatpump(number) * ours
        assert decode([entry], held(entry, number), ()) == {
            entry.quantity: pytest.approx(expected, rel=1e-12)
        }


def test_only_what_the_oracle_does_not_know_is_unproved():
    assert {each.quantity for each in ENTRIES if each not in NAMED} == {
        each.quantity for each in ENTRIES if each.unproved
    }
    for each in MAP.parameters:  # the oracle adds a name to its table for what it is told of
        theirs = Parameters.parameters.get(each.index)
        is_unknown = theirs is None or theirs.name.startswith("Unknown")
        assert is_unknown or theirs.name == each.name, each


@pytest.mark.parametrize("quantity", sorted(MAP.states.keys() - {MAP.smart_grid.quantity}))
def test_the_numbers_of_states_are_those_of_the_oracle(quantity):
    places = {entry.quantity: entry.index for entry in MAP.calculations}
    places |= {memory.code: memory.codes for memory in MAP.memories}
    theirs = Calculations.calculations[places[quantity]].codes
    assert {int(number) for number in MAP.states[quantity]} == set(theirs)
    if quantity == "heat_pump_model":
        assert {int(number): word for number, word in MAP.states[quantity].items()} == theirs


@pytest.mark.parametrize("memory", MAP.memories, ids=lambda each: each.code)
def test_the_memories_stand_where_the_oracle_has_them(memory):
    theirs = Calculations.calculations
    kinds = (datatypes.Errorcode, datatypes.SwitchoffFile)
    for number in range(memory.length):
        assert isinstance(theirs[memory.codes + number], kinds)
        assert isinstance(theirs[memory.times + number], datatypes.Timestamp)
        assert theirs[memory.codes + number].name.endswith(f"Nr{number}")
        assert theirs[memory.times + number].name.endswith(f"Time{number}")


def test_the_map_agrees_with_the_table_of_facts():
    file = SHARED / "facts" / "luxtronik_calculations.csv"
    if not file.exists():
        pytest.skip("the table of facts (../shared/facts) is not beside the repository")
    with file.open(encoding="utf-8") as opened:
        facts = {int(row["index"]): row for row in csv.DictReader(opened) if row["count"] == "1"}
    ours = {"kWh": 1000}
    for entry in MAP.calculations:
        row = facts[entry.index]
        assert entry.scale == pytest.approx(float(row["scale"]) * ours.get(row["unit"], 1))
        assert entry.name in (row["device_name"], "Circulation_Pump")  # HUP_PWM since then


# Decoding


def test_a_recording_is_decoded(recorded):
    values = decode(MAP.calculations, numbers(recorded[3004], 12), ())
    assert values == {
        "flow_temperature": 34.2,
        "return_temperature": 32.6,
        "return_target_temperature": 15.0,
        "return_external_temperature": 30.1,
        "hot_gas_temperature": 21.0,
        "outside_temperature": 13.9,
        "outside_temperature_avg": 12.6,
        "hot_water_temperature": 64.2,
        "hot_water_target_temperature": 50.0,
        "mixing1_temperature": 25.0,
        "mixing1_target_temperature": 20.0,
        "heat_pump_time": 15_707_970,
        "heating_time": 12_315_581,
        "hot_water_time": 3_373_389,
        "compressor1_time": 15_707_970,
        "compressor1_starts": 9869,
        "aux_heater1_time": 871_463,
        "aux_heater2_time": 10_747_990,
        "running_since": 0,
        "compressor1_on": 0,
        "heating_pump_on": 0,
        "hot_water_pump_on": 0,
        "source_pump_on": 0,
        "utility_lock": 1,
        "operating_mode": 5,
        "bivalence_level": 1,
        "status_line1": 1,
        "status_line3": 1,
        "status_time": 23_370,
        "heat_pump_model": 7,
        "error_count": 5,
    }
    assert decode(MAP.parameters, numbers(recorded[3003], 8), ()) == {}
    assert decode_firmware(numbers(recorded[3004], 12)) == "V1.80"


def test_the_latest_of_a_memory_is_told_though_it_is_written_round(recorded):
    assert decode_memories(MAP.memories, numbers(recorded[3004], 12)) == {
        "error_code": 716,
        "error_time": 1_500_955_563,
        "switch_off_code": 0,
        "switch_off_time": 1_501_045_864,
    }


def test_the_oracle_reads_the_same_from_the_fake(recorded, oracle):
    values = decode(
        MAP.calculations, numbers(recorded[3004], 12), {each.quantity for each in ENTRIES}
    )
    assert oracle.calculations.get("ID_WEB_SoftStand").value == "V1.80"
    assert oracle.calculations.get("ID_WEB_ERROR_Nr0").value == 716
    errors = datetime.fromtimestamp(1_500_955_563)  # noqa: DTZ006  so does the oracle
    assert oracle.calculations.get("ID_WEB_ERROR_Time0").value == errors
    compared = 0
    for entry in NAMED:
        if entry.quantity in values:
            theirs = oracle.calculations.get(entry.index)
            if isinstance(theirs, datatypes.SelectionBase):
                expected = theirs.codes[values[entry.quantity]]
            else:
                expected = values[entry.quantity] / UNITS.get(type(theirs), ("", 1))[1]
            assert theirs.value == expected, entry
            compared += 1
    assert compared == 65


def test_the_oracle_reads_a_newer_table_from_the_fake(monkeypatch):
    monkeypatch.setattr(Oracle, "_connect", connect_with_time_out)
    held = [0] * 269
    held[10], held[257] = 351, 4800
    replies = {
        3003: fake.parameters([0] * 1143),
        3004: fake.calculations(held),
        3005: fake.visibilities([1] * 366),
    }
    with Controller(replies) as controller:
        theirs = Oracle("127.0.0.1", controller.port).calculations
    assert theirs.get("ID_WEB_Temperatur_TVL").value == 35.1
    assert theirs.get("Heat_Output").value == 4800
    assert decode(MAP.calculations, held, ())["heat_power"] == 4800


def test_a_zero_counts_once_it_was_something_else():
    table = [0] * 300
    assert "flow_rate" not in decode(MAP.calculations, table, ())
    assert decode(MAP.calculations, table, {"flow_rate"})["flow_rate"] == 0
    assert decode(MAP.calculations, table, ())["outside_temperature"] == 0


def test_a_sensor_that_is_not_connected_is_absent_even_when_known():
    table = [0] * 19 + [-500]
    assert "source_in_temperature" not in decode(MAP.calculations, table, {"source_in_temperature"})


@given(NUMBERS)
def test_any_table_of_any_length_is_decoded(table):
    for entries in (MAP.calculations, MAP.parameters):
        values = decode(entries, table, ())
        reachable = {entry.quantity for entry in entries if entry.index < len(table)}
        assert set(values) <= reachable
        assert all(isinstance(value, float) for value in values.values())
    for code, at_s in zip(*[iter(decode_memories(MAP.memories, table).values())] * 2, strict=True):
        assert code in table
        assert at_s in table
        assert at_s > 0
    assert decode_firmware(table).isascii()


def test_a_memory_that_a_short_table_cuts_off_is_not_there():
    memory = Memory(code="error_code", codes=100, time="error_time", times=95, length=5)
    assert decode_memories([memory], [1] * 99) == {}
    assert decode_memories([memory], [1] * 101) == {"error_code": 1, "error_time": 1}
