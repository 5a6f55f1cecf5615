"""Money: currencies with their digits, and rounding half up to them. Never a float."""

from decimal import ROUND_HALF_UP, Decimal

WITHOUT_DIGITS = {"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND"}
THREE_DIGITS = {"BHD", "JOD", "KWD", "OMR", "TND"}


def digits(currency: str) -> int:
    return 0 if currency in WITHOUT_DIGITS else 3 if currency in THREE_DIGITS else 2


def rounded(amount: Decimal, digits: int) -> Decimal:
    """Round half up, away from zero, as bills do."""
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
