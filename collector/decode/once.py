"""Logs what has changed, and not again what was logged before."""

import logging

MOST_TOPICS = 1000  # devices may name them


class Once:
    """Logs a line unless it is the last one of its topic; an empty one ends the topic."""

    def __init__(self, log: logging.Logger) -> None:
        self.log = log
        self.last: dict[str, str] = {}

    def info(self, topic: str, text: str) -> None:
        self.write(logging.INFO, topic, text)

    def warning(self, topic: str, text: str) -> None:
        self.write(logging.WARNING, topic, text)

    def write(self, level: int, topic: str, text: str) -> None:
        if text and self.last.get(topic) != text:
            self.log.log(level, "%s", text)
        if len(self.last) >= MOST_TOPICS:
            self.last.clear()
        self.last[topic] = text
