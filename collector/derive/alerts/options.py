"""The options of one rule."""

from dataclasses import dataclass

from collector.options import option
from collector.scalars import Seconds


@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """One rule: one of the project's with what is given here changed, or one of your own."""

    off: bool = option("switch this rule off", example=True, default=False)
    when: str = option(
        "condition that raises the alert; docs/alerts.md has the language",
        example="mains.active_power > 95 % of contract",
        default="",
    )
    for_: Seconds | None = option(
        "how long the condition must hold (default: no time)",
        example="30s",
        default=None,
        high=31 * 86400,
    )
    clear: str = option(
        "value at which a single comparison ends, or a condition that ends the alert (default: 5 % "
        "on the other side of the limit)",
        example="4.5 kW",
        default="",
    )
    clear_for: Seconds | None = option(
        "how long that must hold (default: 5m)", example="1m", default=None, high=31 * 86400
    )
    repeat: Seconds | None = option(
        "remind after this long, then after twice as long each time; 0 never does (default: 24h)",
        example="12h",
        default=None,
        high=365 * 86400,
    )
    unless: tuple[str, ...] = option(
        "not while an alert of one of these rules stands, on the same device where both have a '*'",
        example=["collection-failing"],
        default=(),
    )
    urgent: bool | None = option("send it in quiet hours too", example=True, default=None)
    recovery: bool | None = option(
        "say when it is over (default: true)", example=False, default=None
    )
    to: tuple[str, ...] = option(
        "outputs that send it (default: every output that sends messages)",
        example=["phone"],
        default=(),
    )
    say: str = option(
        "what is wrong, in your words", example="the house draws more than its contract", default=""
    )
    do: str = option(
        "what mends it, in your words", example="switch the oven or the heater off", default=""
    )
