"""The source: what is due, from one gentle connection, and how well the heat pump does."""

import logging
import re
from pathlib import Path

import pytest

from collector.contract import BadOption, Context
from collector.errors import DeviceSilent, FrameDamaged, LineAway
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.reading import decode, encode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.sources.luxtronik import protocol
from collector.sources.luxtronik.meaning import load
from collector.sources.luxtronik.source import Luxtronik, LuxtronikOptions, counted, performance
from tests.fakes import luxtronik_controller as fake
from tests.fakes.loopback import HANG_UP, byte_by_byte, whole
from tests.fakes.luxtronik_controller import Controller
from tests.fakes.running import (
    ask,
    collector,
    configure,
    energy_monitor,
    wait_for,
    wait_for_reads,
)

CONTEXT = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"))
AT_MS = 1_768_480_200_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def line_up(entries, values, length):
    table = [0] * length
    for entry in entries:
        if entry.quantity in values:
            table[entry.index] = round(values[entry.quantity] / entry.scale)
    return table


def show(controller, firmware=b"V3.88.0", errors=(), **values):
    """Let *controller* show *values*, by quantity; *errors* are pairs of code and time."""
    calculations = line_up(load().calculations, values, 269)
    calculations[81:91] = firmware.ljust(10, b"\0")
    for number, (code, at_s) in enumerate(errors):
        calculations[100 + number], calculations[95 + number] = code, at_s
    controller.replies = {
        3003: fake.parameters(line_up(load().parameters, values, 1143)),
        3004: fake.calculations(calculations),
    }


def made_for(line):
    return Luxtronik("pump", LuxtronikOptions(type="luxtronik", line=line), CONTEXT)


@pytest.fixture
def controller():
    with Controller({}) as running:
        show(running, flow_temperature=35.1, heat_pump_model=74, operating_mode=1)
        yield running


@pytest.fixture
def source(controller):
    made = made_for(controller.line)
    made.open()
    yield made
    made.close()


def read(source, at_ms=AT_MS, quantities=()):
    (reading,) = source.read(at_ms, frozenset(quantities or source.quantities))
    return reading


def test_it_is_read_every_10_s_and_only_at_a_line():
    assert LuxtronikOptions(type="luxtronik", line="tcp://a:8889").every == Seconds(10)
    for wrong in ("a:8889", "tcp://a", "/dev/ttyUSB0"):
        with pytest.raises(
            BadOption, match="is not a line; write tcp://HOST:PORT, where PORT is 8889"
        ) as bad:
            made_for(wrong)
        assert bad.value.option == "line"


def test_a_heat_pump_is_read(controller, source):
    reading = read(source)
    assert (reading.kind, reading.device, reading.at_ms) == ("heatpump", "pump", AT_MS)
    assert reading.values["flow_temperature"] == 35.1
    assert decode(encode(reading)) == reading
    assert {request for request, _ in controller.requests} == {3003, 3004}  # never 3002


def test_sg_ready_is_read_where_it_is_in_use(controller, source):
    assert "sg_ready" not in read(source).values
    parameters, calculations = [0] * 1143, [0] * 269
    parameters[1030], calculations[31] = 1, 1
    controller.replies = {
        3003: fake.parameters(parameters),
        3004: fake.calculations(calculations),
    }
    assert read(source, AT_MS + MINUTE_MS).values["sg_ready"] == 1
    assert read(source, AT_MS + MINUTE_MS + 10_000).values["sg_ready"] == 1


def test_it_fits_the_intake(source):
    made = feed(
        "pump", source, LuxtronikOptions(type="luxtronik", line=source.line), SourceHealth()
    )
    assert set(source.quantities) <= set(catalogue())
    assert made.groups[0].interval_ms == 10_000


def test_parameters_are_asked_for_only_where_they_are_due(controller, source):
    assert "flow_temperature" in read(source, quantities=["flow_temperature"]).values
    assert [request for request, _ in controller.requests] == [3004]


