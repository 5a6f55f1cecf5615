"""From the journal to an output: nothing is lost, whatever the far side answers."""

import threading

import pytest

from collector.contract import OutputOptions
from collector.errors import OutputAway, ReadingsRefused
from collector.journal.journal import Journal
from collector.journal.notes import dead_letters
from collector.reading import Reading, decode, encode
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from tests.fakes.time_machine import FakeClock


class Database:
    """An output that keeps what it gets by time, and answers as *mood* says."""

    batch_size = 100

    def __init__(self):
        self.mood = None
        self.stored = {}
        self.writes = 0
        self.opened = 0

    def open(self):
        self.opened += 1

    def newest_ms(self):
        return max(self.stored, default=0)

    def write(self, batch):
        self.writes += 1
        if isinstance(self.mood, OutputAway):
            raise self.mood
        refused = {}
        for place, line in enumerate(batch):
            reading = decode(line)
            if self.mood == "picky" and reading.values["voltage"] == 13:
                refused[place] = "no thirteens"
            else:
                self.stored[reading.at_ms] = reading.values["voltage"]
        if refused:
            raise ReadingsRefused(refused)

    def close(self):
        pass


DAY_MS = 86_400_000


def stumble(*_):
    raise KeyError("no such key")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, "boot", ["history"])
    journal.open()
    yield journal
    journal.close()


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def delivery(journal, clock, database):
    options = OutputOptions(type="influxdb")
    return Delivery("history", database, options, journal, clock, OutputHealth(), threading.Lock())


def fill(journal, first, last, every=1):
    journal.append(
        [
            encode(Reading("electricity", "mains", number * 1000, {"voltage": float(number)}))
            for number in range(first, last + 1, every)
        ]
    )


def wanted(first, last, every=1):
    return {number * 1000: float(number) for number in range(first, last + 1, every)}


def test_a_backlog_goes_out_batch_after_batch_then_waits(delivery, journal, database):
    fill(journal, 1, 250)
    assert [delivery.deliver_once() for _ in range(2)] == [0, 0]
    assert delivery.deliver_once() == pytest.approx(5, abs=0.1)
    assert database.stored == wanted(1, 250)
    assert journal.backlog("history") == 0
    assert delivery.health.delivered == 250


def test_what_is_not_taken_is_kept_and_pauses_grow_up_to_a_minute(delivery, journal, database):
    fill(journal, 1, 10)
    database.mood = OutputAway("connection refused")
    pauses = [delivery.deliver_once() for _ in range(12)]
    assert pauses[0] <= 1
    assert max(pauses) <= 60
    assert pauses[-1] >= 30
    assert journal.backlog("history") == 10
    assert delivery.health.state == "away"
    database.mood = None
    delivery.deliver_once()
    assert database.stored == wanted(1, 10)
    assert delivery.health.state == "delivering"


def test_the_wish_of_the_far_side_is_kept(delivery, journal, database):
    fill(journal, 1, 1)
    database.mood = OutputAway("too many requests", retry_after_s=17)
    assert delivery.deliver_once() == 17
    database.mood = OutputAway("come back next year", retry_after_s=1e7)
    assert delivery.deliver_once() == 900


def test_a_far_side_that_only_closed_the_connection_is_asked_again_at_once_and_quietly(
    delivery, journal, database, caplog
):
    fill(journal, 1, 1)
    database.mood = OutputAway("the connection was closed", retry_after_s=0)
    assert delivery.deliver_once() == 0
    assert delivery.health.state == "starting"
    assert not caplog.records
    assert delivery.deliver_once() > 0
    assert delivery.health.state == "away"


@pytest.mark.parametrize("method", ["open", "newest_ms", "write"])
def test_an_error_that_nobody_foresaw_stops_the_output_until_it_works_again(
    delivery, journal, database, caplog, method
):
    fill(journal, 1, 10)
    delivery.deliver_once()
    fill(journal, 11, 20)
    delivery.is_open = False
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(database, method, stumble)
        pauses = [delivery.deliver_once() for _ in range(12)]
    assert pauses[0] <= 1
    assert 30 <= pauses[-1] <= 60
    assert delivery.health.state == "failed"
    assert delivery.health.last_error == "KeyError: 'no such key'"
    assert journal.backlog("history") == 10
    (logged,) = [each for each in caplog.records if "internal error" in each.message]
    assert logged.exc_info is not None
    assert "no such key" in caplog.text
    delivery.deliver_once()
    assert database.stored == wanted(1, 20)
    assert delivery.health.state == "delivering"


