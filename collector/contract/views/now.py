"""What there is now: the house, its power flow, today, and each device."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "attention", "problem"]
CostState = Literal["known", "finding", "none"]
Verdict = Literal["usual", "high", "low", "unknown"]


@dataclass(frozen=True, kw_only=True)
class House:
    """What the house draws, and what is usual at this hour: of 28 days, four fifths lie between."""

    power: float | None = None
    usual_low: float | None = None
    usual_high: float | None = None
    verdict: Verdict = "unknown"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one part of the house draws."""

    name: str
    label: str
    power: float | None


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Powers: *grid* above 0 is drawn, below 0 fed in; *battery* above 0 discharges."""

    grid: float | None = None
    solar: float | None = None
    battery: float | None = None
    house: float | None = None
    heat_pump: float | None = None
    parts: tuple[Part, ...] = ()
    rest: float | None = None


@dataclass(frozen=True, kw_only=True)
class Today:
    """The local day up to *until_ms*, the end of its newest quarter hour in the ledger.

    What the day before had at the same time is beside it. *cost_state* says why there is no cost:
    it is being found out, or there is no contract that it could be of.
    """

    begin_ms: int = 0
    until_ms: int = 0
    house_wh: float | None = None
    import_wh: float | None = None
    export_wh: float | None = None
    solar_wh: float | None = None
    self_use: float | None = None
    autarky: float | None = None
    cost: str | None = None
    cost_state: CostState = "none"
    currency: str = ""
    yesterday_same_time_cost: str | None = None
    yesterday_same_time_wh: float | None = None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong, and the command that says more of it, or what to do; '' where none."""

    text: str
    command: str = ""
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Whether everything is measured."""

    state: State = "ok"
    sources_ok: int = 0
    sources: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value of a quantity."""

    quantity: str
    label: str
    value: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class DeviceView:
    """A device; *spark* has the last ten minutes of its main figure, at most 60 points.

    One that reports only what changes stays *fresh* while its source answers.
    *role* is what it is in the house by the configuration: ``grid``, ``part of house``, or ''.
    """

    device: str
    kind: str
    label: str
    source: str
    at_ms: int
    age_s: float
    fresh: bool
    role: str = ""
    main: Figure | None = None
    figures: tuple[Figure, ...] = ()
    spark: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class NowView:
    """Everything of this second."""

    site: str
    label: str
    at_ms: int
    clock_trusted: bool
    house: House
    flow: Flow
    today: Today
    measured: Measured
    devices: tuple[DeviceView, ...]
