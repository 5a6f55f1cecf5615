"""What is chosen on the page History: of what, over which time. Pure."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from collector.page.views.span import RANGES

DAY_FORM = re.compile(r"\d{4}-\d\d-\d\d")
HOUR_FORM = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)(:\d\d)*")
FIRST_YEAR, LAST_YEAR = 2000, 2199
DECEMBER = 12


class Choice(NamedTuple):
    """Of which device and quantity (neither: the energy of the house), over which time."""

    device: str = ""
    quantity: str = ""
    range: str = "day"
    at: str = ""
    compare: bool = False

    @property
    def day(self) -> date:
        return date.fromisoformat(self.at[:10])

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at if "T" in self.at else f"{self.at}T00")

    def query(self, **others: str) -> str:
        """Return it as the query of an address, some of it changed."""
        values = {
            "device": self.device,
            "quantity": self.quantity,
            "range": self.range,
            "at": self.at,
            "compare": "1" if self.compare else "",
            **others,
        }
        return urlencode({name: value for name, value in values.items() if value})

    def moved(self, by: int) -> str:
        """Return the day or hour so many ranges later."""
        day = self.day
        if self.range == "hour":
            return f"{self.moment + timedelta(hours=by):%Y-%m-%dT%H}"
        if self.range == "year":
            return f"{min(max(day.year + by, FIRST_YEAR), LAST_YEAR)}-01-01"
        if self.range == "month":
            months = day.year * DECEMBER + day.month - 1 + by
            return f"{date(months // DECEMBER, months % DECEMBER + 1, 1)}"
        return f"{day + timedelta(days=by * (7 if self.range == 'week' else 1))}"


def choice(query: Mapping[str, str], now: datetime) -> Choice:
    """Read what was chosen; what was not is today's. Raise ValueError with a sentence."""
    device, quantity = query.get("device", ""), query.get("quantity", "")
    if shown := query.get("show", ""):
        device, _, quantity = shown.rpartition("/")
    name = query.get("range") or "day"
    if name not in RANGES:
        raise ValueError(f"range is one of {', '.join(RANGES)}")
    given = query.get("at", "")
    at = given or (f"{now:%Y-%m-%dT%H}" if name == "hour" else f"{now:%Y-%m-%d}")
    hour = HOUR_FORM.fullmatch(at)
    if not hour and not DAY_FORM.fullmatch(at):
        raise ValueError("at is a day such as 2026-11-30, or an hour such as 2026-11-30T14")
    day = hour[1] if hour else at
    kept = f"{day}T{hour[2] if hour else '00'}" if name == "hour" else day
    try:
        year = datetime.fromisoformat(kept).year
    except ValueError:
        raise ValueError("at is not a day of the calendar") from None
    if given and not FIRST_YEAR <= year <= LAST_YEAR:  # a clock that is not set is in 1970
        raise ValueError(f"at lies between the years {FIRST_YEAR} and {LAST_YEAR}")
    return Choice(device, quantity, name, kept, query.get("compare", "") == "1")
