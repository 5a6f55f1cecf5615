"""What the service tells of its sources."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from collector.reading import Reading
from collector.run import health as module
from collector.run.health import LastLateness, SourceHealth
from collector.run.status import source_status

BOOTED_MS = 1_790_000_000_000


def test_a_reading_from_before_the_clock_was_right_is_as_old_as_it_is():
    undated = Reading("electricity", "meter", 5_000, {"voltage": 230.0})
    dated = Reading("weather", "sky", BOOTED_MS - 60_000, {"outside_temperature": 7.0})
    health = SourceHealth(latest={"meter": undated, "sky": dated})
    latest = source_status(health, 6_000, BOOTED_MS).latest
    assert latest["meter"].at_ms == BOOTED_MS + 5_000
    assert latest["sky"].at_ms == BOOTED_MS - 60_000


@given(st.lists(st.floats(-1, 100), max_size=3 * module.LATENESS_KEPT))
def test_the_lateness_of_the_last_reads_is_in_order_and_older_ones_are_forgotten(late_s):
    kept, last = LastLateness(), deque[float](maxlen=module.LATENESS_KEPT)
    for each in late_s:
        kept.append(each)
        last.append(each)
    assert kept.ordered == sorted(last)
    assert list(kept.last) == list(last)
