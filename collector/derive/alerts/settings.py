"""The options: rules by name, and what holds for all of them."""

from dataclasses import dataclass

from collector.contract import DerivationOptions
from collector.contract.alert import Meaning
from collector.derive.alerts.options import RuleOptions
from collector.derive.alerts.rules import rules_of
from collector.options import option

TIME_OF_DAY = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"


@dataclass(frozen=True, kw_only=True)
class AlertsOptions(DerivationOptions):
    """Raises alerts by rules on readings, derived values and the collector itself.

    It runs without being named here too, with the rules of the project. Outputs of the types
    'apprise', 'mail', 'ntfy', 'telegram' and 'webhook' send what it raises.
    """

    rules: dict[str, RuleOptions] = option(
        "rules by name; docs/alerts.md lists those that there are anyway",
        example={"freezer": {"when": "freezer.temperature > -12 °C", "for": "30m"}},
        default={},
    )
    defaults: bool = option("whether there are the project's rules", example=False, default=True)
    quiet: str = option(
        "hours of the house in which only urgent alerts are sent; the others come at their end",
        example="22:00-07:00",
        default="",
        pattern=rf"(?:{TIME_OF_DAY}-{TIME_OF_DAY})?",
    )
    contract: float | None = option(
        "power that the contract with the utility allows, in W; 'overload' needs it",
        example=3300,
        default=None,
        low=1,
        high=1e6,
    )
    discharge_floor: float = option(
        "state of charge below which batteries should not be, in %",
        example=30,
        default=20,
        low=0,
        high=100,
    )
    peak_of: str = option(
        "meter whose largest quarter of an hour in a month has a price; 'month-peak' needs it",
        example="mains",
        default="",
    )

    def meanings(self) -> dict[str, Meaning]:
        """Return what each rule means. Raise ValueError where a condition is none."""
        return {each.name: each.meaning for each in rules_of(self.rules, defaults=self.defaults)}
