"""What is of now: three intervals of each value, and nothing of what is over."""

import threading

import pytest

from collector.clock import Frame
from collector.reading import Reading
from collector.run.now import Now

START_MS = 1_763_654_400_000


class Hands:
    """A clock whose hands the test sets; it is right *dated*, or counts from the boot."""

    def __init__(self, dated=True):
        self.ms = 1_000_000.0
        self.dated = dated
        self.booted_ms = START_MS - 1_000_000

    def monotonic_ms(self):
        return self.ms

    def wall_ms(self):
        return self.ms + self.booted_ms

    def frame(self):
        return Frame(self.booted_ms if self.dated else 0, self.dated)


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def now(clock):
    return Now(clock)


def hear(now, values, every_ms=1000, *, device="mains", back_ms=0, source="mains"):
    """Let *now* hear a reading of this moment, or of *back_ms* before."""
    clock = now.clock
    at_ms = round(clock.ms + clock.frame().offset_ms - back_ms)
    reading = Reading("electricity", device, at_ms, values)
    now.hear(source, {"": "Haus", "cellar": "Keller"}, [reading], dict.fromkeys(values, every_ms))


def values(now, device="mains"):
    (found,) = [each for each in now.show() if each.device == device]
    return found.values


def later(clock, seconds):
    clock.ms += 1000 * seconds


def test_a_value_is_of_now_for_three_intervals(clock, now):
    hear(now, {"voltage": 230.0}, 10_000)
    later(clock, 30)
    assert values(now) == {"voltage": 230.0}
    later(clock, 0.1)
    assert values(now) == {}


def test_a_value_read_every_second_lasts_five(clock, now):
    hear(now, {"voltage": 230.0})
    later(clock, 5)
    assert values(now) == {"voltage": 230.0}
    later(clock, 0.1)
    assert values(now) == {}


def test_what_is_read_less_often_stays_beside_what_is_read_each_second(clock, now):
    for second in range(30):
        hear(now, {"active_power": float(second)})
        if second % 10 == 0:
            hear(now, {"active_energy": 100.0 + second}, 10_000)
        assert set(values(now)) == {"active_power", "active_energy"}
        later(clock, 1)
    assert values(now) == {"active_power": 29.0, "active_energy": 120.0}


def test_a_value_that_ends_is_not_kept_by_others_of_its_device(clock, now):
    hear(now, {"active_power": 1.0, "voltage": 230.0})
    for _ in range(6):
        later(clock, 1)
        hear(now, {"voltage": 231.0})
    assert values(now) == {"voltage": 231.0}


def test_a_device_that_comes_more_seldom_than_it_is_asked_for_is_waited_for(clock, now):
    for _ in range(3):
        hear(now, {"voltage": 230.0})
        later(clock, 60)
    assert values(now) == {"voltage": 230.0}
    later(clock, 121)
    assert values(now) == {}


def test_a_device_that_was_away_for_an_hour_is_not_believed_for_three(clock, now):
    for _ in range(3):
        hear(now, {"voltage": 230.0})
        later(clock, 1)
    later(clock, 3600)
    hear(now, {"voltage": 229.0})
    later(clock, 1)
    hear(now, {"voltage": 228.0})
    later(clock, 6)
    assert values(now) == {}


def test_a_backlog_that_comes_late_is_not_of_now(clock, now):
    hear(now, {"voltage": 230.0}, 0, back_ms=3_600_000)
    later(clock, 0.1)
    hear(now, {"voltage": 231.0}, 0, back_ms=3_599_000)
    assert values(now) == {}
    assert now.show()[0].at_ms == round(START_MS + 100 - 3_599_000)


def test_what_is_older_than_what_is_known_changes_nothing(now):
    hear(now, {"voltage": 230.0})
    hear(now, {"voltage": 100.0}, back_ms=1000)
    assert values(now) == {"voltage": 230.0}


def test_a_clock_set_back_does_not_hold_the_values_of_the_time_before(clock, now):
    hear(now, {"voltage": 230.0})
    clock.booted_ms -= 3_600_000
    later(clock, 1)
    hear(now, {"voltage": 229.0})
    assert values(now) == {"voltage": 229.0}
    later(clock, 6)
    assert values(now) == {}


def test_before_the_clock_is_right_values_are_of_now_too():
    clock = Hands(dated=False)
    now = Now(clock)  # type: ignore[arg-type]
    hear(now, {"voltage": 230.0})
    assert values(now) == {"voltage": 230.0}
    assert now.show()[0].at_ms == START_MS
    clock.dated = True
    assert values(now) == {"voltage": 230.0}
    later(clock, 6)
    assert values(now) == {}


def test_a_device_says_where_it_is_from_and_what_people_call_it(now):
    hear(now, {"voltage": 230.0}, device="cellar", source="meters")
    hear(now, {"voltage": 230.0})
    assert {(each.device, each.source, each.label) for each in now.show()} == {
        ("cellar", "meters", "Keller"),
        ("mains", "mains", "Haus"),
    }


def test_it_is_heard_and_shown_at_once_without_a_mistake(now):
    def talk():
        for number in range(300):
            hear(now, {"voltage": 230.0}, device=f"d{number}")

    threads = [threading.Thread(target=talk) for _ in range(3)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        now.show()
    assert len(now.show()) == 300