def test_the_parameters_are_asked_for_once_a_minute(controller, source):
    for second in range(0, 130, 10):
        read(source, AT_MS + second * 1000)
    asked = [request for request, _ in controller.requests]
    assert asked.count(3003) == 3
    assert asked.count(3004) == 13
    assert controller.connections == 1


def test_what_is_counted_only_in_the_parameters_is_read_with_them(controller, source):
    show(controller, active_energy_heating=12_340)
    assert read(source).values["active_energy_heating"] == 12_340
    assert "active_energy_heating" not in read(source, AT_MS + 10_000).values
    assert read(source, AT_MS + MINUTE_MS).values["active_energy_heating"] == 12_340


def test_power_is_0_when_it_stands_and_absent_where_it_was_never_measured(controller, source):
    assert "heat_power" not in read(source).values
    show(controller, heat_power=4800)
    assert read(source).values["heat_power"] == 4800
    show(controller)
    assert read(source).values["heat_power"] == 0


# Coefficient of performance


def energies(heat_wh, electric_wh, **more):
    return {"heat_energy_heating": heat_wh, "active_energy_heating": electric_wh, **more}


def performances(controller, source, *shown, every_ms=MINUTE_MS):
    """Show one state of the counters after the other; return the performance told with each."""
    told = []
    for number, values in enumerate(shown):
        show(controller, **values)
        told.append(
            read(source, AT_MS + number * every_ms).values.get("coefficient_of_performance")
        )
    return told


