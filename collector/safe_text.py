"""Words that came from a far side, made safe for the log, a terminal and the status.

Every secret that this process has read is taken out, in each spelling, and control characters are
written as escapes: a far side may echo a token, or hold commands for a terminal.
"""

import base64
import json
import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from types import TracebackType
from urllib.parse import quote, quote_plus

from collector import secrets

MARK = "[redacted]"
SHORTEST = 4  # fewer stand in every text: what is hidden there would be told by that
SHORTEST_PART = 12  # a shorter one may stand within a word: 'house' in 'energy-house'
SHORTEST_LINE = 16  # of a secret with several, such as a private key
LONGEST = 2000


def safe(text: str) -> str:
    """Return *text* as one line without secrets and control characters, of bounded length."""
    return escape(hide(text[: 4 * LONGEST]))[:LONGEST] if text else ""


def hide(text: str) -> str:
    """Take every secret that this process has read out of *text*."""
    pattern = pattern_of(frozenset(secrets.known))
    return pattern.sub(MARK, text) if pattern else text


def escape(text: str, keep: str = "") -> str:
    """Write what cannot be printed as escapes, but for the characters in *keep*."""
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


class SafeFormatter(logging.Formatter):
    """Formats what is logged without secrets and control characters; a message is one line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's
        record.message = safe(record.message)
        return super().formatMessage(record)

    def formatException(  # noqa: N802  logging's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        return escape(hide(super().formatException(ei)), keep="\n")


@lru_cache(maxsize=4)
def pattern_of(values: Iterable[str]) -> re.Pattern[str] | None:
    """Return what matches *values* in every spelling; None where there is nothing to hide."""
    spelled = {spelling for value in values for spelling in spellings(value)}
    longest_first = sorted(spelled, key=lambda each: (-len(each), each))
    return re.compile("|".join(map(matching, longest_first))) if spelled else None


def matching(spelling: str) -> str:
    """Return the pattern of one spelling: anywhere, or where it is short, as a word of its own."""
    pattern = re.escape(spelling)
    return pattern if len(spelling) >= SHORTEST_PART else rf"(?<![\w-]){pattern}(?![\w-])"


def spellings(value: str) -> set[str]:
    """Return *value* as it may stand in addresses, JSON, headers and logs, whole and in parts."""
    parts = {value, value.partition(":")[2]}  # of 'user:password'
    parts |= set(re.findall(r"sig=([^&\s]+)", value))
    parts |= {line for line in value.splitlines() if len(line) >= SHORTEST_LINE}
    found = set()
    for part in parts:
        found |= {part, quote(part, safe=""), quote(part), quote_plus(part)}
        found |= {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}
        found |= {repr(part)[1:-1], base64.b64encode(part.encode()).decode()}
        found |= {base64.b64encode(f"admin:{part}".encode()).decode()}
    return {each for each in found if len(each) >= SHORTEST}
