"""SunSpec: what we know of its models against its own definitions, and chains of every kind."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, ReadFault
from collector.quantity import catalogue
from collector.sources.modbus import sunspec, sunspec_chain
from tests.fakes.sunspec_image import (
    HYBRID,
    INVERTER,
    METER,
    NAMEPLATE,
    STORAGE,
    STRINGS,
    battery_inputs,
    common,
    definition,
    image,
    model,
    points,
)

UNITS = {
    "C": "°C",
    "Pct": "",
    "PF": "",
    "% AhrRtg": "%",
    "%WHRtg": "%",
    "Var": "var",
    "Varh": "varh",
    None: "",
}


def reading(registers):
    """Return what reads *registers* like a device that refuses all others."""

    def read(address, count):
        wanted = range(address, address + count)
        if not all(each in registers for each in wanted):
            raise DeviceRefused("exception 2", 2)
        return [registers[each] for each in wanted]

    return read


def told(registers):
    """Return {device: {quantity: value}} of all that a device with *registers* tells."""
    read = reading(registers)
    found: dict[str, dict[str, float]] = {}
    for point in sunspec.points(sunspec_chain.walk(read), read):
        value = point.value(read(*point.extent))
        if value is not None:
            found.setdefault(point.device, {})[point.quantity] = value
    return found


@pytest.mark.parametrize("number", sorted(sunspec.contents()))
def test_a_model_is_as_its_definition_says(number):
    content = sunspec.contents()[number]
    main = definition(number)
    theirs = {each["name"]: (offset, each) for offset, each in points(main)}
    length = max(offset + each["size"] for offset, each in theirs.values())
    for group in main.get("groups", []):
        assert content.repeat == {"from": length, "every": sum(e["size"] for _, e in points(group))}
        theirs |= {each["name"]: (length + offset, each) for offset, each in points(group)}
    assert len({row.quantity for row in content.points}) == len(content.points)
    for row in content.points:
        offset, point = theirs[row.point]
        factor = theirs[point["sf"]][0] if "sf" in point else None
        assert (row.offset, row.type, row.factor) == (offset, point["type"], factor), row.point
        unit = catalogue()[row.quantity].unit
        if (number, row.point) != (713, "SoC"):  # in per cent, as it comes
            assert UNITS.get(point.get("units"), point.get("units")) == unit
            assert row.scale == (0.01 if point.get("units") == "Pct" else 1)
    for row in (row for variant in content.variants for row in variant.points):
        offset, point = theirs[row.point]
        assert (row.offset, row.type) == (offset, point["type"]), row.point
        assert row.factor == theirs[point["sf"]][0]
    for each in content.deviations:
        assert set(each.points) <= set(theirs)


def test_all_models_that_matter_in_a_house_are_known():
    numbers = {101, 102, 103, 111, 112, 113, 120, 124, 160, *range(201, 205), *range(211, 215)}
    numbers |= {701, 702, 713, 714, 802}
    assert set(sunspec.contents()) == numbers


def test_an_inverter_with_strings_battery_and_meter_is_told_apart():
    found = told(image(*HYBRID))
    assert list(found) == ["", ".string1", ".string2", ".battery1", ".meter1"]
    assert found[""] == {
        "current_sum": 21.34,
        "current_l1": 7.11,
        "current_l2": 7.12,
        "current_l3": 7.11,
        "voltage_l1": 230.1,
        "voltage_l2": 231.2,
        "voltage_l3": 229.8,
        "active_power_export": 4897,
        "frequency": 49.98,
        "apparent_power": 4905,
        "reactive_power": -270,
        "power_factor": -0.998,
        "active_energy_export": 12345678,
        "dc_input_voltage": 650.2,
        "dc_input_power": 5020,
        "heat_sink_temperature": 41.25,
        "inverter_state": 4,
        "inverter_events": 0,
        "nominal_power": 5000,
    }
    assert found[".string1"] == {
        "dc_input_current": 5.12,
        "dc_input_voltage": 650.2,
        "dc_input_power": 3330,
        "yield_total": 6543210,
        "temperature": 41,
    }
    assert found[".string2"]["dc_input_power"] == 1700
    assert "yield_total" not in found[".string2"]
    assert found[".battery1"] == {"state_of_charge": 73.5, "battery_voltage": 51.2}
    assert found[".meter1"] == {
        "current_sum": -5.5,
        "current_l1": -2,
        "voltage_ln_avg": 230.5,
        "voltage_l1": 230.1,
        "frequency": 49.98,
        "active_power": -1265,
        "active_power_l1": -460,
        "power_factor": -0.985,
        "active_energy_export": 9988770,
        "active_energy_import": 1122330,
    }


def test_a_meter_alone_is_the_device_itself_and_further_ones_are_numbered():
    chain = [common(), METER, common(), METER, METER]
    assert list(told(image(*chain))) == ["", ".meter2", ".meter3"]


def test_single_phase_and_floating_point_models_are_told_alike():
    whole = told(image(common(), model(101, PhVphA=2301, V_SF=-1, W=-12, W_SF=1, PF=99, PF_SF=0)))
    floating = told(image(common(), model(111, PhVphA=230.1, W=-120.0, PF=99.0)))
    assert whole == {"": {"voltage": 230.1, "active_power_export": -120, "power_factor": 0.99}}
    assert floating == whole


@pytest.mark.parametrize("name", ["SolarEdge", "SOLAREDGE Technologies"])
@pytest.mark.parametrize("number", [201, 202, 203, 204, 211, 212, 213, 214])
def test_power_that_a_solaredge_meter_sees_drawn_is_positive(name, number):
    factors = {} if number > 210 else {"W_SF": 0, "VAR_SF": 0, "TotWh_SF": 0}
    meter = model(number, W=-2600, VAR=-300, TotWhImp=7000, TotWhExp=5000, **factors)
    inverter = model(103, W=400, W_SF=0)
    found = told(image(common(name), inverter, common("WattNode", "WNC-3Y-400-MB"), meter))
    assert found[".meter1"] == {
        "active_power": 2600,
        "reactive_power": 300,
        "active_energy_import": 7000,
        "active_energy_export": 5000,
    }
    assert found[""] == {"active_power_export": 400}
    assert told(image(common("Acme"), meter))[""]["active_power"] == -2600


def test_a_kostal_meter_counts_below_zero_and_its_power_factor_is_no_percentage():
    meter = model(
        203, PF=995, PFphA=-840, PF_SF=-3, TotWhExp=0xFFB6D9FD, TotWhExpPhB=1200, TotWhImp=3018895,
        TotWh_SF=0,
    )  # fmt: skip
    found = told(image(common("KOSTAL", "KSEM"), meter))
    assert found[""] == {
        "power_factor": 0.995,
        "power_factor_l1": -0.84,
        "active_energy_export": 4793859,
        "active_energy_export_l2": 1200,
        "active_energy_import": 3018895,
    }
    assert told(image(common("Acme"), meter))[""]["active_energy_export"] == 0xFFB6D9FD


def test_a_counter_of_all_ones_is_absent():
    assert told(image(common(), model(103, W=1, W_SF=0, WH=0xFFFFFFFF, WH_SF=0))) == {
        "": {"active_power_export": 1}
    }


@pytest.mark.parametrize("storage", [[], [STORAGE]])
def test_inputs_that_are_a_battery_are_no_strings(storage):
    inputs = battery_inputs(0, 560)
    found = told(image(common("Fronius"), INVERTER, *storage, inputs))
    assert set(found) == {"", ".string1", ".battery1"}
    battery = found[".battery1"]
    assert (battery["charged_energy"], battery["discharged_energy"]) == (70, 60)
    assert battery["battery_voltage"] in {402.1, 51.2}
    assert ("state_of_charge" in battery) == bool(storage)
    assert found[".string1"]["dc_input_power"] == 1302


def test_an_inverter_with_the_newer_models_tells_the_same_quantities():
    measured = model(
        701, W=4897, W_SF=0, Hz=4998, Hz_SF=-2, PF=-998, PF_SF=-3, TotWhInj=2**53 - 1, TotWh_SF=0,
        WL1=1600, VL1=2301, V_SF=-1, TmpCab=412, Tmp_SF=-1,
    )  # fmt: skip
    rest = [
        model(702, WMaxRtg=500, W_SF=1),
        model(713, SoC=735, Pct_SF=-1),
        model(
            714,
            {"PrtTyp": 0, "ID": 1, "DCA": 512, "DCV": 6502, "DCW": 3330, "DCWhInj": 6543210},
            {"PrtTyp": 1, "ID": 2, "DCA": 10, "DCV": 512, "DCW": 51},
            NPrt=2, DCA_SF=-2, DCV_SF=-1, DCW_SF=0, DCWH_SF=0,
        ),
    ]  # fmt: skip
    found = told(image(common(), measured, *rest))
    assert found == {
        "": {
            "active_power_export": 4897,
            "power_factor": -0.998,
            "frequency": 49.98,
            "active_energy_export": 2**53 - 1,
            "temperature": 41.2,
            "active_power_export_l1": 1600,
            "voltage_l1": 230.1,
            "nominal_power": 5000,
        },
        ".battery1": {"state_of_charge": 73.5, "battery_voltage": 51.2},
        ".string1": {
            "dc_input_current": 5.12,
            "dc_input_voltage": 650.2,
            "dc_input_power": 3330,
            "yield_total": 6543210,
        },
    }


def test_of_an_older_and_a_newer_model_that_tell_the_same_the_first_counts():
    newer = model(701, W=1, W_SF=0, TotWhAbs=5, TotWh_SF=0)
    found = told(image(common(), INVERTER, newer))
    assert found[""]["active_power_export"] == 4897
    assert found[""]["active_energy_import"] == 5


@pytest.mark.parametrize("factor", [None, 11, -11, 0x7FFF])
def test_a_value_without_a_sound_scale_factor_is_absent(factor):
    assert told(image(common(), model(103, W=100, W_SF=factor, Hz=50, Hz_SF=0))) == {
        "": {"frequency": 50}
    }


def test_what_an_inverter_shows_at_night_is_absent_and_not_0_hz():
    assert told(image(common(), model(103, W=0, W_SF=0, Hz=0, Hz_SF=-2, St=2))) == {
        "": {"active_power_export": 0, "inverter_state": 2}
    }


def test_a_scale_factor_is_read_at_once_with_its_value():
    registers = image(common(), INVERTER)
    read = reading(registers)
    power = next(
        each
        for each in sunspec.points(sunspec_chain.walk(read), read)
        if each.quantity == "active_power_export"
    )
    assert power.extent == (power.address, 2)
    assert power.value([4897, 0xFFFF]) == 489.7
    assert power.value([4897, 1]) == 48970


def test_a_scale_factor_too_far_away_for_one_read_is_read_once():
    groups = [{"DCW": 100 + number} for number in range(12)]
    found = told(image(common(), model(160, *groups, DCW_SF=-1)))
    powers = {name: values["dc_input_power"] for name, values in found.items()}
    assert len(powers) == 12
    assert powers[""] == 10
    assert powers[".string12"] == 11.1


def test_a_model_that_is_cut_short_tells_what_it_holds():
    short = INVERTER[:20]
    short[1] = 18
    found = told(image(common(), short))
    assert set(found[""]) >= {"current_sum", "active_power_export", "frequency"}
    assert "reactive_power" not in found[""]


@pytest.mark.parametrize("base", [0, 40000, 50000])
def test_the_chain_is_found_at_each_of_three_places(base):
    read = reading(image(common(), INVERTER, base=base))
    assert [each.number for each in sunspec_chain.walk(read)] == [1, 103]


def test_a_chain_that_ends_with_the_registers_has_ended():
    assert [
        each.number for each in sunspec_chain.walk(reading(image(common(), METER, end=())))
    ] == [
        1,
        203,
    ]


def test_a_chain_that_ends_with_0_has_ended():
    read = reading(image(common(), METER, end=(0, 0)))
    assert [each.number for each in sunspec_chain.walk(read)] == [1, 203]


def faulty(read, fault, *, times):
    """Return *read* that raises *fault* where the chain of a meter goes on, for *times*."""
    place, left = 40070, [times]

    def read_or_raise(address, count):
        if address == place and left[0]:
            left[0] -= 1
            raise fault
        return read(address, count)

    return read_or_raise


def test_silence_behind_the_last_model_is_the_end_where_the_device_still_answers():
    read = reading(image(common(), METER))
    one = faulty(read, DeviceSilent("nothing"), times=1)
    assert [each.number for each in sunspec_chain.walk(one)] == [1, 203]
    for_ever = faulty(read, DeviceSilent("nothing"), times=-1)
    assert [each.number for each in sunspec_chain.walk(for_ever)] == [1]


def test_a_device_that_falls_silent_while_it_tells_its_models_has_not_told_them():
    read, heard = reading(image(common(), METER)), []

    def falling_silent(address, count):
        heard.append(address)
        if len(heard) > 2:
            raise DeviceSilent("nothing")
        return read(address, count)

    with pytest.raises(DeviceSilent):
        sunspec_chain.walk(falling_silent)


@pytest.mark.parametrize("place", [40000, 40070])
def test_a_device_that_is_busy_has_neither_ended_its_chain_nor_none(place):
    def busy(address, count):
        if address == place:
            raise DeviceRefused("exception 6: busy", 6)
        return reading(image(common(), METER))(address, count)

    with pytest.raises(DeviceRefused, match="busy"):
        sunspec_chain.walk(busy)


def test_what_is_no_sunspec_device_is_said():
    with pytest.raises(
        DeviceRefused, match="it is not a SunSpec device: at none of 40000, 50000, 0"
    ):
        sunspec_chain.walk(reading(dict.fromkeys(range(0x10000), 7)))


@pytest.mark.parametrize(("number", "length"), [(1, 0), (103, 1), (7, 0xFFFF), (7, 500)])
def test_a_chain_without_an_end_is_a_damaged_frame(number, length):
    def read(address, _count):
        return (0x5375, 0x6E53) if address == 40000 else (number, length)

    with pytest.raises(FrameDamaged, match="without an end"):
        sunspec_chain.walk(read)


def test_a_device_that_takes_for_ever_is_given_up(monkeypatch):
    monkeypatch.setattr(sunspec_chain, "LONGEST_WALK_S", -1)
    with pytest.raises(DeviceSilent, match="no end"):
        sunspec_chain.walk(reading(image(common(), METER)))


def test_a_device_says_who_it_is():
    read = reading(image(common("Sun & Co", "X\x07 1"), NAMEPLATE, STRINGS))
    models = sunspec_chain.walk(read)
    assert sunspec_chain.described(models, sunspec_chain.identity(models, read)) == (
        "Sun & Co X 1, version 1.2, serial number A-17, models 1, 120, 160"
    )
    read = reading(image(METER))
    models = sunspec_chain.walk(read)
    assert sunspec_chain.described(models, sunspec_chain.identity(models, read)) == (
        "SunSpec device, models 203"
    )


@given(st.data())
def test_whatever_a_device_shows_is_numbers_or_a_fault_of_ours(data):
    known = st.sampled_from([0, 1, *sunspec.contents(), 0xFFFF])
    heads = st.lists(st.tuples(known, st.integers(0, 200)), max_size=12)
    noise = data.draw(st.binary(min_size=64, max_size=64))
    pattern = struct.unpack(">32H", noise)
    chain = [
        [number, length, *(pattern[each % 32] for each in range(length))]
        for number, length in data.draw(heads)
    ]
    try:
        found = told(image(*chain, end=data.draw(st.sampled_from([(), (0xFFFF, 0)]))))
    except ReadFault:
        return
    for values in found.values():
        assert all(isinstance(value, int | float) for value in values.values())
