"""Numbers out of documents: paths, units, and what is no number."""

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption
from collector.decode.fields import (
    Mapped,
    conversion,
    decode,
    fields_of,
    leaves,
    number_in,
    parse,
    pick,
    raw_rows,
)

jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=10,
)


def decoded(document, quantities, **units):
    return decode(fields_of(Mapped(quantities=quantities, units=units), "d"), document)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ENERGY.Power", 5),
        ("ENERGY.Voltage.1", 230),
        ("params.switch:0.apower", 7),
        ("a.b", 1),
        ("deep.a.b", 2),
        ("ENERGY.Voltage.2", None),
        ("ENERGY.Voltage.-1", None),
        ("ENERGY.Voltage.first", None),
        ("ENERGY.Power.x", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_a_path_names_a_field(path, found):
    document = {
        "ENERGY": {"Power": 5, "Voltage": [229, 230]},
        "params": {"switch:0": {"apower": 7}},
        "a.b": 1,
        "deep": {"a.b": 2},
    }
    assert pick(document, path) == found


def test_a_point_names_all_there_is():
    assert decoded(parse(b"55.30"), {"active_power": "."}) == {"active_power": 55.3}


@pytest.mark.parametrize(
    "payload",
    [
        *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"null", b'"unavailable"', b"true"),
        *(b"", b"0x10", b"1_000", b"nan", b"230 V", b"[5]", b'{"v": 5}', b"\xff\xfe", b"9" * 5000),
    ],
)
def test_what_is_no_number_is_absent(payload):
    assert decoded(parse(payload), {"active_power": "."}) == {}


@pytest.mark.parametrize(("text", "number"), [("230.1", 230.1), (" -5 ", -5), ("1e3", 1000)])
def test_a_number_in_quotes_is_a_number(text, number):
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("payload", "relay"),
    [(b"true", 1), (b"on", 1), (b'"ON"', 1), (b"1", 1), (b"false", 0), (b"off", 0), (b"0", 0)],
)
def test_a_switch_may_say_so_in_words(payload, relay):
    assert decoded(parse(payload), {"relay": "."}) == {"relay": relay}


def test_a_switch_that_says_something_else_is_absent():
    assert decoded(parse(b"overpower"), {"relay": "."}) == {}


@pytest.mark.parametrize(
    ("quantity", "raw", "unit", "value"),
    [
        ("active_energy", 31.427, "kWh", 31427.0),
        ("active_energy", 90, "Wmin", 1.5),
        ("active_energy", 7200, "Ws", 2.0),
        ("battery_voltage", 12800, "mV", 12.8),
        ("voltage", 2301, "0.1 V", 230.1),
        ("active_power", 1.2, "kW", 1200.0),
        ("temperature", 68, "°F", 20.0),
        ("temperature", 300, "K", 26.85),
        ("time_to_go", 5, "min", 300.0),
        ("power_factor", 98, "%", 0.98),
        ("power_factor", 985, "0.001", 0.985),
        ("wind_speed", 36, "km/h", 10.0),
        ("air_pressure", 101325, "Pa", 1013.25),
    ],
)
def test_units_are_converted_exactly(quantity, raw, unit, value):
    assert decoded({"f": raw}, {quantity: "f"}, **{quantity: unit}) == {quantity: value}


@pytest.mark.parametrize("unit", ["V", "kwh", "", "0 Wh", "1e400 Wh", "Wh Wh", "lots"])
def test_a_unit_of_something_else_is_refused(unit):
    with pytest.raises(
        BadOption, match=r"active_energy is in Wh, not in .*; accepted: .*kWh"
    ) as bad:
        decoded({}, {"active_energy": "f"}, active_energy=unit)
    assert bad.value.option == "d.units.active_energy"


def test_every_quantity_can_be_in_its_own_unit():
    for unit in ("", "V", "Wh", "°C", "%", "hPa", "W/m²", "s", "bytes"):
        assert conversion(f"0.5 {unit}", unit) == (Fraction(1, 2), Fraction(0))


def test_a_quantity_that_is_not_in_the_catalogue_is_refused():
    with pytest.raises(BadOption, match="did you mean 'active_power'") as bad:
        decoded({}, {"activ_power": "f"})
    assert bad.value.option == "d.quantities.activ_power"


def test_a_unit_of_a_quantity_that_is_not_read_is_refused():
    with pytest.raises(BadOption, match="not among the quantities") as bad:
        decoded({}, {"voltage": "f"}, current="mA")
    assert bad.value.option == "d.units.current"


@given(st.binary(max_size=200) | jsons.map(lambda document: json.dumps(document).encode()))
def test_any_payload_gives_finite_numbers_or_nothing(payload):
    quantities = {"active_power": ".", "active_energy": "a.0", "relay": "a", "voltage": "0.b"}
    values = decoded(parse(payload), quantities, active_energy="kWh")
    assert all(isinstance(each, float) and math.isfinite(each) for each in values.values())


@given(jsons, st.text(max_size=20))
def test_any_path_may_be_looked_for_in_any_document(document, path):
    pick(document, path)


@given(documents)
def test_every_leaf_is_found_by_its_path(document):
    for path, leaf in leaves(document).items():
        assert pick(document, path) == leaf


@pytest.mark.parametrize("bomb", [b"[" * 60_000, b'{"a":' * 12_000, b"1" + b"0" * 60_000])
def test_a_payload_made_to_hurt_is_only_text(bomb):
    assert decoded(parse(bomb), {"active_power": ".", "voltage": "a.a"}) == {}


def test_every_field_is_shown_with_what_it_means():
    fields = fields_of(
        Mapped(quantities={"active_energy": "e.t"}, units={"active_energy": "kWh"}), ""
    )
    assert raw_rows("tele/x", fields, {"e": {"t": 2, "u": "on"}}, "plug") == [
        {"label": "tele/x e.t", "text": "2", "quantity": "active_energy", "value": 2000.0}
        | {"meaning": "plug"},
        {"label": "tele/x e.u", "text": "on", "quantity": "", "value": None, "meaning": "plug"},
    ]
