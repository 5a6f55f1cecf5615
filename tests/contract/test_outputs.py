"""What every output does: one suite over all that an entry point of this project names.

Each talks to its real server (``tests/fakes/outputs/``) through a proxy that makes the faults.
Afterwards exactly what was journalled must be stored, or of a state its newest. A new output fails
here without a driver.
"""

import inspect
import threading
import time
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.contract import Context, OutputOptions, registry
from collector.contract.counters import REPEATING
from collector.journal.journal import Journal
from collector.journal.notes import dead_letters
from collector.journal.start import place_new
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.reading import Reading, decode, encode
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from tests.fakes.outputs import DRIVERS
from tests.fakes.proxy import Proxy
from tests.fakes.running import wait_for
from tests.fakes.time_machine import FakeClock

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OUTPUTS = sorted(PROJECT["entry-points"]["energy_monitor.outputs"])
# No server there, or none that keeps readings: their own tests make the same faults.
LOCAL = {"apprise", "file", "heartbeat"}
BEGIN_MS = (round(time.time()) - 7_200) * 1000
every_output = pytest.mark.parametrize("kind", OUTPUTS)


def test_every_output_of_the_project_is_looked_at():
    assert set(DRIVERS) | LOCAL == set(OUTPUTS) == set(registry.names("outputs"))


# What they are asked for


@every_output
def test_options_are_those_of_every_output_and_some_more_each_with_help_and_example(kind):
    cls = registry.find("outputs", kind).Options
    assert issubclass(cls, OutputOptions)
    assert inspect.getdoc(cls) != inspect.getdoc(OutputOptions)
    for each in fields(cls):
        assert each.metadata["help"], each.name
        is_block = hasattr(each.default_factory, "__dataclass_fields__")
        has_default = each.default is not MISSING or each.default_factory is not MISSING
        assert is_block or each.metadata["example"] is not None, (each.name, has_default)


@every_output
def test_what_it_wants_and_how_it_takes_a_resend_is_declared(kind):
    output = registry.find("outputs", kind)
    assert output.wants in {"all", "newest"}
    assert output.resend in {"idempotent", "asks first", "newest only", "at least once"}
    assert (output.wants == "newest") == (output.resend == "newest only")
    assert output.batch_size > 0


# With a real server


@pytest.fixture(
    scope="module",
    params=[(kind, driver) for kind in OUTPUTS if kind not in LOCAL for driver in DRIVERS[kind]],
    ids=lambda param: f"{param[0]}-{param[1].__name__}",
)
def far(request, tmp_path_factory):
    kind, driver = request.param
    with driver(tmp_path_factory.mktemp(kind)) as server:
        yield kind, server


class House:
    """A journal, one output of *far*, and the proxy between them."""

    def __init__(self, far, proxy, folder, device):
        self.kind, self.server = far
        self.proxy, self.folder, self.device = proxy, folder, device
        (folder / "secrets").mkdir()
        for name, value in self.server.secrets.items():
            (folder / "secrets" / name).write_text(value)
        self.journal = Journal(folder / "journal", "boot", ["it"])
        self.journal.open()
        self.journalled: dict[int, float] = {}
        self.delivery = self.start("it", proxy.url)

    def start(self, name, url):
        text = yaml.safe_dump({"type": self.kind, **self.server.at(url), **self.server.options})
        cls = registry.find("outputs", self.kind).Options
        faults = Faults()
        node: Any = yaml.compose(text.replace("'!secret token'", "!secret token"))
        options = read_options(cls, node, Place(str(self.folder / "c.yaml"), ""), faults)
        assert faults.found == []
        context = Context("home", Lines(), self.folder, self.folder / "state")
        output = registry.find("outputs", self.kind)(name, options, context)
        health, lock = OutputHealth(), threading.Lock()
        return Delivery(name, output, options, self.journal, FakeClock(), health, lock)

    def fill(self, count):
        first = len(self.journalled)
        for number in range(first, first + count):
            self.journalled[BEGIN_MS + number * 1000] = float(number * 37 % 1009) / 8
        new = list(self.journalled.items())[first:]
        self.journal.append([encode(self.server.reading(self.device, at, v)) for at, v in new])

    def deliver(self):
        """Deliver until nothing is left; fail where that takes many tries."""
        for _ in range(100):
            if not self.delivery.deliver_once() or self.journal.backlog("it"):
                continue
            return
        raise AssertionError(self.delivery.health.last_error)

    @property
    def expected(self):
        """What the far side must hold: all that it keeps, or of a state the newest reading."""
        most = self.server.keeps if self.delivery.output.wants == "all" else 1
        return dict([*self.journalled.items()][-most:])

    @property
    def stored(self):
        return self.server.stored(self.device)

    @property
    def state(self):
        return self.delivery.health.state


@pytest.fixture
def house(far, tmp_path, request):
    with Proxy(far[1].url, far[1].port) as proxy:
        device = "".join(each for each in request.node.name if each.isalnum())
        far[1].prepare(device)
        made = House(far, proxy, tmp_path, device)
        yield made
        proxy.fault = ""
        made.delivery.close()
        made.journal.close()


def fails(house, fault):
    """Let one try fail by *fault*: everything is kept."""
    house.proxy.fault = fault
    backlog = house.journal.backlog("it")
    house.delivery.close()
    assert house.delivery.deliver_once() < 61
    assert house.state == "away"
    assert house.journal.backlog("it") == backlog
    house.proxy.fault = ""


def test_a_server_that_is_away_at_the_start_gets_everything_later(house):
    house.fill(10)
    fails(house, "refuse")
    house.deliver()
    assert house.stored == house.expected
    assert house.state == "delivering"


