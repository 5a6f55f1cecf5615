"""What VE.Direct labels mean, against the facts gathered about the protocol."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.quantity import catalogue
from collector.sources.vedirect import labels
from collector.sources.vedirect.blocks import Joiner, Parser

SHARED = Path(__file__).parents[5] / "shared"
IN_OURS = {"kWh": ("Wh", 1000), "min": ("s", 60), "degC": ("°C", 1)}


def facts(name):
    file = SHARED / "facts" / name
    if not file.exists():
        pytest.skip(f"the facts are not there: see ../shared/facts/{name}")
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_every_label_of_the_protocol_is_known_in_its_unit():
    rows = {row["label"]: row for row in facts("vedirect_fields.csv")}
    del rows["Checksum"]
    known = labels.table()
    assert set(rows) == {*known.fields, *known.texts}
    for label, field in known.fields.items():
        given_unit, given_scale = rows[label]["unit"], float(rows[label]["scale"] or 1)
        unit, times = IN_OURS.get(given_unit, (given_unit, 1))
        if unit in ("bool", "bitmask", "enum"):
            unit = ""
        assert catalogue()[field.quantity].unit == unit, label
        assert abs(field.scale) == pytest.approx(given_scale * times), label
        assert (field.scale < 0) == (label == "H6"), label


def test_no_two_labels_have_one_quantity():
    quantities = [each.quantity for each in labels.table().fields.values()]
    assert len(quantities) == len(set(quantities))


def test_every_product_is_known():
    rows = {int(row["pid"], 16): row["name"] for row in facts("vedirect_pids.csv")}
    assert rows.items() <= {pid: name for pid, (_, name) in labels.products().items()}.items()


@pytest.mark.parametrize(
    ("pid", "name"),
    [
        ("0xA30A", "Blue Smart IP65 Charger 12|25"),
        ("0xA332", "Blue Smart IP22 Charger 24|8 (1)"),
        ("0xA2F9", "Phoenix Inverter 12V 1200VA 120V"),
        ("0xA442", "Multi RS Solar 48V/6000VA/100A"),
        ("0xC030", "SmartShunt IP65 500A/50mV"),
    ],
)
def test_products_that_victron_lists_elsewhere_are_known(pid, name):
    assert labels.product_name({"PID": pid}) == name


def test_a_reading_computed_by_hand():
    sent = (
        "PID=0x203 V=12065 I=-7625 P=-92 CE=-65473 SOC=839 TTG=942 Alarm=on Relay=OFF AR=5 "
        "H6=-5526294 H17=6843 T=21 DM=-12 OR=0x00000101 AC_OUT_V=23011 MON=-9"
    )
    said = dict(each.split("=") for each in sent.split())
    assert labels.values(said) == {
        "battery_voltage": 12.065,
        "battery_current": -7.625,
        "battery_power": -92,
        "consumed_charge": -65.473,
        "state_of_charge": 83.9,
        "time_to_go": 56520,
        "alarm": 1,
        "relay": 0,
        "alarm_reason": 5,
        "discharged_charge": 5526.294,
        "discharged_energy": 68430,
        "battery_temperature": 21,
        "mid_deviation": -1.2,
        "off_reason": 257,
        "ac_output_voltage": 230.11,
        "monitor_mode": -9,
    }


@pytest.mark.parametrize(
    ("label", "text"),
    [
        *(("SOC", "---"), ("CE", "---"), ("TTG", "-1"), ("T", "---"), ("T", ""), ("V", "1e3")),
        *(("V", " 12"), ("V", "1_2"), ("V", "9" * 400), ("V", "٣"), ("OR", "0x1ffffffff")),
    ],
)
def test_what_is_not_known_is_absent(label, text):
    assert labels.values({label: text}) == {}


@given(st.dictionaries(st.sampled_from([*labels.table().fields, "XX", "SER#"]), st.text()))
def test_any_texts_will_do(said):
    assert labels.values(said).keys() <= catalogue().keys()
    assert labels.identity(said)
    assert labels.kind_of(said) in labels.kinds()
    assert labels.raw_values(said).keys() <= {"XX"}


def test_numbers_under_unknown_labels_are_kept_raw():
    said = {"PID": "0x203", "FW": "0308", "V": "1", "X1": "-5", "Y#": "0x1F", "Z": "text"}
    assert labels.raw_values(said | {"Bad label": "1"}) == {"X1": -5, "Y#": 31}


def test_states_and_bits_are_said_in_words():
    fields = labels.table().fields
    assert fields["CS"].meaning("3") == "bulk"
    assert fields["CS"].meaning("199") == ""
    assert fields["MON"].meaning("-9") == "solar charger"
    assert fields["AR"].meaning("5") == "low voltage, low state of charge"
    assert fields["WARN"].meaning("256") == "overload"
    assert fields["OR"].meaning("0x00000101") == "no input power, analysing input voltage"
    assert fields["V"].meaning("12065") == ""
    assert fields["CS"].meaning("---") == ""


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ({"FW": "159"}, "1.59"),
        ({"FW": "0419"}, "4.19"),
        ({"FW": "C208"}, "2.08 candidate C"),
        ({"FWE": "0419FF"}, "4.19"),
        ({"FWE": "041905"}, "4.19 beta 5"),
        ({"FW": "?"}, ""),
        ({}, ""),
    ],
)
def test_versions_are_written_as_victron_writes_them(said, version):
    assert labels.firmware(said) == version


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"PID": "0x0203"}, "battery"),
        ({"PID": "0xA042"}, "solar"),
        ({"PID": "0xA201"}, "inverter"),
        ({"PID": "0xA340"}, "charger"),
        ({"PID": "0xFFFF", "VPV": "1"}, "solar"),
        ({"PID": "0xFFFF", "SOC": "1"}, "battery"),
        ({"PID": "0xFFFF", "AC_OUT_V": "1", "CS": "9"}, "inverter"),
        ({"PID": "0xFFFF", "CS": "3"}, "charger"),
    ],
)
def test_the_kind_of_a_reading_is_that_of_the_product(said, kind):
    assert labels.kind_of(said) == kind


def test_a_device_is_recognised_by_what_it_says():
    said = {"PID": "0x0203", "SER#": "HQ1411MYIKN", "SOC": "---"}
    assert labels.unexpected({}, said) == ""
    assert labels.unexpected({"PID": "0x203"}, said) == ""
    assert labels.unexpected({"PID": "515", "SOC": "*", "SER#": "HQ1411*"}, said) == ""
    assert labels.unexpected({"PID": "0x204"}, said) == "its PID is 0x0203, not 0x204"
    assert labels.unexpected({"SER#": "HQ15*"}, said) == "its SER# is HQ1411MYIKN, not HQ15*"
    assert labels.unexpected({"H1": "*"}, said) == "it does not send H1"


@pytest.mark.parametrize(
    ("name", "identity", "count"),
    [
        ("bluesolar_1.23.dump", "BlueSolar MPPT 75|15 (PID 0xA042), firmware 1.23, serial", 247),
        ("bvm702.dump", "BMV-700 (PID 0x203), firmware 3.08", 453),
    ],
)
def test_every_recorded_reading_has_all_its_values_within_range(name, identity, count):
    file = SHARED / "recordings" / "vedirect" / name
    if not file.exists():
        pytest.skip("the recordings are not there: see ../shared/recordings/vedirect")
    joiner = Joiner(labels.usual_blocks)
    blocks = Parser().feed(file.read_bytes())
    readings = [said for each in blocks if (said := joiner.add(each, 0))]
    assert len(readings) == count  # of a charger the first is complete when the second begins
    for said in readings:
        values = labels.values(said)
        assert len(values) == len(said.keys() - set(labels.table().texts))
        assert labels.identity(said).startswith(identity)
        for quantity, value in values.items():
            assert catalogue()[quantity].low <= value <= catalogue()[quantity].high, quantity