def test_performance_is_heat_over_electricity_once_there_is_enough(controller, source):
    shown = [energies(10_000 + heat, 4000 + heat // 4) for heat in (0, 1000, 1900, 2000, 4000)]
    assert performances(controller, source, *shown) == [None, None, None, 4, 4]


def test_performance_forgets_what_is_older_than_three_hours(controller, source):
    shown = [energies(10_000, 4000), energies(20_000, 6000), energies(30_000, 11_000)]
    shown += [energies(30_000, 11_000)] * 2
    told = performances(controller, source, *shown, every_ms=2 * HOUR_MS)
    assert told == [None, 5, 2, None, None]


def test_performance_goes_only_by_what_is_counted_on_both_sides(controller, source):
    shown = [
        energies(heat, heat // 4, heat_energy_hot_water=heat, active_energy_pool=heat)
        for heat in (10_000, 20_000)
    ]
    assert performances(controller, source, *shown) == [None, 4]
    assert counted({"heat_energy": 5, "active_energy_heating": 4}) == {}


def test_performance_adds_up_heating_and_hot_water(controller, source):
    shown = [
        energies(10_000, 5000, heat_energy_hot_water=10_000, active_energy_hot_water=5000),
        energies(14_000, 6000, heat_energy_hot_water=12_000, active_energy_hot_water=6000),
    ]
    assert performances(controller, source, *shown) == [None, 3]


def test_performance_is_unknown_without_counters_or_electricity(controller, source):
    assert performances(controller, source, {}, {}) == [None, None]
    still = [energies(heat, 4000) for heat in (10_000, 20_000)]
    assert performances(controller, source, *still) == [None, None]


def test_performance_begins_anew_with_a_counter_that_was_reset(controller, source):
    shown = [energies(90_000, 30_000), energies(100, 20), energies(3100, 1020)]
    assert performances(controller, source, *shown) == [None, None, 3]
    assert performance({"heating": (0, 0)}, {}) is None


# Faults


def test_a_silent_controller_is_asked_anew_over_a_new_connection(controller, source, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.1)
    controller.manner = lambda reply: [reply[:100], 0.3, reply[100:]]
    with pytest.raises(DeviceSilent):
        read(source)
    controller.manner = whole
    assert read(source).values["flow_temperature"] == 35.1
    assert controller.connections == 2


def test_a_damaged_answer_is_no_reading(controller, source):
    good = controller.replies[3004]
    controller.replies[3004] = controller.replies[3003]
    with pytest.raises(FrameDamaged):
        read(source)
    controller.replies[3004] = good
    assert read(source).values["flow_temperature"] == 35.1


def test_a_controller_that_hangs_up_is_away_until_it_is_opened_again(controller, source):
    read(source)
    controller.manner = lambda reply: [reply[:50], HANG_UP]
    with pytest.raises(LineAway):
        read(source)
    source.close()
    controller.manner = byte_by_byte
    source.open()
    assert read(source).values["flow_temperature"] == 35.1
    source.close()
    source.close()


@pytest.mark.parametrize("length", [0, 5, 90, 269, 2000])
def test_tables_of_any_length_are_read(controller, source, length):
    controller.replies = {
        3003: fake.parameters([1] * length),
        3004: fake.calculations([1] * length),
    }
    readings = source.read(AT_MS, frozenset(source.quantities))
    assert bool(readings) == (length > 5)


# What it tells


def test_what_it_is_and_its_latest_error_are_told_once(controller, source, caplog):
    caplog.set_level(logging.INFO)
    for code in (716, 716, 721):
        show(controller, heat_pump_model=74, errors=[(715, 1_490_786_035), (code, 1_500_955_563)])
        for _ in range(2):
            read(source)
    assert [record.message for record in caplog.records] == [
        "pump: MSW2-6S, firmware V3.88.0",
        "pump: latest error 716 at 2017-07-25 04:06 by its own clock",
        "pump: latest error 721 at 2017-07-25 04:06 by its own clock",
    ]


def test_a_model_and_firmware_that_are_not_known_are_told_as_they_are(controller, source, caplog):
    caplog.set_level(logging.INFO)
    show(controller, firmware=b"\x1b[31m\xff", heat_pump_model=999)
    read(source)
    assert caplog.records[-1].message == "pump: model 999, firmware [31m"


def test_every_number_is_shown_with_what_it_means(controller, source):
    controller.replies[3005] = fake.visibilities([1, 0])
    rows = {row["label"]: row for row in source.read_raw()}
    assert len(rows) == 269 + 1143 + 2
    assert rows["calculations 80"] == {
        "label": "calculations 80",
        "text": "1",
        "quantity": "operating_mode",
        "value": 1,
        "meaning": "hot water",
    }
    assert rows["calculations 10"]["meaning"] == "ID_WEB_Temperatur_TVL"
    assert rows["calculations 231"]["value"] == 0  # shown, though it may mean nothing
    assert rows["calculations 82"]["text"] == str(ord("3"))
    assert rows["visibilities 0"] == {
        "label": "visibilities 0",
        "text": "1",
        "quantity": "",
        "value": None,
        "meaning": "",
    }


# The real program


def configured(folder, controller):
    return configure(folder, f"  pump: {{type: luxtronik, line: '{controller.line}', every: 1s}}\n")


def test_the_service_reads_on_when_the_controller_comes_back(controller, tmp_path):
    with collector(configured(tmp_path, controller)) as process:
        wait_for_reads(tmp_path, "pump", 1)
        controller.hang_up()
        wait_for(lambda: controller.connections > 1, "it connects again")
        reads = ask(tmp_path)["sources"]["pump"]["reads"]
        status = wait_for_reads(tmp_path, "pump", reads + 1)
        process.terminate()
        told = process.stderr.read()
    assert status["sources"]["pump"]["latest"]["pump"]["values"]["flow_temperature"] == 35.1
    assert status["sources"]["pump"]["failures"] >= 1
    assert {request for request, _ in controller.requests} == {3003, 3004}
    assert told.count("MSW2-6S, firmware V3.88.0") == 1


def test_the_command_read_shows_it(controller, tmp_path):
    controller.replies[3005] = fake.visibilities([1])
    file = configured(tmp_path, controller)
    shown = energy_monitor("read", "pump", "--config", file)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"pump +flow_temperature +35\.1 +°C", shown.stdout)
    raw = energy_monitor("read", "pump", "--raw", "--config", file)
    assert re.search(r"calculations 80 +1 +operating_mode +1 +hot water", raw.stdout), raw.stderr
