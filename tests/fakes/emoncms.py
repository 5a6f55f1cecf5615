"""EmonCMS without PHP: what 11.16 answered when it was asked the same, and how it counts.

For a machine without EmonCMS: ``tests/servers/emoncms.py`` runs the real one, through the same
tests. A row that comes twice shows as energy that is there twice.
"""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.http_answers import Asked, Reply

WRITE_KEY, READ_KEY = "a" * 32, "b" * 32
FORMAT = "Format error, json string supplied is not valid"
REMOVED = re.compile(r"[^\w\s.-]")
REMOVED_OF_FEED = re.compile(r"[^\w\s:-]")
IDS = {"log_to_feed": 1, "scale": 2, "power_to_kwh": 4, "allowpositive": 24, "wh_accumulator": 34}
ARGUMENTS = {"scale": 0, "allowpositive": 3}  # a number, none; all others a feed
LONGEST_GAP_S = 7200
MOST_POWER = 60_000
MOST_NODES = 32


@dataclass
class Feed:
    """A time series of a fixed interval, or of any times where that is 0.

    One of any times takes nothing older than its newest, the other nothing older than its oldest.
    """

    tag: str
    name: str
    engine: int
    interval: int
    unit: str
    points: dict[int, float] = field(default_factory=dict)
    last: tuple[int, float] | None = None
    counted: tuple[int, float] | None = None

    def post(self, second: int, value: float) -> None:
        at = second - second % self.interval if self.interval else second
        oldest = (min if self.interval else max)(self.points, default=at)
        if at >= oldest or at in self.points:
            self.points[at] = value
        self.last = (second, value)


@dataclass
class Input:
    """What came last into one input, and what is done with it."""

    number: int
    node: str
    name: str
    second: int | None = None
    value: float = 0.0
    description: str = ""
    processes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def encoded(self) -> str:
        return ",".join(f"{IDS[name]}:{argument}" for name, argument in self.processes)


class FormatError(Exception):
    """The message that EmonCMS answers; what came before it is stored."""