def test_a_server_that_was_away_for_an_hour_gets_everything_in_batches(house):
    house.fill(60)
    house.deliver()
    for _ in range(6):
        house.fill(600)
        fails(house, "refuse")
    house.deliver()
    assert house.stored == house.expected
    assert len(house.journalled) == 3_660


@pytest.mark.parametrize("bytes_sent", [1, 300, 700])
def test_a_server_that_dies_in_the_middle_of_a_batch_gets_it_again(house, bytes_sent):
    house.fill(3_000)
    house.proxy.bytes_sent = min(bytes_sent, house.server.request_bytes // 2)
    fails(house, "cut")
    house.deliver()
    assert house.stored == house.expected


def test_a_batch_whose_answer_is_lost_is_stored_exactly_once(house):
    house.fill(100)
    fails(house, "lose")
    assert house.proxy.lost
    house.fill(100)
    house.deliver()
    assert house.stored == house.expected


def test_what_repeats_a_meters_counters_is_not_mixed_with_what_it_says(house):
    house.fill(10)
    for kind in sorted(REPEATING):
        beside = Reading(kind, house.device, BEGIN_MS + 9_500, {"voltage": 1.0})
        house.journal.append([encode(beside)])
    house.fill(10)
    house.deliver()
    assert house.stored == house.expected
    assert house.state == "delivering"


def test_a_resend_changes_nothing(house):
    house.fill(100)
    house.deliver()
    before = house.stored
    house.journal.rewind("it", 0)
    house.deliver()
    assert house.stored == before == house.expected


def test_a_reading_that_is_refused_for_ever_is_set_aside_and_all_others_stored(house):
    if house.server.refuses is None:
        pytest.skip("this server refuses nothing")
    house.fill(50)
    bad = house.server.refuses(house.device, BEGIN_MS + 50_000)
    house.journal.append([encode(bad)])
    house.fill(50)
    house.deliver()
    assert house.stored == house.expected
    (letter,) = dead_letters(house.folder / "journal", "it")
    assert letter["reading"] == encode(bad).decode()
    assert (house.delivery.health.delivered, house.delivery.health.refused) == (100, 1)


def test_a_credential_that_is_mended_lets_it_in_without_a_restart(house):
    if house.server.credential is None:
        pytest.skip("this server asks for no credential")
    secret = house.folder / "secrets" / house.server.credential
    good = secret.read_text()
    secret.write_text("wrong")
    house.fill(10)
    fails(house, "")
    assert "wrong" not in house.delivery.health.last_error
    secret.write_text(good)
    house.deliver()
    assert house.stored == house.expected


@pytest.mark.parametrize("fault", ["drip", "hang"])
def test_a_server_that_is_too_slow_is_given_up_and_asked_again(house, fault):
    house.fill(10)
    with house.server.hurried(house.delivery.output):
        began = time.monotonic()
        fails(house, fault)
        assert time.monotonic() - began < 10
    house.deliver()
    assert house.stored == house.expected


@pytest.mark.parametrize("answer", ["full", "endless"])
def test_a_server_that_is_full_or_answers_without_end_loses_nothing(house, answer):
    house.fill(10)
    house.proxy.saying = getattr(house.server, answer)
    fails(house, "say")
    assert len(house.delivery.health.last_error) < 1_000
    house.deliver()
    assert house.stored == house.expected


def test_an_output_that_is_added_begins_at_the_newest_reading(house):
    place_new(house.journal, {})
    house.fill(100)
    assert place_new(house.journal, {"it": None}) == ["it"]
    house.journalled.clear()
    house.journalled.update(
        {BEGIN_MS + 200_000 + 1000 * number: float(number) for number in range(5)}
    )
    for at_ms, value in house.journalled.items():
        house.journal.append([encode(house.server.reading(house.device, at_ms, value))])
    house.deliver()
    assert house.stored == house.expected


def test_one_that_hangs_does_not_hold_up_another(house):
    house.journal.cursors["hanging"] = house.journal.cursors["it"]
    house.fill(100)
    stop = threading.Event()
    with Proxy(house.server.url) as hung:
        hung.fault = "hang"
        hanging = house.start("hanging", hung.url)
        thread = threading.Thread(target=hanging.run, args=(stop,), daemon=True)
        thread.start()
        wait_for(lambda: hung.connections, "it hangs")
        house.deliver()
        assert house.stored == house.expected
        assert house.journal.backlog("hanging") == 100
        stop.set()
    thread.join(30)


# With an output of states that counts what it is given


class Board:
    """Shows the newest value of each device; away while *is_away*."""

    Options = OutputOptions
    batch_size = 100
    wants = "newest"
    resend = "newest only"

    def __init__(self):
        self.shown: list[list[Reading]] = []

    def open(self):
        pass

    def newest_ms(self):
        raise AssertionError("only an idempotent output is asked")

    def write(self, batch):
        self.shown.append([decode(line) for line in batch])

    def close(self):
        pass


def test_after_an_absence_an_output_of_states_gets_one_reading_per_device(tmp_path):
    journal = Journal(tmp_path, "boot", ["board"])
    journal.open()
    for first in range(0, 60_000, 1_000):
        lines = [
            encode(
                Reading("electricity", f"meter{number % 3}", 1 + first + number, {"voltage": 1.0})
            )
            for number in range(1_000)
        ]
        journal.append(lines)
    board: Any = Board()
    options, health = OutputOptions(type="board"), OutputHealth()
    delivery = Delivery("board", board, options, journal, FakeClock(), health, threading.Lock())
    delivery.deliver_once()
    (batch,) = board.shown
    assert [(each.device, each.at_ms) for each in batch] == [
        ("meter1", 59_998),
        ("meter2", 59_999),
        ("meter0", 60_000),
    ]
    assert journal.backlog("board") == 0
    journal.close()
