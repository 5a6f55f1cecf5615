"""From the journal to an output: nothing is lost, whatever the far side answers."""

import threading

import pytest

from collector.contract import OutputOptions, RenameOptions, SelectOptions
from collector.errors import OutputAway, ReadingsRefused, SecretMissing
from collector.journal.journal import Journal
from collector.journal.notes import dead_letters
from collector.reading import Reading, decode, encode
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from collector.scalars import Seconds
from tests.fakes.running import wait_for
from tests.fakes.time_machine import FakeClock


class Database:
    """An output that keeps what it gets by time, and answers as *mood* says."""

    batch_size = 100
    wants = "all"
    resend = "idempotent"

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


def test_what_no_output_gets_unasked_is_passed_over(journal, database, delivery):
    fill(journal, 1, 5)
    journal.append([f"electricity_1m,device=mains voltage=9.0 {n}500".encode() for n in range(5)])
    journal.append([f"energy,device=mains voltage=9.0 {n}500".encode() for n in range(1, 5)])
    delivery.deliver_once()
    assert database.stored == wanted(1, 5)
    assert journal.backlog("history") == 0


def test_what_comes_after_a_pause_does_not_wait_for_a_whole_interval(journal, clock, database):
    options = OutputOptions(type="influxdb", every=Seconds(3600))
    health, stop = OutputHealth(), threading.Event()
    delivery = Delivery("history", database, options, journal, clock, health, threading.Lock())
    thread = threading.Thread(target=delivery.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: database.opened, "it waits for readings")
        fill(journal, 1, 2)
        wait_for(lambda: database.stored == wanted(1, 2), "they are stored")
    finally:
        stop.set()
        thread.join()


def test_a_backlog_goes_out_batch_after_batch_then_waits(delivery, journal, database):
    fill(journal, 1, 250)
    assert [delivery.deliver_once() for _ in range(2)] == [0, 0]
    assert delivery.deliver_once() == pytest.approx(delivery.every_s, abs=0.1)
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


def test_what_is_not_selected_counts_as_delivered_and_heals_nothing(
    journal, clock, database, caplog
):
    options = OutputOptions(type="x", select=SelectOptions(devices=("mains",)))
    delivery = Delivery(
        "history", database, options, journal, clock, OutputHealth(), threading.Lock()
    )
    fill(journal, 1, 10)
    other = Reading("battery", "bank", 90_000, {"state_of_charge": 80.0})
    journal.append([encode(other)])
    delivery.deliver_once()
    assert database.stored == wanted(1, 10)
    assert journal.backlog("history") == 0
    delivery.is_open = False
    delivery.deliver_once()
    assert database.writes == 1
    journal.append([encode(other)])
    assert journal.behind_ms("history", 95_000) == 5_000
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


def test_a_refused_reading_is_set_aside_as_the_journal_has_it(
    journal, clock, database, tmp_path, monkeypatch
):
    rename = RenameOptions(devices={"mains": "house"})
    options = OutputOptions(type="x", rename=rename, select=SelectOptions(devices=("mains",)))
    delivery = Delivery(
        "history", database, options, journal, clock, OutputHealth(), threading.Lock()
    )
    journal.append([encode(Reading("battery", "bank", 1, {"state_of_charge": 80.0}))])
    fill(journal, 12, 14)
    monkeypatch.setattr(database, "mood", "picky")
    delivery.deliver_once()
    letters = list(dead_letters(tmp_path, "history"))
    assert [each["reading"] for each in letters] == ["electricity,device=mains voltage=13.0 13000"]


class States(Database):
    """An output that wants states, and keeps every batch it gets."""

    wants = "newest"
    resend = "newest only"

    def __init__(self):
        super().__init__()
        self.batches = []

    def write(self, batch):
        if isinstance(self.mood, Exception):
            raise self.mood
        self.batches.append([decode(line) for line in batch])


@pytest.fixture
def states():
    return States()


@pytest.fixture
def showing(journal, clock, states):
    options = OutputOptions(type="states")
    return Delivery("history", states, options, journal, clock, OutputHealth(), threading.Lock())


