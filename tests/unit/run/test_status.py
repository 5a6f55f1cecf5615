"""What the service tells of its sources."""

from collector.reading import Reading
from collector.run.health import SourceHealth
from collector.run.status import source_status

BOOTED_MS = 1_790_000_000_000


def test_a_reading_from_before_the_clock_was_right_is_as_old_as_it_is():
    undated = Reading("electricity", "meter", 5_000, {"voltage": 230.0})
    dated = Reading("weather", "sky", BOOTED_MS - 60_000, {"outside_temperature": 7.0})
    health = SourceHealth(latest={"meter": undated, "sky": dated})
    latest = source_status(health, 6_000, BOOTED_MS).latest
    assert latest["meter"].at_ms == BOOTED_MS + 5_000
    assert latest["sky"].at_ms == BOOTED_MS - 60_000
