"""Numbers, times and money as people of a language write them. Pure.

The page's script writes them in the same way (``static/app.js``): both take the marks from the
file of the language.
"""

import math
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple

from collector.page.words import Words

DASH = "\N{EN DASH}"
NONE = DASH  # a figure that is not known
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
MS_PER_S = 1000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
DURATIONS: tuple[tuple[str, float, int], ...] = (  # unit, below which length, and that of one
    ("s", MINUTE_S, 1),
    ("min", HOUR_S, MINUTE_S),
    ("h", 2 * DAY_S, HOUR_S),
    ("d", math.inf, DAY_S),
)
KILO = 1000.0
# Decimals by unit, where the size of a number says too little or too much about them.
DECIMALS = {"V": 1, "Hz": 2, "°C": 1, "K": 1, "%": 0, "hPa": 0, "Wh/day": 0}
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
BYTES = ("B", "kB", "MB", "GB", "TB")


class Figure(NamedTuple):
    """A number that is written, and its unit."""

    number: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.number}{SPACE}{self.unit}" if self.unit else self.number


def places_of(value: float) -> int:
    """Return the decimals that three figures need."""
    size = abs(value)
    return 2 if size < 9.995 else 1 if size < 99.95 else 0  # noqa: PLR2004


class Writer(NamedTuple):
    """Writes for the readers of a language, in a time zone."""

    words: Words
    zone: tzinfo

    def number(self, value: float | Decimal, places: int) -> str:
        size = -value if value < 0 else value
        text = f"{size:,.{places}f}"
        marks = {",": self.words("form.thousands"), ".": self.words("form.decimal")}
        if size < 10 * KILO:
            marks[","] = ""  # 1234, but 12 345
        sign = MINUS if value < 0 and any(each in "123456789" for each in text) else ""
        return sign + "".join(marks.get(each, each) for each in text)

    def figure(self, value: float | None, unit: str = "") -> Figure:
        """Write a value for people: power in W or kW, energy in kWh, a time in words."""
        if value is None:
            return Figure(NONE, "kWh" if unit == "Wh" else unit)
        if unit == "Wh":
            value, unit = value / KILO, "kWh"
        elif unit in {"W", "VA", "var"} and abs(value) >= KILO:
            value, unit = value / KILO, f"k{unit}"
        elif unit in {"W", "VA", "var"}:
            return Figure(self.number(value, 0), unit)
        elif unit == "s":
            return Figure(self.duration(value))
        elif unit == "bytes":
            return self.size(value)
        unit = "" if unit == "1" else unit
        if unit == "" and value == round(value):
            return Figure(self.number(value, 0))
        places = DECIMALS.get(unit)
        return Figure(self.number(value, places_of(value) if places is None else places), unit)

    def size(self, value: float) -> Figure:
        index = 0
        while abs(value) >= KILO and index + 1 < len(BYTES):
            value, index = value / KILO, index + 1
        return Figure(self.number(value, places_of(value) if index else 0), BYTES[index])

    def money(self, amount: str | Decimal | None, currency: str) -> str:
        """Write an amount of money with the decimals that it comes with."""
        if amount is None:
            return NONE
        exact = Decimal(amount)
        exponent = exact.as_tuple().exponent
        places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        form = "money" if currency in SYMBOLS else "money_code"
        sign = MINUS if exact < 0 else ""
        text = self.words(f"form.{form}").format(
            n=self.number(abs(exact), places), c=SYMBOLS.get(currency, currency)
        )
        return sign + text.replace(" ", SPACE)

    def percent(self, share: float | None, places: int = 0) -> str:
        if share is None:
            return NONE
        return self.words("form.percent").format(n=self.number(100 * share, places))

    def duration(self, seconds: float) -> str:
        """Write a duration by its largest unit: 45 s, 12 min, 3 h, 5 days."""
        size = abs(seconds)
        unit, length = next((unit, length) for unit, most, length in DURATIONS if size < most)
        return self.words(f"duration.{unit}", n=self.number(int(seconds / length), 0))

    def ago(self, seconds: float | None) -> str:
        if seconds is None:
            return self.words("age.never")
        return self.words("age.ago", duration=self.duration(max(seconds, 0)))

    def at(self, at_ms: float) -> datetime:
        return datetime.fromtimestamp(at_ms / MS_PER_S, self.zone)

    def clock(self, at_ms: float, *, seconds: bool = False) -> str:
        return self.at(at_ms).strftime("%H:%M:%S" if seconds else "%H:%M")

    def day(self, day: date | float, form: str = "day") -> str:
        """Write a date, or the date of a time in ms: Mon 30 Nov 2026 as the language has it."""
        there = day if isinstance(day, date) else self.at(day).date()
        return self.words(f"form.{form}").format(
            weekday=self.words(f"weekday.d{there.weekday() + 1}"),
            day=there.day,
            month=self.words(f"month.m{there.month}"),
            number=f"{there.month:02d}",
            year=there.year,
        )

    def moment(self, at_ms: float | None) -> str:
        """Write a day and a time."""
        return f"{self.day(at_ms)}, {self.clock(at_ms)}" if at_ms else self.words("age.never")

    def change(self, share: float | None, before: str) -> str:
        """Say how much more or less it was than *before*: 12 % less than yesterday."""
        if share is None:
            return ""
        if abs(share) < 0.005:  # noqa: PLR2004  half a percent is nothing
            return self.words("change.same", before=before)
        key = "change.more" if share > 0 else "change.less"
        return self.words(key, percent=self.percent(abs(share)), before=before)
