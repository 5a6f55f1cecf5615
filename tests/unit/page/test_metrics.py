"""/metrics says each value exactly, under a name and in a unit that Prometheus's tools accept."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from collector.contract.metric_names import UNITS, metrics
from collector.contract.page import DeviceNow
from collector.page.metrics import Text
from collector.quantity import catalogue
from collector.status import (
    ClockStatus,
    DerivationStatus,
    JournalStatus,
    Lateness,
    OutputStatus,
    SourceStatus,
    Status,
)
from tests.servers.prometheus import promtool

AT_MS = 1_763_654_400_123
STATUS = Status(
    site="home",
    now_ms=AT_MS,
    up_s=3600,
    clock=ClockStatus(trusted=True, steps=2),
    sources={
        "mains": SourceStatus(
            state="alive",
            lateness_s=Lateness(median=0.001, p99=0.002, worst=0.005),
            read_duration_s=0.1,
            reads=3600,
            failures=3,
            skipped=7,
        ),
        "roof": SourceStatus(state="silent"),
    },
    outputs={"history": OutputStatus(state="delivering", delivered=9, refused=1, backlog=4)},
    derivations={"energy": DerivationStatus(state="deriving", made=5)},
    journal=JournalStatus(readings=50, bytes=1_000_000, dropped={"torn": 2}, held=1),
    resident_memory=40_000_000,
    backups={"backup": 60.0},
    problems=("source roof is silent",),
)


def device(values, name="mains", **about):
    fields = {"kind": "electricity", "label": "", "source": "mains", "at_ms": AT_MS}
    return DeviceNow(device=name, values=values, **{**fields, **about})


def samples(*devices, status=STATUS):
    """Return the value of each series, as prometheus_client reads the text."""
    text = Text().of(status, devices)
    found = [each for family in text_string_to_metric_families(text) for each in family.samples]
    series = {(each.name, tuple(sorted(each.labels.items()))): each.value for each in found}
    assert len(series) == len(found), "a series is there twice"
    return series


def value(series, name, **labels):
    return series[f"energy_monitor_{name}", tuple(sorted({"site": "home", **labels}.items()))]


def whole_catalogue():
    values = {each.name: each.low + (each.high - each.low) / 3 for each in catalogue().values()}
    return [device(values), device(values, "cellar", kind="battery", label='Küche "1"\\')]


def test_every_unit_of_the_catalogue_is_mapped():
    assert {each.unit for each in catalogue().values()} == UNITS.keys()


def test_no_two_quantities_share_a_name():
    names = [each.name for each in metrics().values()]
    assert len(set(names)) == len(names)


def test_promtool_finds_nothing_to_say_about_the_whole_catalogue():
    assert promtool("check", "metrics", said=Text().of(STATUS, whole_catalogue())) == ""


def test_a_mistake_would_be_told():
    assert promtool("check", "metrics", said="# TYPE wrong_total gauge\nwrong_total 1\n")


def test_a_second_reader_finds_every_present_quantity_of_the_catalogue():
    series = samples(*whole_catalogue())
    there = {name for name, labels in series if ("device", "mains") in labels}
    assert {each.name for each in metrics().values()} <= there
    assert len(metrics()) == sum(not each.past for each in catalogue().values())


@pytest.mark.parametrize(
    ("quantity", "given", "name", "wanted"),
    [
        ("voltage_l1", 230.1, "voltage_l1_volts", 230.1),
        ("active_power", -412.0, "active_power_watts", -412.0),
        ("active_energy", 230.1, "active_energy_joules_total", 828360.0),
        ("active_energy_net", 0.1, "active_energy_net_joules", 360.0),
        ("charge", 0.7, "charge_coulombs_total", 2520.0),
        ("state_of_charge", 87.3, "state_of_charge_ratio", 0.873),
        ("outside_temperature", -3.4, "outside_temperature_celsius", -3.4),
        ("flow_rate", 1234.0, "flow_rate_cubic_meters_per_second", 1234 / 3_600_000),
        ("heating_time", 7200.0, "heating_seconds_total", 7200.0),
        ("error_time", 1.7e9, "error_timestamp_seconds", 1.7e9),
        ("error_count", 3.0, "errors", 3.0),
        ("compressor1_starts", 9.0, "compressor1_starts_total", 9.0),
        ("relay", 1.0, "relay", 1.0),
    ],
)
def test_a_quantity_has_its_name_and_its_base_unit(quantity, given, name, wanted):
    assert value(samples(device({quantity: given})), name, device="mains") == wanted


@given(st.sampled_from([each for each in metrics() if metrics()[each].by in {1, 100, 1000}]),
       st.decimals(-10_000, 10_000, places=2))  # fmt: skip
def test_a_value_is_the_nearest_number_to_the_exact_product(quantity, given):
    metric = metrics()[quantity]
    said = metric.value(float(given))
    assert said == float(Decimal(given) * metric.times / metric.by)


def test_what_is_about_the_past_is_not_told_as_of_now():
    series = samples(device({"daily_energy": 5000.0, "voltage": 230.0}))
    assert not [name for name, _ in series if "daily" in name]
    assert value(series, "voltage_volts", device="mains") == 230.0


def test_a_device_tells_when_it_was_read_and_what_it_is():
    series = samples(device({}, label="Küche", kind="battery"))
    assert value(series, "reading_timestamp_seconds", device="mains") == AT_MS / 1000
    about = {"device": "mains", "kind": "battery", "source": "mains", "label": "Küche"}
    assert value(series, "device_info", **about) == 1


def test_two_devices_of_one_name_are_never_one_series_twice():
    old = device({"voltage": 1.0, "current": 5.0}, at_ms=AT_MS - 1000, kind="battery")
    new = device({"voltage": 2.0})
    for order in ([old, new], [new, old]):
        series = samples(*order)
        assert value(series, "voltage_volts", device="mains") == 2.0
        assert value(series, "current_amperes", device="mains") == 5.0


def test_the_collector_tells_its_own_figures():
    series = samples()
    assert value(series, "up", source="mains") == 1
    assert value(series, "up", source="roof") == 0
    assert value(series, "slots_skipped_total", source="mains") == 7
    assert value(series, "read_failures_total", source="mains") == 3
    assert value(series, "lateness_seconds", source="mains") == 0.005
    assert value(series, "backlog", output="history") == 4
    assert value(series, "delivered_total", output="history") == 9
    assert value(series, "refused_total", output="history") == 1
    assert value(series, "derived_total", derivation="energy") == 5
    assert value(series, "journal_size_bytes") == 1_000_000
    assert value(series, "readings_dropped_total", cause="torn") == 2
    assert value(series, "resident_memory_bytes") == 40_000_000
    assert value(series, "backup_run_age_seconds", task="backup") == 60
    assert value(series, "problems") == 1
    assert value(series, "start_timestamp_seconds") == round(AT_MS / 1000 - 3600)


def test_words_of_people_and_of_a_far_side_break_no_line():
    words = 'a"b\\c\nenergy_monitor_up 7\n# TYPE x gauge'
    hostile = replace(STATUS, journal=JournalStatus(dropped={words: 3}))
    series = samples(device({"voltage": 1.0}, label=words), status=hostile)
    assert value(series, "readings_dropped_total", cause=words) == 3
    assert not [name for name, labels in series if name == "energy_monitor_up" and not labels]


def test_the_order_is_that_of_the_catalogue_whatever_comes_first():
    names = list(catalogue())[:40]
    values = dict.fromkeys(names, 1.0)
    shuffled = dict(random.Random(1).sample(sorted(values.items()), len(values)))
    assert Text().of(STATUS, [device(values)]) == Text().of(STATUS, [device(shuffled)])


def test_a_service_without_anything_has_a_text_too():
    assert promtool("check", "metrics", said=Text().of(Status(), [])) == ""


houses = st.lists(
    st.builds(
        device,
        st.dictionaries(
            st.sampled_from(
                ["voltage", "active_energy", "state_of_charge", "daily_energy", "else"]
            ),
            st.floats(-1e6, 1e6),
        ),
        st.sampled_from(["mains", "roof"]),
        kind=st.sampled_from(["electricity", "battery"]),
        label=st.sampled_from(["", "100 %r"]),
        at_ms=st.integers(1, 10),
    ),
    max_size=4,
)
statuses = st.sampled_from([STATUS, Status(), replace(STATUS, sources={}, up_s=7200)])


@given(st.lists(st.tuples(statuses, houses), min_size=2))
def test_what_was_there_before_leaves_nothing_in_a_text(scrapes):
    text = Text()
    for status, devices in scrapes:
        assert text.of(status, devices) == Text().of(status, devices)
        first = {(each.device, each.at_ms) for each in devices}
        if len(first) == len(devices):  # else either may be the newest
            assert text.of(status, devices) == text.of(status, devices[::-1])
