import math
import re
from types import MappingProxyType

import pytest
import yaml

from collector.errors import ConfigFault
from collector.quantity import QuantityNotKnown, catalogue, matching, read_catalogue
from collector.reading import NAME, Reading, decode, encode

UNITS = {
    *(
        "",
        "%",
        "°",
        "°C",
        "A",
        "Ah",
        "Hz",
        "K",
        "K·d",
        "V",
        "VA",
        "VAh",
        "W",
        "W/m²",
        "Wh",
        "Wh/(K·d)",
        "bar",
        "bytes",
    ),
    *("hPa", "l/h", "m³", "m/s", "mm", "rpm", "s", "var", "varh"),
}
ROW = "{unit: V, kind: gauge, range: [0, 500], help: voltage}"


def test_a_quantity_tells_its_unit_kind_meaning_and_range():
    quantity = catalogue()["voltage"]
    assert (quantity.name, quantity.unit, quantity.kind) == ("voltage", "V", "gauge")
    assert quantity.low == 0
    assert quantity.high > 253
    assert quantity.help == "voltage between phase and neutral"


def test_one_row_stands_for_directions_phases_tariffs_and_their_combinations():
    names = {
        name
        for name in catalogue()
        if re.fullmatch("active_energy(_(import|export|[lt]\\d))*", name)
    }
    assert len(names) == 3 * 4 * 5
    assert {"active_energy", "active_energy_import", "active_energy_l1", "active_energy_t4"} < names
    assert {"active_energy_import_l1", "active_energy_l3_t2", "active_energy_export_l2_t3"} < names
    assert "active_energy_l1_import" not in names
    assert catalogue()["active_energy_import_t2"].help == "active energy, imported, tariff 2"


def test_units_are_never_scaled():
    assert {quantity.unit for quantity in catalogue().values()} == UNITS


def test_every_quantity_can_be_stored():
    for name, quantity in catalogue().items():
        assert NAME.fullmatch(name)
        reading = Reading("electricity", "mains", 0, {name: quantity.high})
        assert decode(encode(reading)) == reading


def test_every_range_is_finite_and_a_counter_never_goes_below_zero():
    for quantity in catalogue().values():
        assert math.isfinite(quantity.low)
        assert math.isfinite(quantity.high)
        assert quantity.low < quantity.high
        assert quantity.kind != "counter" or quantity.low == 0


@pytest.mark.parametrize(
    ("name", "garbage"),
    [
        ("active_power", 2**32 - 1),
        ("active_power_l1", -(2**31) / 10),
        ("voltage", 65535 * 0.1),
        ("frequency", 0.0),
        ("power_factor", 65535 * 0.001),
        ("active_energy", (2**32 - 1) * 10),
        ("battery_voltage", 65535.0),
        ("cpu_temperature", -273.15),
    ],
)
def test_garbage_lies_outside_the_range(name, garbage):
    quantity = catalogue()[name]
    assert not quantity.low <= garbage <= quantity.high


WANTED = """
cpu_usage load_1m load_5m load_15m memory_used memory_available swap_used disk_used disk_free
disk_written network_received network_sent cpu_temperature uptime under_voltage throttled
frequency_capped under_voltage_since_boot throttled_since_boot frequency_capped_since_boot
lateness read_duration slots_skipped reads read_failures backlog backlog_age resident_memory
journal_size readings_dropped out_of_range
battery_voltage battery_current battery_power state_of_charge consumed_charge time_to_go
panel_voltage panel_power yield_total yield_today charger_state charger_error tracker_state
flow_temperature return_temperature hot_water_temperature compressor1_time compressor1_starts
heat_energy_heating flow_rate operating_mode level estimated_power input_voltage output_voltage
on_battery temperature humidity
"""


def test_the_catalogue_has_what_the_devices_of_a_house_tell():
    assert set(WANTED.split()) <= catalogue().keys()


def test_the_catalogue_cannot_be_changed():
    assert isinstance(catalogue(), MappingProxyType)


def test_patterns_name_quantities_in_the_order_in_which_they_are_known():
    known = ["voltage_l2", "active_energy", "voltage_l1", "active_energy_import", "current"]
    assert matching(["active_energy*", "voltage_l1"], known) == [
        "active_energy",
        "voltage_l1",
        "active_energy_import",
    ]
    assert matching(["*_l*", "*"], known) == known
    assert matching([], known) == []


def test_only_the_star_is_special_in_a_pattern():
    with pytest.raises(QuantityNotKnown):
        matching(["voltage_l?"], ["voltage_l1"])
    with pytest.raises(QuantityNotKnown):
        matching(["voltage_l[12]"], ["voltage_l1"])


def test_a_pattern_that_names_nothing_gets_the_likely_spelling():
    with pytest.raises(QuantityNotKnown, match=r"'active_pwer\*' .*did you mean 'active_power'\?"):
        matching(["voltage", "active_pwer*"], ["voltage", "active_power"])


def test_a_pattern_that_is_like_nothing_gets_the_known_names():
    with pytest.raises(QuantityNotKnown, match="known: voltage, active_power"):
        matching(["xyz"], ["voltage", "active_power"])


@pytest.mark.parametrize(
    "row",
    [
        "V",
        "[V, gauge]",
        "{unit: V, kind: gauge, help: no range}",
        "{unit: V, kind: gauge, range: [0, 500]}",
        "{unit: V, kind: gauge, range: [0, much], help: no number}",
        "{unit: V, kind: gauge, range: [0], help: one end}",
        "{unit: V, kind: gauge, range: [500, 0], help: upside down}",
        "{unit: V, kind: guage, range: [0, 500], help: no such kind}",
        "{unit: V, kind: gauge, range: [0, 500], per: [fase], help: no such ending}",
        "{unit: V, kind: gauge, range: [0, 500], past: maybe, help: neither yes nor no}",
        "{unit: V, kind: gauge, range: [0, 500], hepl: unknown key, help: text}",
    ],
)
def test_a_malformed_row_is_a_fault_with_its_line(row):
    with pytest.raises(ConfigFault) as caught:
        read_catalogue(f"voltage: {ROW}\ncurrent: {row}\n")
    (fault,) = caught.value.faults
    assert (fault.line, fault.path) == (2, "current")
    assert "range: [0, 500]" in fault.message


def test_all_malformed_rows_are_reported_together():
    with pytest.raises(ConfigFault) as caught:
        read_catalogue("a: 1\nb: 2\nc: 3\n")
    assert [fault.path for fault in caught.value.faults] == ["a", "b", "c"]


def test_two_rows_may_not_stand_for_the_same_name():
    per_phase = ROW.replace("help", "per: [phase], help")
    with pytest.raises(ConfigFault, match="voltage_l1 is also in another row"):
        read_catalogue(f"voltage: {per_phase}\nvoltage_l1: {ROW}\n")
    with pytest.raises(ConfigFault, match="appears twice"):
        read_catalogue(f"voltage: {ROW}\nvoltage: {ROW}\n")


def test_a_row_reads_the_same_for_any_yaml_reader():
    (row,) = yaml.safe_load(f"voltage: {ROW}").values()
    quantity = read_catalogue(f"voltage: {ROW}")["voltage"]
    assert (quantity.unit, [quantity.low, quantity.high]) == (row["unit"], row["range"])
