"""The options of the output: where EmonCMS is, what goes where, and what the set-up makes there."""

from dataclasses import dataclass
from typing import Literal

from collector.contract import OutputOptions
from collector.options import option
from collector.scalars import Seconds
from collector.secrets import Secret

PLAIN = r"[\w .-]{1,60}"  # EmonCMS removes every other character from a name of a node
PLAIN_FEED = r"[\w :-]{1,60}"  # likewise of a feed, and of the tag that it stands under


@dataclass(frozen=True, kw_only=True)
class Process:
    """One step of what EmonCMS does with a value that comes into an input."""

    process: str = option(
        "its name as in 'Input processes' of the API, such as log_to_feed, power_to_kwh, "
        "wh_accumulator, scale, allowpositive",
        example="power_to_kwh",
        pattern=r"[a-z][a-z0-9_]{1,59}",
    )
    feed: str = option(
        "name of the feed that it writes into, which is created; for a step that has one",
        example="house energy",
        default="",
        pattern=PLAIN_FEED,
    )
    tag: str = option(
        "tag that the feed stands under (default: the node)",
        example="house",
        default="",
        pattern=PLAIN_FEED,
    )
    value: float | None = option(
        "its number; for a step that has one, such as scale", example=0.001, default=None
    )
    engine: Literal["phpfina", "phptimeseries"] = option(
        "how the feed is stored: at a fixed interval, or at any times",
        example="phptimeseries",
        default="phpfina",
    )
    interval: Seconds = option(
        "interval of the feed; EmonCMS takes at least its 'min_feed_interval', mostly 10s",
        example="30s",
        default=Seconds(10),
        low=1,
        high=86_400,
    )
    unit: str = option("unit of the feed", example="kWh", default="", pattern=r"[^\s&#]{0,10}")


@dataclass(frozen=True, kw_only=True)
class Input:
    """What the set-up makes of one input."""

    description: str = option("text beside the input", example="House", default="", pattern=PLAIN)
    processes: tuple[Process, ...] = option(
        "its process list, in order",
        example=[{"process": "log_to_feed", "feed": "house power", "unit": "W"}],
        default=(),
    )


@dataclass(frozen=True, kw_only=True)
class EmonCMSOptions(OutputOptions):
    """Delivers readings to EmonCMS, no row twice: a node per device, an input per quantity."""

    url: str = option(
        "address of EmonCMS, with its path where it has one", example="http://emonpi.local"
    )
    key: Secret = option("the API key that may write", example="!secret emoncms-key")
    interval: Seconds = option(
        "at most one row of a device in so long, in whole seconds",
        example="5s",
        default=Seconds(10),
        low=1,
        high=86_400,
    )
    nodes: dict[str, str] = option(
        "other names for the nodes of devices: letters, digits, spaces, '_', '-' and '.'",
        example={"mains": "house"},
        default={},
    )
    feeds: dict[str, int] = option(
        "quantities that go straight into a feed, by its number, and into no input; such a feed "
        "also takes readings that come late",
        example={"mains.active_energy": 12},
        default={},
        low=1,
    )
    inputs: dict[str, Input] = option(
        "what 'energy-monitor setup emoncms' makes of inputs, by device and quantity",
        example={
            "mains.active_power": {
                "processes": [{"process": "log_to_feed", "feed": "house power", "unit": "W"}]
            }
        },
        default={},
    )
