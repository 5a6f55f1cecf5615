"""A thing is logged when it changes, and not at every read."""

import logging

from collector.decode.once import MOST_TOPICS, Once


def test_a_line_is_logged_when_it_is_not_the_last_of_its_topic(caplog):
    caplog.set_level(logging.INFO)
    once = Once(logging.getLogger("test"))
    for text in ("a", "a", "b", "a", "", "a"):
        once.warning("state", text)
    once.info("other", "a")
    assert [each.message for each in caplog.records] == ["a", "b", "a", "a", "a"]
    assert [each.levelname for each in caplog.records] == ["WARNING"] * 4 + ["INFO"]


def test_topics_that_a_device_names_do_not_fill_the_memory():
    once = Once(logging.getLogger("test"))
    for number in range(10 * MOST_TOPICS):
        once.info(f"topic {number}", "x")
    assert len(once.last) <= MOST_TOPICS
