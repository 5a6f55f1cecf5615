"""A derivation that would hear nobody is told so, at its line."""

import pytest

from collector import config
from collector.errors import ConfigFault
from collector.run import wiring
from tests.fakes.running import configure, energy_monitor

SOURCES = """\
  mains: {type: simulated}
  battery: {type: vedirect, line: /dev/ttyUSB0}
  pump: {type: luxtronik, line: 'tcp://127.0.0.1:9'}
  far:
    type: redis
    line: tcp://127.0.0.1:9
    devices:
      pack: {key: far, layout: hash, kind: battery, quantities: {battery_current: I}}
"""
BANK = "derivations:\n  bank: {{type: battery_bank, chemistry: agm, capacity: 100, device: {}}}\n"
PUMP = "derivations:\n  hp:\n    type: heat_pump\n    boundary: H3\n    device: {}\n    meter: {}\n"


def faults(folder, extra):
    file = configure(folder, SOURCES, extra=extra)
    try:
        wiring.check(config.load(file))
    except ConfigFault as error:
        return error.faults
    return []


@pytest.mark.parametrize("device", ["battery", "battery.extra", "pack", "mains-1", "far.pack"])
def test_devices_of_sources_are_known(device, tmp_path):
    assert faults(tmp_path, BANK.format(device)) == []


@pytest.mark.parametrize(
    ("extra", "path", "line", "sentence"),
    [
        (
            BANK.format("batery"),
            "derivations.bank.device",
            6,
            "'batery' is neither a source nor one of its devices; did you mean 'battery'?",
        ),
        (BANK.format("bank"), "derivations.bank.device", 6, "'bank' is neither"),
        (
            PUMP.format("pump", "shed"),
            "derivations.hp.meter",
            10,
            "'shed' is neither a source nor one of its devices; known: alerts, battery, energy",
        ),
        (PUMP.format("pump", "pump"), "derivations.hp.meter", 10, "'pump' is the heat pump itself"),
        (BANK.format("a b"), "derivations.bank.device", 6, "'a b' is not the name of a device"),
        (
            BANK.format("battery").replace("agm", "nicd"),
            "derivations.bank.chemistry",
            6,
            "'nicd' is not accepted: one of flooded, gel, agm, lifepo4",
        ),
        (
            BANK.format("battery").replace("100", "100, exponent: 0.9"),
            "derivations.bank.exponent",
            6,
            "0.9 is not a Peukert exponent",
        ),
        (
            BANK.format("battery").replace(
                "capacity: 100",
                "capacity_table: [{{hours: 20, capacity: 9}}, {{hours: 5, capacity: 7}}]",
            ),
            "derivations.bank.capacity_table.1",
            6,
            "the hours must rise",
        ),
    ],
)
def test_what_is_wrong_is_said_once_at_its_line(extra, path, line, sentence, tmp_path):
    extra = extra.replace("{{", "{").replace("}}", "}")
    (fault,) = faults(tmp_path, extra)
    assert (fault.path, fault.line) == (path, line)
    assert sentence in fault.message


def test_check_says_it(tmp_path):
    file = configure(tmp_path, SOURCES, extra=BANK.format("batery"))
    done = energy_monitor("check", "--config", file)
    assert done.returncode == 78
    assert "derivations.bank.device: 'batery' is neither a source nor" in done.stdout + done.stderr