def test_an_output_of_states_gets_one_reading_per_device_after_an_absence(showing, journal, states):
    states.mood = OutputAway("connection refused")
    for first in range(1, 20_001, 1000):
        fill(journal, first, first + 999)
        showing.deliver_once()
    journal.append([encode(Reading("battery", "bank", 7_000, {"state_of_charge": 80.0}))])
    states.mood = None
    assert showing.deliver_once() > 0
    (batch,) = states.batches
    assert [(each.device, each.at_ms, each.values) for each in batch] == [
        ("bank", 7_000, {"state_of_charge": 80.0}),
        ("mains", 20_000_000, {"voltage": 20_000.0}),
    ]
    assert journal.backlog("history") == 0
    assert 0 < showing.deliver_once() <= showing.every_s
    assert len(states.batches) == 1


def test_an_output_of_states_gets_the_newest_value_of_every_quantity(showing, journal, states):
    for at_ms, values in (
        (1_000, {"voltage": 1.0, "active_energy": 10.0}),
        (3_000, {"voltage": 3.0}),
        (2_000, {"voltage": 2.0, "current": 20.0}),
    ):
        journal.append([encode(Reading("electricity", "mains", at_ms, values))])
    showing.deliver_once()
    (batch,) = states.batches
    assert [(each.at_ms, each.values) for each in batch] == [
        (3_000, {"voltage": 3.0, "active_energy": 10.0, "current": 20.0})
    ]


def test_a_state_goes_on_after_a_clock_that_was_ahead_is_set_back(showing, journal, states, clock):
    now_ms = round(clock.wall_ms())
    for at_ms in (now_ms + 10**9, now_ms - 1_000, now_ms - 2_000, now_ms):
        journal.append([encode(Reading("electricity", "mains", at_ms, {"voltage": 1.0}))])
        showing.deliver_once()
    given = [each.at_ms - now_ms for batch in states.batches for each in batch]
    assert given == [10**9, -1_000, 0]


def test_a_refused_state_is_counted_and_not_set_aside(showing, journal, states, tmp_path, caplog):
    fill(journal, 1, 3)
    states.mood = ReadingsRefused({0: "no such topic"})
    showing.deliver_once()
    assert (showing.health.delivered, showing.health.refused) == (0, 1)
    assert list(dead_letters(tmp_path, "history")) == []
    assert "no such topic" in caplog.text
    assert journal.backlog("history") == 0


@pytest.mark.parametrize("resend", ["asks first", "newest only"])
def test_an_output_that_is_not_idempotent_gets_nothing_again_by_itself(
    delivery, journal, database, monkeypatch, resend
):
    monkeypatch.setattr(database, "resend", resend)
    fill(journal, 1, 100)
    delivery.deliver_once()
    database.stored.clear()
    delivery.is_open = False
    delivery.deliver_once()
    assert database.stored == {}
    assert journal.backlog("history") == 0


def test_states_are_told_again_from_where_a_replay_begins(showing, journal, states):
    fill(journal, 1, 3)
    showing.deliver_once()
    journal.rewind("history", 0)
    showing.deliver_once()
    assert [len(batch) for batch in states.batches] == [1, 1]


def test_stopping_delivers_what_is_left_once(delivery, journal, database):
    fill(journal, 1, 10)
    stop = threading.Event()
    stop.set()
    delivery.run(stop)
    assert database.stored == wanted(1, 10)


def test_a_state_never_goes_back_when_history_comes_late(showing, journal, states):
    fill(journal, 9, 9)
    showing.deliver_once()
    fill(journal, 1, 5)  # a weather archive, or readings that are sent again
    showing.deliver_once()
    assert [each.values["voltage"] for batch in states.batches for each in batch] == [9.0]
    fill(journal, 10, 10)
    showing.deliver_once()
    assert states.batches[-1][0].values["voltage"] == 10.0


def test_an_output_without_its_secret_is_away_and_no_bug(delivery, journal, database, monkeypatch):
    def without(*_):
        raise SecretMissing("secret 'token' has not reached the service")

    monkeypatch.setattr(database, "write", without)
    fill(journal, 1, 5)
    delivery.deliver_once()
    assert delivery.health.state == "away"
    assert "secret 'token'" in delivery.health.last_error


def test_a_place_that_no_batch_has_is_a_bug_of_the_output_alone(
    delivery, journal, database, monkeypatch
):
    def wrong(*_):
        raise ReadingsRefused({99: "no such place"})

    monkeypatch.setattr(database, "write", wrong)
    fill(journal, 1, 5)
    delivery.deliver_once()
    assert delivery.health.state == "failed"
    assert journal.backlog("history") == 5