class Account:
    """Answers requests. *hinders* is called before each row and may raise FormatError."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.feeds: dict[int, Feed] = {}
        self.hinders: Callable[[str, int], None] = lambda _node, _second: None
        self.rows = 0
        self.most_nodes = MOST_NODES

    def __call__(self, asked: Asked) -> Reply:
        key = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if key and key not in {WRITE_KEY, READ_KEY}:
            return Reply(401, b"Invalid API key", {"Content-Type": "text/html"})
        may_write = key == WRITE_KEY
        form = {**asked.fields, **dict(parse_qsl(asked.body.decode("latin1")))}
        name = asked.path.strip("/").removesuffix(".json").replace("/", "_")
        if name in {"input_bulk", "input_post"}:
            return self.taken(name, asked, form) if may_write else Reply(200)
        reading = {"input_get", "input_list", "feed_list", "feed_data", "feed_timevalue", "version"}
        if not key:
            return Reply(200, b"false")
        if not may_write and name not in reading:
            document = {"success": False, "message": "406 Not Acceptable. Route not found"}
            return Reply(406, json.dumps(document).encode())
        document = getattr(self, name)(form)
        return Reply(200, json.dumps(document, ensure_ascii=True).encode())

    def taken(self, name: str, asked: Asked, form: dict[str, str]) -> Reply:
        try:
            if name == "input_bulk":
                self.bulk(asked, form)
            else:
                self.process(form["node"], int(form["time"]), json.loads(form["fulljson"]))
        except FormatError as error:
            return Reply(200, json.dumps({"success": False, "message": str(error)}).encode())
        return Reply(200, b'{"success": true}' if "fulljson" in form else b"ok")

    def bulk(self, asked: Asked, form: dict[str, str]) -> None:
        assert form["time"] == "0"
        text: Any = form.get("data", "")
        if "cb" in form:
            try:
                text = zlib.decompress(asked.body)
            except zlib.error:
                raise FormatError(FORMAT) from None
        try:
            rows = json.loads(text)
        except ValueError:
            raise FormatError(FORMAT) from None
        if asked.packed or not rows:
            raise FormatError(FORMAT)
        for second, node, *values in rows:
            if isinstance(node, dict):
                raise FormatError("Format error, node must not be an object")
            self.hinders(node, int(second))
            for each in values:
                self.process(str(node), int(second), each)

    def process(self, node: str, second: int, values: dict[str, Any]) -> None:
        node = REMOVED.sub("", node) or "0"
        if (
            node not in (nodes := {each.node for each in self.inputs})
            and len(nodes) >= self.most_nodes
        ):
            raise FormatError(
                "Error: Reached the maximal allowed number of different NodeIds, limit is "
                f"{self.most_nodes}. Node '{node}' was ignored."
            )
        self.rows += 1
        touched = []
        for name, given in values.items():
            found = self.input_of(node, REMOVED.sub("", name))
            found.second = second
            found.value = float(given) if isinstance(given, int | float) else 0.0
            touched.append(found)
        for each in touched:
            value = each.value
            for step, argument in each.processes:
                value = self.step(step, argument, second, value)

    def step(self, name: str, argument: str, second: int, value: float) -> float:
        if name == "scale":
            return value * float(argument)
        if name == "allowpositive":
            return max(value, 0.0)
        feed = self.feeds[int(argument)]
        if name == "log_to_feed":
            feed.post(second, value)
        elif name == "power_to_kwh":
            before, total = feed.last or (second, 0.0)
            gap = second - before
            feed.post(second, total + (gap * value / 3.6e6 if 0 < gap < LONGEST_GAP_S else 0))
        else:
            if feed.counted:
                before, total = feed.last or (0, 0.0)
                gap, more = second - before, value - feed.counted[1]
                likely = gap > 0 and 0 < more < MOST_POWER * gap / 3600
                feed.post(second, total + more if likely else total)
            feed.counted = (second, value)
        return value

    def input_of(self, node: str, name: str) -> Input:
        for each in self.inputs:
            if (each.node, each.name) == (node, name):
                return each
        self.inputs.append(Input(len(self.inputs) + 1, node, name))
        return self.inputs[-1]

    def input_get(self, _: dict[str, str]) -> Any:
        nodes: dict[str, Any] = {}
        for each in self.inputs:
            last = {"time": each.second, "value": each.value, "processList": each.encoded}
            nodes.setdefault(each.node, {})[each.name] = last
        return nodes or []

    def input_list(self, _: dict[str, str]) -> Any:
        return [
            {
                "id": str(each.number),
                "nodeid": each.node,
                "name": each.name,
                "description": each.description,
                "processList": each.encoded,
                "time": each.second,
                "value": each.value,
            }
            for each in self.inputs
        ]

    def input_set(self, form: dict[str, str]) -> Any:
        fields = json.loads(form["fields"])
        self.inputs[int(form["inputid"]) - 1].description = fields["description"]
        return {"success": True, "message": "Field updated"}

    def input_process_set(self, form: dict[str, str]) -> Any:
        try:
            steps = json.loads(form["processlist"])
        except ValueError:
            return {"success": False, "message": "Invalid process list format: "}
        chosen = self.inputs[int(form["inputid"]) - 1]
        found = []
        for step in steps:
            name, (argument,) = step["fn"].removeprefix("process__"), step["args"]
            if name not in IDS:
                return {"success": False, "message": f"Invalid process process key:{step['fn']}"}
            if name not in ARGUMENTS and int(argument) not in self.feeds:
                return {"success": False, "message": "Invalid feed"}
            found.append((name, str(argument)))
        if found == chosen.processes:
            return {"success": False, "message": "Input processlist was not updated"}
        chosen.processes = found
        return {"success": True, "message": "Input processlist updated"}

    def process_list(self, _: dict[str, str]) -> Any:
        return {
            f"process__{name}": {"id_num": number, "args": [{"type": ARGUMENTS.get(name, 2)}]}
            for name, number in IDS.items()
        }

    def feed_create(self, form: dict[str, str]) -> Any:
        tag, name = form["tag"], form["name"]
        for what, text in (("name", name), ("tag", tag)):
            if REMOVED_OF_FEED.search(text):
                return {"success": False, "message": f"invalid characters in feed {what}"}
        if any((each.tag, each.name) == (tag, name) for each in self.feeds.values()):
            return {"success": False, "message": "feed already exists"}
        engine = int(form["engine"])
        interval = int(json.loads(form.get("options", "{}")).get("interval", 0))
        number = len(self.feeds) + 1
        self.feeds[number] = Feed(tag, name, engine, interval, form.get("unit", ""))
        return {"success": True, "feedid": number, "result": True}

    def feed_list(self, _: dict[str, str]) -> Any:
        return [
            {"id": str(number), "tag": each.tag, "name": each.name, "engine": str(each.engine)}
            for number, each in self.feeds.items()
        ]

    def feed_getmeta(self, form: dict[str, str]) -> Any:
        return {"interval": self.feeds[int(form["id"])].interval}

    def feed_post(self, form: dict[str, str]) -> Any:
        feed = self.feeds.get(int(form["id"]))
        if feed is None:
            return {"success": False, "message": "Feed does not exist"}
        last = feed.last
        for second, value in json.loads(form["data"]):
            feed.post(int(second), float(value))
        feed.last = max(last or (0, 0.0), feed.last or (0, 0.0), key=lambda each: each[0])
        return {"success": True}

    def feed_data(self, form: dict[str, str]) -> Any:
        points = self.feeds[int(form["id"])].points
        begin, end = int(form["start"]) // 1000, int(form["end"]) // 1000
        return [[1000 * at, points[at]] for at in sorted(points) if begin <= at <= end]

    def feed_timevalue(self, form: dict[str, str]) -> Any:
        second, value = self.feeds[int(form["id"])].last or (None, None)
        return {"time": second, "value": value}
