"""A bill for people, and for programs."""

import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from collector.derive.cost.bill import Bill, Coverage
from collector.derive.cost.money import digits, rounded
from collector.derive.cost.row import Row, short
from collector.text import plain, table

LEAST_PLACES = 4  # of a price


def as_text(bill: Bill) -> str:
    """Set out a bill: its lines, tax and total, and how much of the time was measured."""
    last = bill.end - timedelta(days=1)
    days = f"{bill.first}" if bill.first == last else f"{bill.first} to {last}"
    several = len({each.contract for each in bill.rows}) > 1
    rows = [line(each, with_contract=several) for each in bill.rows]
    rows.append(["net" if bill.vat else "total", "", "", "", str(bill.net)])
    for percent, (base, amount) in bill.vat.items():
        rows.append([f"VAT {short(percent)} % of {base}", "", "", "", str(amount)])
    if bill.vat:
        rows.append(["total", "", "", "", str(bill.total)])
    shown = table(["NAME", "QUANTITY", "", "PRICE", "AMOUNT"], rows, right=(1, 3, 4))
    notes = [f"note: {plain(each, 500)}" for each in bill.notes]
    head = f"{bill.meter}, {days}, {bill.currency}"
    return "\n".join([head, "", shown, "", measured(bill.coverage), *notes])


def line(row: Row, *, with_contract: bool) -> list[str]:
    name = f"{row.contract}: {row.name}" if with_contract else row.name
    quantity = f"{row.quantity:.3f}" if row.unit in {"kWh", "kW"} else short(row.quantity)
    return [
        plain(name),
        quantity if row.unit else "",
        row.unit,
        "" if row.price is None else price(row.price),
        str(row.amount),
    ]


def price(value: Decimal) -> str:
    """Write a price with four digits, or with those that it has."""
    exponent = rounded(value, 9).normalize().as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return f"{value:.{max(LEAST_PLACES, places)}f}"


def measured(coverage: Coverage) -> str:
    """Say which part of the time was measured, and what the counter booked to gaps."""
    part = 100 * coverage.measured_ms / coverage.length_ms if coverage.length_ms else 0.0
    text = f"measured {min(part, 100):.1f} % of the time"
    if not coverage.gap_ms:
        return f"{text}; no gaps"
    minutes = round(coverage.gap_ms / 60_000)
    hours = f"{minutes // 60} h " if minutes >= 60 else ""  # noqa: PLR2004
    gap = rounded(coverage.gap, 1)
    return (
        f"{text}; gaps {hours}{minutes % 60} min: {gap} kWh booked by the counter, not by hour "
        "(shared over each gap by time)"
    )


def compared(bills: Sequence[Bill], others: Sequence[Bill], name: str) -> str:
    """Say what other contracts would have cost more or less. Bills of one currency only."""
    if len({each.currency for each in [*bills, *others]}) != 1:
        return "the currencies differ: no total is compared"
    currency = bills[0].currency
    difference = sum((each.total for each in others), Decimal(0)) - sum(
        (each.total for each in bills), Decimal(0)
    )
    if not difference:
        return f"{name} would have cost the same"
    word = "more" if difference > 0 else "less"
    return f"{name} would have cost {abs(difference):.{digits(currency)}f} {currency} {word}"


def to_json(bills: Sequence[Bill], others: Sequence[Bill]) -> str:
    """Return bills for programs; amounts are text, so that none is rounded on its way."""
    found: dict[str, Any] = {"bills": [as_dict(each) for each in bills]}
    if others:
        found["with"] = [as_dict(each) for each in others]
    return json.dumps(found, indent=2, ensure_ascii=False)


def as_dict(bill: Bill) -> dict[str, Any]:
    coverage = bill.coverage
    part = coverage.measured_ms / coverage.length_ms if coverage.length_ms else 0.0
    return {
        "meter": bill.meter,
        "first": f"{bill.first}",
        "last": f"{bill.end - timedelta(days=1)}",
        "currency": bill.currency,
        "rows": [
            {
                "contract": each.contract,
                "kind": each.kind,
                "name": each.name,
                "quantity": f"{each.quantity:f}",
                "unit": each.unit,
                "price": None if each.price is None else f"{each.price:f}",
                "amount": f"{each.amount:f}",
                "vat_percent": f"{each.vat:f}",
                "gap_kwh": f"{each.gap:f}",
            }
            for each in bill.rows
        ],
        "net": f"{bill.net:f}",
        "vat": [
            {"percent": f"{percent:f}", "of": f"{base:f}", "amount": f"{amount:f}"}
            for percent, (base, amount) in bill.vat.items()
        ],
        "total": f"{bill.total:f}",
        "measured": round(min(part, 1), 4),
        "gap_s": coverage.gap_ms // 1000,
        "gap_kwh": f"{coverage.gap:f}",
        "notes": list(bill.notes),
    }
