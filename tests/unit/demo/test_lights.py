"""The simulated lighting processor: pylutron finds it a fair one, and its lamps are the house's."""

import functools
import time
from datetime import UTC, datetime
from itertools import count

import pylutron
import pytest
import telnetlib3

from collector.demo import lights
from collector.errors import LineAway
from collector.sources.lutron_qs import database
from collector.sources.lutron_qs.protocol import Processor
from collector.sources.simulated.house import House
from tests.fakes.lutron_processor import PASSWORD, USER, running

HOUSE = House(seed=3)
EVENING = datetime(2026, 1, 12, 17, tzinfo=UTC).timestamp()
LIT = next(t for t in count(EVENING, 60) if HOUSE.powers(t)["lights"] > 100)


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def server():
    with running() as processor:
        yield processor


@pytest.fixture
def oracle(server, tmp_path):
    """Return a function that makes a pylutron with a password, connected to the fake."""
    made = []

    async def connect(_, __, **options):
        return await telnetlib3.open_connection("127.0.0.1", server.server_address[1], **options)

    def make(password=PASSWORD):
        file = tmp_path / "db.xml"
        file.write_bytes(lights.database())
        theirs = pylutron.Lutron("127.0.0.1", USER, password)
        theirs._conn._connection_factory = connect
        theirs.load_xml_db(str(file))
        made.append(theirs)
        theirs.connect()
        return theirs

    yield make
    for each in made:
        each.disconnect()


def test_pylutron_reads_its_database_and_its_zones(oracle):
    theirs = oracle()
    outputs = {each.id: each for area in theirs.areas for each in area.outputs}
    ours = {zone.id: zone for zone in database.parse(lights.database()).zones}
    assert {number: each.watts or None for number, each in outputs.items()} == {
        number: zone.nominal_w for number, zone in ours.items()
    }
    assert isinstance(outputs[lights.SHADE], pylutron.Shade)
    wait_until(lambda: outputs[14].level == 20.5)
    assert outputs[12].level == 50.0


def test_pylutron_hears_a_change_and_the_state_of_an_led(server, oracle):
    theirs = oracle()
    (zone,) = (each for area in theirs.areas for each in area.outputs if each.id == 15)
    (led,) = (each for area in theirs.areas for keypad in area.keypads for each in keypad.leds)
    wait_until(lambda: "#MONITORING,8,1" in server.heard)
    server.show({"OUTPUT,15,1": "33.00"})
    wait_until(functools.partial(lambda zone: zone.last_level() == 33.0, zone))
    wait_until(lambda: led.state == 1)


def test_pylutron_is_refused_with_a_wrong_password(oracle):
    with pytest.raises(pylutron.LutronAuthenticationError):
        oracle("wrong")


@pytest.mark.parametrize("t", [LIT, EVENING, EVENING + 6 * 3600, EVENING - 5 * 3600])
def test_its_lamps_come_to_the_power_of_the_house(t):
    watts = HOUSE.powers(t)["lights"]
    shown = lights.levels(watts)
    sum_w = sum(zone.watts * shown[zone.id] / 100 for zone in lights.ZONES)
    assert sum_w == pytest.approx(watts, abs=0.02)
    assert all(0 <= level <= 100 for level in shown.values())
    assert shown[11] in (0, 100)


def test_it_runs_as_a_process_until_it_is_let_go():
    with lights.start() as (line, place):
        processor = Processor(line)
        processor.open(lights.USER, lights.PASSWORD)
        assert 0 <= float(processor.ask(("OUTPUT", 12, 1))) <= 100
        processor.close()
        assert place.endswith("/DbXmlInfo.xml")
    with pytest.raises(LineAway, match="cannot be reached"):
        processor.open(lights.USER, lights.PASSWORD)
