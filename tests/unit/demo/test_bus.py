"""The meters of the demo's line, as an independent master reads them."""

import os
import threading

import minimalmodbus
import pytest
import serial

from collector.demo import bus
from collector.demo.household import METERS, QUANTITIES, Household, cells
from collector.demo.meter import serve
from collector.demo.terminal import pseudo_terminal
from collector.sources.simulated.house import BUILT

NOON = Household(1, "Europe/Rome", BUILT).begin + 10 * 86400 + 12 * 3600


@pytest.fixture
def port(tmp_path):
    """Run all meters at one instant, and return where they answer."""
    ours, theirs = os.pipe()
    link = tmp_path / "meters"
    with pseudo_terminal(link) as end:
        reply = bus.replies(Household(1, "Europe/Rome", BUILT), lambda: NOON)
        thread = threading.Thread(target=serve, args=[end, reply, None, ours])
        thread.start()
        with serial.Serial(str(link), timeout=5) as port:
            yield port
        os.close(theirs)
        thread.join()
        os.close(ours)


@pytest.mark.parametrize("meter", METERS, ids=lambda each: each.name)
def test_an_independent_master_reads_what_the_history_says(port, meter):
    slave = minimalmodbus.Instrument(port, meter.address)
    said = next(
        each.values
        for each in Household(1, "Europe/Rome", BUILT).readings(NOON)
        if each.device == meter.name
    )
    assert list(said) == list(QUANTITIES[meter.model])
    for name, cell in cells(meter.model).items():
        words = slave.read_registers(cell.address, cell.length, cell.function)
        assert cell.value(words) == said[name]


def test_nobody_answers_at_another_address(port):
    port.timeout = 0.1
    with pytest.raises(minimalmodbus.NoResponseError):
        minimalmodbus.Instrument(port, 9).read_registers(0, 2, 4)
