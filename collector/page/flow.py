"""The picture of the power flow: where its circles and lines are, and how thick. Pure.

The page's script (``static/app.js``) moves figures, arrows and the ring by the same rules.
"""

from collections.abc import Mapping
from typing import NamedTuple

from collector.contract.views import Flow, Part
from collector.page.charts import colours
from collector.page.words import Words

HOUSE_X, HOUSE_Y, HOUSE_R = 200, 196, 54
NODE_R = 40
LOWER_Y = 366
LOWER_R = 41
LOWER_XS = {1: (200,), 2: (130, 270), 3: (80, 200, 320), 4: (44, 148, 252, 356)}
MOST_LOWER = 4
IDLE_W = 5.0  # what a meter shows where nothing flows
HEAT_PUMP = "heat_pump"


class Node(NamedTuple):
    """A circle of the picture: *path* is where its power stands in the JSON."""

    key: str
    label: str
    colour: str
    icon: str
    power: float | None
    path: str
    x: int
    y: int
    r: int
    word: str


class Link(NamedTuple):
    """A line from a circle to the house, or from the house to a part; *turned* flows backwards."""

    path: str
    colour: str
    d: str
    power: float | None
    turned: bool
    x: float
    y: float
    angle: int

    @property
    def width(self) -> str:
        return f"{2 + min(abs(self.power or 0) / 800, 6):.1f}"

    @property
    def pace(self) -> int:
        """Return how fast it moves, from 0 where nothing flows to 3."""
        size = abs(self.power or 0)
        return 0 if size < IDLE_W else 1 if size < 500 else 2 if size < 2500 else 3  # noqa: PLR2004

    @property
    def turn(self) -> int:
        return self.angle + 180 * self.turned


class Share(NamedTuple):
    """A stretch of the ring around the house: of 100 from *start* on, *length*."""

    colour: str
    start: float
    length: float


class Picture(NamedTuple):
    """Everything that is drawn."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    ring: tuple[Share, ...]


def picture(flow: Flow, words: Words, roles: Mapping[str, str]) -> Picture:
    """Draw *flow*; what the house has not is left out. *roles* are those of devices."""
    nodes, links = [], []
    for key, (x, y, d, at) in ABOVE.items():
        power: float | None = getattr(flow, key)
        if power is None and key != "grid":
            continue
        word = words(f"flow.{word_of(key, power)}")
        nodes.append(
            Node(key, words(f"flow.{key}"), key, key, power, f"flow/{key}", x, y, NODE_R, word)
        )
        links.append(Link(f"flow/{key}", key, d, power, (power or 0) < 0, *at))
    lower = lower_of(flow, words, roles)
    xs = LOWER_XS.get(len(lower), ())
    for (key, icon, label, colour, power, path), x in zip(lower, xs, strict=True):
        nodes.append(Node(key, label, colour, icon, power, path, x, LOWER_Y, LOWER_R, ""))
        top, bottom = HOUSE_Y + HOUSE_R + 3, LOWER_Y - LOWER_R - 3
        middle = (top + bottom) / 2
        d = f"M{HOUSE_X} {top}C{HOUSE_X} {middle} {x} {middle} {x} {bottom}"
        links.append(Link(path, colour, d, power, False, x, bottom - 6, 90))
    house = Node(
        "house", words("flow.house"), "house", "house", flow.house, "flow/house",
        HOUSE_X, HOUSE_Y, HOUSE_R, "",
    )  # fmt: skip
    return Picture((*nodes, house), tuple(links), ring_of(flow))


# Of what is above and beside the house: place, line towards the house, and its arrow.
ABOVE: Mapping[str, tuple[int, int, str, tuple[float, float, int]]] = {
    "solar": (200, 50, f"M200 {50 + 43}V{HOUSE_Y - 57}", (200, 118, 90)),
    "grid": (48, HOUSE_Y, f"M{48 + 43} {HOUSE_Y}H{HOUSE_X - 57}", (117, HOUSE_Y, 0)),
    "battery": (352, HOUSE_Y, f"M{352 - 43} {HOUSE_Y}H{HOUSE_X + 57}", (283, HOUSE_Y, 180)),
}


def word_of(key: str, power: float | None) -> str:
    """Return the word for a direction: colour alone says nothing."""
    if power is None:
        return "unknown"
    if abs(power) < IDLE_W:
        return "idle"
    positive, negative = {
        "grid": ("drawn", "fed_in"),
        "battery": ("discharging", "charging"),
        "solar": ("produces", "produces"),
    }[key]
    return positive if power > 0 else negative


Lower = tuple[str, str, str, str, float | None, str]  # key, icon, label, colour, power, path


def lower_of(flow: Flow, words: Words, roles: Mapping[str, str]) -> list[Lower]:
    """Return what draws: at most four circles, the last of them for what is left."""
    found: list[Lower] = []
    colour = colours(each.name for each in flow.parts)
    pumps = {each.name for each in flow.parts if is_pump(each, flow, roles)}
    if flow.heat_pump is not None and not pumps:
        label = words("flow.heat_pump")
        found.append((HEAT_PUMP, HEAT_PUMP, label, HEAT_PUMP, flow.heat_pump, "flow/heat_pump"))
    for each in flow.parts:
        path = f"flow/parts/{each.name}"
        icon = HEAT_PUMP if each.name in pumps else "part"
        label = each.label or each.name.replace("_", " ")
        found.append((each.name, icon, label, colour[each.name], each.power, path))
    if flow.rest is not None:
        found.append(("rest", "rest", words("flow.rest"), "rest", flow.rest, "flow/rest"))
    if len(found) <= MOST_LOWER:
        return found
    kept, others = found[: MOST_LOWER - 1], found[MOST_LOWER - 1 :]
    total = sum(each[4] or 0 for each in others)
    path = " ".join(each[5] for each in others)
    return [*kept, ("rest", "rest", words("flow.others"), "rest", total, path)]


def is_pump(part: Part, flow: Flow, roles: Mapping[str, str]) -> bool:
    """Return whether a part is the heat pump, which has a figure of its own too."""
    role = roles.get(part.name, "")
    return role == HEAT_PUMP or (not role and flow.heat_pump == part.power is not None)


def ring_of(flow: Flow) -> tuple[Share, ...]:
    """Share the ring around the house out by where its power comes from."""
    sources = {
        key: max(getattr(flow, key) or 0.0, 0.0) for key in ("solar", "battery", "grid")
    }  # fmt: skip
    total = sum(sources.values())
    shares, start = [], 0.0
    for key, power in sources.items():
        length = round(100 * power / total, 1) if total >= IDLE_W else 0.0
        shares.append(Share(key, start, length))
        start = round(start + length, 1)
    return tuple(shares)