def test_an_output_that_cannot_be_closed_does_not_hold_up_the_stop(delivery, journal, database):
    fill(journal, 1, 10)
    database.close = stumble
    stop = threading.Event()
    stop.set()
    delivery.run(stop)
    assert database.stored == wanted(1, 10)


def test_refused_readings_are_set_aside_and_all_others_stored(
    delivery, journal, database, tmp_path
):
    fill(journal, 1, 20)
    database.mood = "picky"
    delivery.deliver_once()
    assert database.stored == {at: value for at, value in wanted(1, 20).items() if value != 13}
    letters = list(dead_letters(tmp_path, "history"))
    assert [(decode(each["reading"].encode()).at_ms, each["reason"]) for each in letters] == [
        (13_000, "no thirteens")
    ]
    assert (delivery.health.delivered, delivery.health.refused) == (19, 1)
    assert journal.backlog("history") == 0


def test_a_restart_goes_on_at_the_cursor(delivery, journal, database, clock, tmp_path):
    fill(journal, 1, 150)
    delivery.deliver_once()
    journal.close()
    again = Journal(tmp_path, "boot", ["history"])
    again.open()
    later = Delivery(
        "history",
        database,
        OutputOptions(type="influxdb"),
        again,
        clock,
        OutputHealth(),
        threading.Lock(),
    )
    database.stored.clear()
    database.newest_ms = lambda: None
    later.deliver_once()
    assert database.stored == wanted(101, 150)
    again.close()


def test_a_database_that_lost_its_newest_readings_gets_them_again(delivery, journal, database):
    for number in range(1, 301):
        fill(journal, number, number)
    while delivery.deliver_once() == 0:
        pass
    for lost in range(200, 301):
        del database.stored[lost * 1000]
    database.mood = OutputAway("restarting")
    fill(journal, 301, 301)
    delivery.deliver_once()
    database.mood = None
    while delivery.deliver_once() == 0:
        pass
    assert database.stored == wanted(1, 301)


def test_a_database_that_restarted_unseen_is_healed_within_minutes(
    delivery, journal, database, clock
):
    for number in range(1, 301):
        fill(journal, number, number)
    while delivery.deliver_once() == 0:
        pass
    for lost in range(290, 301):
        del database.stored[lost * 1000]
    clock.pass_ms(301_000)
    while delivery.deliver_once() == 0:
        pass
    assert database.stored == wanted(1, 300)


def test_a_server_that_refuses_everything_is_told_of_once(delivery, journal, database, caplog):
    database.mood = "picky"
    for number in range(3):
        journal.append([encode(Reading("electricity", "mains", number + 1, {"voltage": 13.0}))])
        delivery.deliver_once()
    assert delivery.health.refused == 3
    assert sum("refused" in record.message for record in caplog.records) == 1


def test_a_database_that_cannot_say_its_newest_is_believed(delivery, journal, database):
    fill(journal, 1, 10)
    delivery.deliver_once()
    database.newest_ms = lambda: None
    writes = database.writes
    delivery.is_open = False
    delivery.deliver_once()
    assert database.writes == writes


def test_a_server_that_was_away_for_thirty_days_gets_every_reading_once(
    delivery, journal, database
):
    database.mood = OutputAway("connection refused")
    last = 30 * 86_400
    for day in range(30):
        for first in range(day * 86_400 + 10, (day + 1) * 86_400, 3600):
            fill(journal, first, min(first + 3600, (day + 1) * 86_400 + 10) - 1, every=10)
        journal.keep_house(2 * 10**9)
        journal.drop_old((day - 6) * DAY_MS, (day - 364) * DAY_MS)
        delivery.deliver_once()
    assert database.stored == {}
    assert not journal.losses.ever
    database.mood = None
    database.batch_size = 5000
    while delivery.deliver_once() == 0:
        pass
    assert database.stored == wanted(10, last, every=10)
    assert delivery.health.delivered == journal.log.next_number - 1 == last // 10


def test_stopping_delivers_what_is_left_once(delivery, journal, database):
    fill(journal, 1, 10)
    stop = threading.Event()
    stop.set()
    delivery.run(stop)
    assert database.stored == wanted(1, 10)
