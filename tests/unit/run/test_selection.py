"""What an output gets of the readings, and under which names."""

from dataclasses import replace
from typing import Any, cast

import pytest

from collector.contract import BadOption, OutputOptions, RenameOptions, SelectOptions
from collector.run.selection import Selection

LINE = b"electricity,device=mains voltage=230.10,active_power=-4.0e2,active_energy=1.0 7"


def selection(select=None, rename=None, tags=None):
    return Selection(
        OutputOptions(
            type="x",
            select=SelectOptions(**(select or {})),
            rename=RenameOptions(**(rename or {})),
            tags=tags or {},
        )
    )


@pytest.mark.parametrize(
    ("select", "sent"),
    [
        ({}, LINE),
        ({"devices": ("main*",)}, LINE),
        ({"devices": ("light*", "mains")}, LINE),
        ({"devices": ("main",)}, None),
        ({"kinds": ("electricity", "battery")}, LINE),
        ({"kinds": ("battery",)}, None),
        ({"devices": ("mains",), "kinds": ("battery",)}, None),
        ({"quantities": ("active_*",)}, LINE.replace(b"voltage=230.10,", b"")),
        ({"quantities": ("voltage",)}, b"electricity,device=mains voltage=230.10 7"),
        ({"quantities": ("current",)}, None),
    ],
)
def test_readings_are_selected_by_device_kind_and_quantity(select, sent):
    assert selection(select).apply(LINE) == sent


def test_devices_and_quantities_get_other_names_and_keep_their_values():
    made = selection(
        {"devices": ("mains",)},
        {"devices": {"mains": "house"}, "quantities": {"active_power": "active_power_import"}},
    )
    sent = LINE.replace(b"mains", b"house").replace(b"active_power=", b"active_power_import=")
    assert made.apply(LINE) == sent


def test_two_quantities_may_change_places_and_none_is_lost_to_another():
    powers = "active_power", "active_power_import"
    swap = dict([powers, powers[::-1]])
    assert (
        selection(rename={"quantities": swap}).apply(b"e,device=m active_power=1,voltage=2 7")
        == b"e,device=m active_power_import=1,voltage=2 7"
    )
    both = b"e,device=m active_power=1.0,active_power_import=2.0 7"
    assert selection(rename={"quantities": dict([powers])}).apply(both) == both


def test_what_is_not_changed_is_not_even_looked_at():
    assert selection(tags={"floor": "ground"}).apply(b"anything") == b"anything"


@pytest.mark.parametrize(
    ("changed", "place", "message"),
    [
        ({"select": {"quantities": ("activ_power",)}}, "select.quantities", "did you mean 'active"),
        ({"select": {"devices": ("kitchen lamp",)}}, "select.devices", "can match no name"),
        ({"select": {"kinds": ("",)}}, "select.kinds", "can match no name"),
        ({"rename": {"devices": {"a": "b c"}}}, "rename.devices.a", "'b c' is not a name"),
        ({"rename": {"devices": {"a": "c", "b": "c"}}}, "rename.devices.a", "new name of two"),
        (
            {"rename": {"quantities": {"voltage": "current"}}},
            "rename.quantities.voltage",
            "'current' is not a quantity in V, as 'voltage' is",
        ),
        (
            {"rename": {"quantities": {"volage": "voltage"}}},
            "rename.quantities.volage",
            "did you mean 'voltage'",
        ),
        (
            {"rename": {"quantities": dict.fromkeys(("voltage_l1", "voltage_l2"), "voltage")}},
            "rename.quantities.voltage_l1",
            "the new name of two",
        ),
        ({"tags": {"site": "x"}}, "tags.site", "'site' has a meaning of its own"),
        ({"tags": {"voltage": "x"}}, "tags.voltage", "'voltage' has a meaning of its own"),
        ({"tags": {"floor": "first floor"}}, "tags.floor", "'first floor' is not a plain word"),
    ],
)
def test_what_can_never_be_is_refused(changed, place, message):
    with pytest.raises(BadOption, match=message) as bad:
        selection(**changed)
    assert bad.value.option == place


def test_a_chain_of_new_names_gives_no_field_twice():
    chain = {
        "active_power": "active_power_import",
        "active_power_import": "active_power_export",
    }
    line = b"e,device=m active_power=1,active_power_import=2,active_power_export=3 7"
    assert selection(rename={"quantities": chain}).apply(line) == line
    assert selection(rename={"quantities": chain}).apply(
        line.replace(b",active_power_export=3", b"")
    ) == (b"e,device=m active_power_import=1,active_power_export=2 7")


class Keeping:
    keeps_kinds = True


def test_what_repeats_a_meters_counters_goes_where_kinds_are_kept_apart_or_where_it_is_asked_for():
    line = b"energy,device=mains active_energy=1.0 1763654400000"
    options = OutputOptions(type="x")
    assert Selection(options).apply(line) == line  # of no output: an export
    assert Selection(options, cast("Any", Keeping())).apply(line) == line
    plain = cast("Any", object())
    assert Selection(options, plain).apply(line) is None
    for select, got in (({"devices": ("mains",)}, None), ({"kinds": ("energy",)}, line)):
        chosen = replace(options, select=SelectOptions(**select))
        assert Selection(chosen, plain).apply(line) == got


def test_what_is_rolled_up_goes_only_to_outputs_that_ask_for_it():
    line = b"electricity_1h,device=mains active_power_mean=1.0 1763654400000"
    assert selection().apply(line) is None
    assert selection({"devices": ("mains",)}).apply(line) is None
    assert selection({"kinds": ("electricity",)}).apply(line) is None
    for kinds in (("*_1h",), ("electricity_1h",), ("*",)):
        assert selection({"kinds": kinds}).apply(line) == line
    assert selection({"kinds": ("*_1h",), "quantities": ("*_mean",)}).apply(line) == line
