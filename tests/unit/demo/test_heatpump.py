"""The simulated heat pump: a fair controller, whose every figure is the house's."""

import socket
import threading
import time
from datetime import UTC, datetime
from itertools import count

import pytest
from luxtronik import Luxtronik as Oracle

from collector.demo import heatpump
from collector.demo.heatpump import PERFORMANCE, Server, answer, values
from collector.errors import LineAway
from collector.lines.tcp import TcpLine
from collector.quantity import catalogue
from collector.sources.luxtronik import meaning
from collector.sources.luxtronik.protocol import CALCULATIONS, PARAMETERS, ask
from collector.sources.simulated.house import House

HOUSE = House(seed=3)
WINTER = datetime(2026, 1, 12, tzinfo=UTC).timestamp()


def moment(wanted):
    """Return an instant of a winter's day at which *wanted* is true of the shown values."""
    return next(t for t in count(WINTER, 60) if wanted(values(HOUSE, t)))


HEATS = moment(lambda shown: shown["operating_mode"] == 0)
STANDS = moment(lambda shown: shown["operating_mode"] == 5)
MAKES_HOT_WATER = moment(lambda shown: shown["operating_mode"] == 1)


@pytest.fixture
def server():
    with Server(HOUSE) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.01])
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def line(server):
    opened = TcpLine(server.line)
    opened.open()
    yield opened
    opened.close()


@pytest.mark.parametrize("t", [HEATS, STANDS, MAKES_HOT_WATER])
def test_its_figures_are_those_of_the_house(t):
    shown = values(HOUSE, t)
    assert shown["active_power"] == HOUSE.powers(t)["heat_pump"]
    assert shown["active_energy_heating"] == HOUSE.counters(t)["heat_pump"]
    assert shown["heat_power"] == PERFORMANCE * shown["active_power"]
    assert shown["heat_energy"] == PERFORMANCE * shown["active_energy_heating"]
    for quantity, value in shown.items():
        assert catalogue()[quantity].low <= value <= catalogue()[quantity].high
    carried = (shown["flow_temperature"] - shown["return_temperature"]) * shown["flow_rate"] * 1.163
    assert carried == pytest.approx(shown["heat_power"])


def test_it_makes_hot_water_around_midday():
    wall = datetime.fromtimestamp(MAKES_HOT_WATER, HOUSE.zone)
    assert 11 <= wall.hour <= 13


def test_the_oracle_reads_it(server, monkeypatch):
    def connect(oracle):
        oracle._socket = socket.create_connection((oracle._host, oracle._port), 10)

    monkeypatch.setattr(Oracle, "_connect", connect)
    monkeypatch.setattr("time.time", lambda: HEATS)
    shown = values(HOUSE, HEATS)
    theirs = Oracle("127.0.0.1", server.server_address[1]).calculations
    assert theirs.get("ID_WEB_SoftStand").value == "V3.88.0"
    assert theirs.get("ID_WEB_Code_WP_akt").value == "MSW2-6S"
    assert theirs.get("ID_WEB_WP_BZ_akt").value == "heating"
    assert theirs.get("ID_WEB_Temperatur_TVL").value == pytest.approx(
        shown["flow_temperature"], abs=0.051
    )
    assert theirs.get("ID_WEB_WMZ_Seit").value == pytest.approx(
        shown["heat_energy"] / 1000, abs=0.051
    )
    assert theirs.get("Heat_Output").value == round(shown["heat_power"])


def test_our_client_reads_what_is_shown(line, monkeypatch):
    monkeypatch.setattr("time.time", lambda: HEATS)
    known = meaning.load()
    read = meaning.decode(known.calculations, ask(line, CALCULATIONS), ())
    read |= meaning.decode(known.parameters, ask(line, PARAMETERS), ())
    scales = {each.quantity: each.scale for each in (*known.calculations, *known.parameters)}
    for quantity, value in values(HOUSE, HEATS).items():
        if value:
            assert read[quantity] == pytest.approx(value, abs=0.51 * scales[quantity])


def test_nothing_can_be_written(line):
    assert answer(HOUSE, HEATS, 3002) is None
    line.send(b"\x00\x00\x0b\xba" + bytes(8))
    with pytest.raises(LineAway, match="went away"):
        line.receive(1, time.monotonic() + 10)


def test_it_runs_as_a_process_until_it_is_let_go():
    with heatpump.start() as url:
        line = TcpLine(url)
        line.open()
        assert len(ask(line, CALCULATIONS)) == 269
        line.close()
    with pytest.raises(LineAway, match="cannot be reached"):
        line.open()
