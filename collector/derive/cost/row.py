"""A line of a bill, and how it is told from micro-Wh. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from collector.derive.cost.money import rounded

Kind = Literal["energy", "charge", "standing", "peak", "export", "minimum"]


@dataclass(frozen=True)
class Row:
    """A line: so much of *unit* at *price*, rounded; negative where the owner is paid.

    *gap* is the part of the quantity that the counter booked to a gap, not to hours.
    """

    contract: str
    kind: Kind
    name: str
    quantity: Decimal
    unit: str
    price: Decimal | None
    amount: Decimal
    vat: Decimal
    gap: Decimal = Decimal(0)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.contract, self.kind, self.name


def kwh(micro_wh: int) -> Decimal:
    """Return micro-Wh as kWh, exactly."""
    return Decimal(micro_wh).scaleb(-9)


def micro_wh(kwh: Decimal) -> int:
    return int(kwh.scaleb(9))


def short(number: Decimal) -> str:
    """Write a number without zeros at its end: 0.18, 10, 800."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def numbered(names: Iterable[str]) -> Iterator[str]:
    """Yield names, each that was there before with a number behind it: a, b, a (2)."""
    known: dict[str, int] = {}
    for name in names:
        known[name] = known.get(name, 0) + 1
        yield f"{name} ({known[name]})" if known[name] > 1 else name


def total(rows: "list[Row]", digits: int) -> Decimal:
    return sum((each.amount for each in rows), rounded(Decimal(0), digits))
