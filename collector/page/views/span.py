"""Which time is asked for: a local period, or from one instant to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from collector.contract.views import By
from collector.page.request import wrong
from collector.reading import LATEST_MS

Range = Literal["hour", "day", "week", "month", "year"]
RANGES: tuple[Range, ...] = ("hour", "day", "week", "month", "year")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LONGEST_MS = 5 * 366 * DAY_MS
# The period that a longer one is shown in.
PARTS: Mapping[Range, By] = {
    "hour": "quarter",
    "day": "hour",
    "week": "day",
    "month": "day",
    "year": "month",
}


@dataclass(frozen=True)
class Span:
    """A time in ms UTC, of which *end_ms* is outside; *range* is '' where it is no period."""

    begin_ms: int
    end_ms: int
    range: Range | None = None

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.begin_ms


def asked(query: Mapping[str, Any], now_ms: float, zone: ZoneInfo, usual: Range = "day") -> Span:
    """Return the time of a query. Raise Refused where it contradicts itself."""
    if "since_ms" not in query and "until_ms" not in query:
        return span_of(query.get("range", usual), query.get("at"), now_ms, zone)
    if "at" in query or "range" in query:
        raise wrong("'range' and 'at' say a time, and so do 'since_ms' and 'until_ms': give one")
    end_ms = query.get("until_ms", round(now_ms))
    begin_ms = query.get("since_ms", max(end_ms - DAY_MS, 0))
    if begin_ms >= end_ms:
        raise wrong("'since_ms' must be before 'until_ms' (without it: now)")
    if end_ms - begin_ms > LONGEST_MS:
        raise wrong("that is longer than 5 years; ask for less at once")
    return Span(begin_ms, end_ms)


def span_of(range_: Range, at: str | None, now_ms: float, zone: ZoneInfo) -> Span:
    """Return the local period that holds *at*, or now. Raise Refused where there is no such day."""
    try:
        local = (
            datetime.fromisoformat(at).replace(tzinfo=zone)
            if at
            else datetime.fromtimestamp(now_ms / 1000, zone)
        )
        begin = start(local, range_)
        begin_ms, end_ms = ms(begin), ms(after(begin, range_))
    except (ValueError, OverflowError):
        raise wrong(f"at={at!r}: there is no such day; write one like 2026-10-31") from None
    if not 0 <= begin_ms < end_ms < LATEST_MS:
        raise wrong(f"at={at!r}: that is before 1970 or too far ahead")
    return Span(begin_ms, end_ms, range_)


def before(span: Span, zone: ZoneInfo) -> Span:
    """Return the period before, or as long a time before."""
    if span.range:
        return span_of(span.range, None, span.begin_ms - 1, zone)
    return Span(max(span.begin_ms - span.length_ms, 0), span.begin_ms)


def until(span: Span, now_ms: float, of: Span) -> Span:
    """Return *of* up to where *span* has got by now, so that both can be compared."""
    passed_ms = max(min(round(now_ms), span.end_ms) - span.begin_ms, 0)
    if passed_ms >= span.length_ms:
        return of
    return Span(of.begin_ms, min(of.begin_ms + passed_ms, of.end_ms))


def start(local: datetime, range_: Range) -> datetime:
    """Return where the local period that holds a time begins; weeks begin on Mondays."""
    local = local.replace(minute=0, second=0, microsecond=0)
    if range_ == "hour":
        return local
    local = local.replace(hour=0, fold=0)
    if range_ == "week":
        return local - timedelta(days=local.weekday())
    if range_ == "day":
        return local
    return local.replace(day=1) if range_ == "month" else local.replace(month=1, day=1)


def after(begin: datetime, range_: Range) -> datetime:
    """Return where the period after the one that begins at *begin* begins."""
    if range_ == "hour":
        return datetime.fromtimestamp(begin.timestamp() + 3600, begin.tzinfo)
    if range_ in {"day", "week"}:
        return begin + timedelta(days=1 if range_ == "day" else 7)
    month = begin.month - 1 + (1 if range_ == "month" else 12)
    return begin.replace(year=begin.year + month // 12, month=month % 12 + 1)


def ms(local: datetime) -> int:
    return round(local.timestamp() * 1000)
