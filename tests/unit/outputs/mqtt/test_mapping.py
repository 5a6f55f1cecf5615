"""What each quantity of the catalogue is in Home Assistant, by the tables of its release."""

import json
import re

import pytest

from collector.outputs.mqtt import discovery
from collector.outputs.mqtt.device import Device
from collector.outputs.mqtt.mapping import UNITS, counts_up, entity, words
from collector.outputs.mqtt.message import payload
from collector.quantity import catalogue
from tests.homeassistant import TABLES, components, shown

TOPICS = discovery.Topics("home", "energy_monitor", "homeassistant")
PUBLISHED = [name for name in catalogue() if entity(name)]


def configured(*quantities, kind="electricity"):
    device = Device(kind)
    device.take(1_000, [(each, "1.0") for each in quantities])
    (message,) = discovery.configs(TOPICS, "mains", device).values()
    return components(json.loads(message.payload))


def test_home_assistant_takes_every_quantity_for_what_it_is():
    for quantity, fields in configured(*PUBLISHED).items():
        row = catalogue()[quantity]
        if row.kind == "counter":
            assert fields["state_class"] == "total_increasing", quantity
        if row.unit == "Wh":
            assert fields["device_class"] == "energy", quantity
            assert fields["state_class"] in {"total", "total_increasing"}, quantity
        if row.kind == "state":
            assert not fields.keys() & {"state_class", "unit_of_measurement"}, quantity


def test_every_unit_of_the_catalogue_has_its_row():
    assert {row.unit for row in catalogue().values()} == UNITS.keys()


def test_every_device_class_that_wants_a_unit_has_one_of_its_own():
    for device_class, unit, _ in UNITS.values():
        assert device_class is None or unit in TABLES["units"][device_class]


def test_what_is_about_the_past_is_not_published():
    past = {name for name in catalogue() if not entity(name)}
    assert past == {
        name
        for name in catalogue()
        if re.match(
            r"interval_|daily_|billing_|currency|.*_yesterday|event|undo_event|from_power|meter_(final|time)",
            name,
        )
    }


def test_all_quantities_together_are_one_message_with_a_name_each():
    found = configured(*PUBLISHED)
    assert found.keys() == set(PUBLISHED)
    for key in ("unique_id", "default_entity_id"):
        assert len({each[key] for each in found.values()}) == len(found)
    assert len({each["name"] for each in found.values()}) == len(found)


def test_a_meter_stands_in_the_energy_dashboard():
    found = configured("active_energy_import", "active_energy_export", "active_power")
    for name in ("active_energy_import", "active_energy_export"):
        assert found[name]["device_class"] == "energy"
        assert found[name]["state_class"] == "total_increasing"
        assert found[name]["unit_of_measurement"] == "Wh"
    assert found["active_power"]["device_class"] == "power"
    assert found["active_power"]["state_class"] == "measurement"


def test_a_cost_is_money_that_begins_again_and_a_price_is_per_kwh():
    device = Device("cost")
    texts = {"cost_today": "3.21", "cost_today_since": "1763654400.0", "import_price": "0.31"}
    device.take(1_000, [*texts.items(), ("currency", "978.0")])
    (message,) = discovery.configs(TOPICS, "mains", device).values()
    found = components(json.loads(message.payload))
    cost = found["cost_today"]
    assert (cost["device_class"], cost["state_class"]) == ("monetary", "total")
    assert cost["unit_of_measurement"] == "EUR"
    state = payload(1_000, {}, "cost", "mains", [*texts.items()])
    began = {"value_template": cost["last_reset_value_template"]}
    assert shown(began, state) == "2025-11-20T16:00:00.000+00:00"
    assert found["import_price"]["unit_of_measurement"] == "EUR/kWh"
    assert found["import_price"]["state_class"] == "measurement"


@pytest.mark.parametrize(
    ("quantity", "name"),
    [
        ("active_energy_import_l1", "Active energy import L1"),
        ("voltage_thd", "Voltage THD"),
        ("sg_ready", "SG ready"),
        ("temperature", "Temperature"),
    ],
)
def test_a_quantity_has_a_name_for_people(quantity, name):
    assert words(quantity) == name


def test_our_own_figures_and_tariffs_of_phases_are_hidden_at_first():
    assert "enabled_by_default" not in configured("active_energy_l1")["active_energy_l1"]
    assert configured("active_energy_l1_t2")["active_energy_l1_t2"]["enabled_by_default"] is False
    own = configured("reads", kind="collector")["reads"]
    assert (own["enabled_by_default"], own["entity_category"]) == (False, "diagnostic")


# What they show


def shows(quantity, text):
    (fields,) = configured(quantity).values()
    values = [(quantity, text)] if text else []
    return shown(fields, payload(1_000, {}, "electricity", "mains", values))


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        ("active_power", "-412.0", "-412.0"),
        ("active_energy", "12345678.9", "12345678.9"),
        ("active_power", "1e-07", "1e-07"),
        ("relay", "1.0", "1"),
        ("relay", "0.0", "0"),
        ("phase_sequence", "-1.0", "-1"),
        ("charger_state", "3.0", "bulk"),
        ("charger_state", "245.0", "other"),
        ("led_state", "3.0", "flashes fast"),
        ("ups_status", "5.0", "5"),
        ("error_time", "1763654400.0", "2025-11-20T16:00:00.000+00:00"),
        ("error_time", "0.0", None),
    ],
)
def test_a_value_comes_through_as_it_stands_in_the_journal(quantity, text, value):
    assert shows(quantity, text) == value


def test_what_is_missing_is_unknown_but_a_counter_stays():
    state = payload(1_000, {}, "electricity", "mains", [])
    for quantity, fields in configured(*PUBLISHED).items():
        assert shown(fields, state) == ("" if counts_up(quantity) else None), quantity


def test_every_state_is_one_of_its_options():
    for quantity, fields in configured(*PUBLISHED).items():
        if "options" in fields:
            row = catalogue()[quantity]
            for number in range(int(row.low), min(int(row.high), 300) + 1):
                assert shows(quantity, f"{float(number)!r}") in fields["options"], quantity


def test_what_is_on_or_off_says_which():
    for quantity, fields in configured(*PUBLISHED).items():
        if fields["platform"] == "binary_sensor":
            row = catalogue()[quantity]
            both = {fields["payload_on"], fields["payload_off"]}
            assert {shows(quantity, repr(row.low)), shows(quantity, repr(row.high))} == both
