"""What the page says: a file of messages per language, each with the same keys."""

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

LANGUAGES = ("en", "de", "it", "fr", "es")
MOST_HEADER = 500  # of a header that the browser sends


class Words(NamedTuple):
    """The messages of one language by key: ``now.draws``."""

    language: str
    messages: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        text = self.messages[key]
        return text.format(**values) if values else text

    def below(self, section: str) -> dict[str, str]:
        """Return the messages of a section by the last part of their key."""
        start = f"{section}."
        return {
            key.removeprefix(start): text
            for key, text in self.messages.items()
            if key.startswith(start)
        }


@functools.cache
def words(language: str) -> Words:
    text = files(__name__).joinpath(f"{language}.yaml").read_text(encoding="utf-8")
    return Words(language, dict(flat(yaml.load(text, yaml.CSafeLoader), "")))


def flat(section: Mapping[str, Any], start: str) -> list[tuple[str, str]]:
    """Return every message of a file with its whole key."""
    found: list[tuple[str, str]] = []
    for key, value in section.items():
        if isinstance(value, dict):
            found += flat(value, f"{start}{key}.")
        else:
            found.append((f"{start}{key}", str(value)))
    return found


def language_of(header: str) -> str:
    """Return the first of our languages that an Accept-Language header wants; else English."""
    wanted: list[tuple[float, str]] = []
    for each in header[:MOST_HEADER].split(","):
        name, _, quality = each.partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        wanted.append((-weight, name.strip().lower().partition("-")[0]))
    known = [name for weight, name in sorted(wanted, key=lambda one: one[0]) if weight < 0]
    return next((name for name in known if name in LANGUAGES), "en")
