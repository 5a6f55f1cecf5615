"""What the variables of NUT mean: of UPSs, of PDUs and their outlets, with one phase and three."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.quantity import catalogue
from collector.sources.nut import meaning

KNOWN = [each for names in (meaning.UPS, meaning.PDU) for row in names.values() for each in row]
variable = st.sampled_from([*KNOWN, "ups.status", "outlet.1.current", "outlet.status"])


@given(st.dictionaries(variable, st.text()))
def test_whatever_the_variables_hold_values_are_numbers_of_the_catalogue(told):
    for values in meaning.decode(told).values():
        assert values.keys() <= catalogue().keys()
        assert all(isinstance(value, float) for value in values.values())


def test_every_quantity_is_in_the_catalogue_and_every_flag_in_its_help():
    assert set(meaning.ALL) <= set(catalogue())
    known = catalogue()["ups_status"]
    assert known.high == 2 ** len(meaning.FLAGS) - 1
    for bit, flag in enumerate(meaning.FLAGS):
        assert f" {1 << bit} {flag}" in known.help


@pytest.mark.parametrize("said", ["", "nan", "inf", "1e5", "1,5", "0x1f", "5 V", "9" * 21, "٣"])
def test_what_is_no_number_as_nut_writes_it_is_absent(said):
    assert meaning.decode_values({"input.voltage": said}) == {}


def test_measured_power_is_power_and_computed_power_is_estimated():
    nominal = {"ups.load": "30", "ups.realpower.nominal": "480"}
    assert meaning.decode_values(nominal)["estimated_power"] == 144
    assert "active_power" not in meaning.decode_values(nominal)
    measured = meaning.decode_values(nominal | {"ups.realpower": "151.5"})
    assert measured["active_power"] == 151.5
    assert "estimated_power" not in measured
    assert "estimated_power" not in meaning.decode_values({"ups.load": "30"})


@pytest.mark.parametrize(
    ("status", "bits", "on"),
    [
        ("OL", 1, set()),
        ("OL CHRG", 1 + 32, set()),
        ("OB DISCHRG LB", 2 + 64 + 4, {"on_battery", "battery_low"}),
        ("ALARM OL RB", 1 + 16 + 16384, {"replace_battery", "alarm"}),
        ("OL OVER NEWFLAG", 1 + 1024, {"overload"}),
    ],
)
def test_the_status_is_bits_and_states(status, bits, on):
    values = meaning.decode_status(status)
    assert values.pop("ups_status") == bits
    assert {name for name, value in values.items() if value} == on
    assert values.keys() == meaning.STATES.keys()


@pytest.mark.parametrize("status", ["", "WAIT", "ol", "\0"])
def test_a_status_without_a_known_word_is_absent(status):
    assert meaning.decode_status(status) == {}


# Whose power it is


def test_what_a_ups_measures_at_its_output_is_its_power():
    said = {"ups.load": "30.00", "ups.realpower.nominal": "1350.00", "output.realpower": "324.00"}
    values = meaning.decode_values(said)
    assert values["active_power"] == 324
    assert "estimated_power" not in values
    assert meaning.decode_values(said | {"ups.realpower": "310"})["active_power"] == 310


def test_what_a_ups_takes_is_not_what_it_gives():
    values = meaning.decode_values({"input.realpower": "402", "output.realpower": "324"})
    assert (values["input_power"], values["active_power"]) == (402, 324)


def test_the_power_of_a_pdu_is_what_it_takes():
    said = {"device.type": "pdu", "input.realpower": "4198.00", "input.current": "19.63"}
    values = meaning.decode_values(said)
    assert (values["active_power"], values["input_current"]) == (4198, 19.63)
    assert "input_power" not in values


def test_no_phase_is_called_the_whole_and_no_sum_is_made():
    said = {
        "input.L1-N.voltage": "230.1",
        "input.L3-L1.voltage": "398.2",
        "output.L1-N.voltage": "229.9",
        "output.L1.current": "4.1",
        "output.L1.realpower": "900",
        "output.L2.realpower": "1100",
        "output.L2.power.percent": "41",
        "ups.load": "35",
        "ups.realpower.nominal": "8000",
    }
    assert meaning.decode_values(said) == {
        "input_voltage_l1": 230.1,
        "input_voltage_l3_l1": 398.2,
        "output_voltage_l1": 229.9,
        "output_current_l1": 4.1,
        "active_power_l1": 900,
        "active_power_l2": 1100,
        "load_l2": 41,
        "load": 35,
        "nominal_power": 8000,
    }


def test_each_outlet_is_a_device():
    said = {
        "ups.realpower": "310",
        "outlet.realpower": "120",
        "outlet.1.realpower": "100",
        "outlet.1.status": "on",
        "outlet.1.desc": "PowerShare 1",
        "outlet.10.current": "0.4",
        "outlet.group.2.power": "77",
    }
    assert meaning.decode(said) == {
        "": {"active_power": 310},
        ".outlet": {"active_power": 120},
        ".outlet1": {"active_power": 100, "relay": 1},
        ".outlet10": {"current": 0.4},
        ".group2": {"apparent_power": 77},
    }


def test_outlets_are_not_without_number():
    said = {f"outlet.{number}.current": "1" for number in range(999)}
    assert len(meaning.decode(said)) == meaning.MOST_OUTLETS


def test_raw_names_the_quantity_that_a_variable_tells():
    said = {"ups.realpower": "310", "output.realpower": "311", "outlet.2.status": "off"}
    found = [meaning.quantity_of(each, said) for each in said]
    assert found == [("active_power", 310), ("", None), ("relay", 0)]
