"""Prepares EmonCMS: inputs with their process lists, and the feeds that these write into.

It may be run again at any time: what is there stays as it is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from collector.errors import EnergyMonitorError, OutputAway
from collector.outputs.emoncms.names import device_and_quantity
from collector.outputs.emoncms.options import EmonCMSOptions, Input, Process
from collector.outputs.emoncms.server import EmonServer

ENGINES = {"phptimeseries": 2, "phpfina": 5}
MODULE = "process__"
# An input is made by its first value. Of 1970, so that no reading is too old for it.
FIRST_SECOND = 1
NUMBER = re.compile(r"[0-9]{1,18}")


class SetupRefused(EnergyMonitorError):
    """EmonCMS can't be prepared so; the message says why and what to do."""


@dataclass
class Done:
    """What was made, what was there already, and what stands there otherwise."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def set_up(options: EmonCMSOptions, *, change: bool = False) -> Done:
    """Make what is missing; *change* also replaces process lists. Raise SetupRefused."""
    if not options.inputs:
        raise SetupRefused(
            "there is nothing to make: list the inputs under 'inputs' of the output, as in "
            "docs/outputs.md"
        )
    server = EmonServer(options.url, options.key)
    try:
        maker = Maker(server, change=change)
        for name, wanted in options.inputs.items():
            device, quantity = device_and_quantity("inputs", name)
            maker.make(options.nodes.get(device, device), quantity, wanted)
    except OutputAway as error:
        raise SetupRefused(str(error)) from error
    finally:
        server.close()
    return maker.done


class Maker:
    """Makes inputs, feeds and process lists on *server*, as far as they are missing."""

    def __init__(self, server: EmonServer, *, change: bool) -> None:
        self.server = server
        self.change = change
        self.done = Done()
        self.codes = {}
        for name, each in mapping(server.call("GET", "/process/list.json")).items():
            number = mapping(each).get("id_num")
            self.codes[name] = str(number) if number else name
        self.feeds = {
            (str(each.get("tag")), str(each.get("name"))): number_in(each.get("id"))
            for each in listed(server.call("GET", "/feed/list.json"))
        }
        self.inputs = self.look()

    def look(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Return number and steps of each input. Raise OutputAway."""
        found = {}
        for each in listed(self.server.call("GET", "/input/list.json")):
            key = (str(each.get("nodeid")), str(each.get("name")))
            found[key] = (number_in(each.get("id")), str(each.get("processList") or ""))
        return found

    def make(self, node: str, name: str, wanted: Input) -> None:
        """Make one input, its feeds and its process list."""
        key, label = (node, name), f"input {node}: {name}"
        if key in self.inputs:
            self.done.kept.append(label)
        else:
            first = json.dumps({name: 0})
            self.get("/input/post", node=node, time=FIRST_SECOND, fulljson=first)
            self.inputs = self.look()
            if key not in self.inputs:
                raise SetupRefused(f"EmonCMS makes no {label}: may inputs be created there?")
            self.done.made.append(label)
        number, steps = self.inputs[key]
        if wanted.description:
            # EmonCMS removes every backslash, so nothing may be escaped.
            text = json.dumps({"description": wanted.description}, ensure_ascii=False)
            self.get("/input/set.json", inputid=number, fields=text)
        made = [self.step(each, node) for each in wanted.processes]
        encoded = ",".join(f"{self.codes[step['fn']]}:{step['args'][0]}" for step in made)
        if encoded == steps:
            return
        if steps and not self.change:
            self.done.other.append(f"{label} has another process list: '--change' replaces it")
            return
        target = f"/input/process/set.json?inputid={number}"
        self.server.call("POST", target, {"processlist": json.dumps(made)})
        names = ", ".join(each.process for each in wanted.processes)
        self.done.made.append(f"process list of {label}: {names}")

    def step(self, wanted: Process, node: str) -> dict[str, Any]:
        """Return a step as EmonCMS reads it; make its feed where that is missing."""
        name = wanted.process if "__" in wanted.process else f"{MODULE}{wanted.process}"
        if name not in self.codes:
            raise SetupRefused(f"this EmonCMS has no process {wanted.process!r}")
        if not wanted.feed:
            value = wanted.value or 0
            return {"fn": name, "args": [int(value) if value == int(value) else value]}
        key = (wanted.tag or node.replace(".", "-"), wanted.feed)
        if key in self.feeds:
            self.done.kept.append(f"feed {key[0]}: {key[1]}")
        else:
            self.feeds[key] = self.feed(wanted, *key)
        return {"fn": name, "args": [self.feeds[key]]}

    def feed(self, wanted: Process, tag: str, name: str) -> int:
        """Make a feed; return its number."""
        interval = {"interval": round(wanted.interval)} if wanted.engine == "phpfina" else {}
        made = self.get(
            "/feed/create.json",
            tag=tag,
            name=name,
            engine=ENGINES[wanted.engine],
            options=json.dumps(interval),
            unit=wanted.unit,
        )
        number = number_in(mapping(made).get("feedid"))
        label = f"feed {tag}: {name}"
        self.done.made.append(f"{label}, number {number}")
        if interval:
            kept = mapping(self.get("/feed/getmeta.json", id=number)).get("interval")
            if kept != interval["interval"]:
                self.done.other.append(
                    f"{label} has an interval of {kept} s: 'min_feed_interval' there allows no less"
                )
        return number

    def get(self, target: str, **fields: str | int) -> Any:
        return self.server.call("GET", f"{target}?{urlencode(fields)}")


def mapping(document: Any) -> Mapping[str, Any]:
    return document if isinstance(document, dict) else {}


def listed(document: Any) -> list[Mapping[str, Any]]:
    found = document if isinstance(document, list) else []
    return [each for each in found if isinstance(each, dict)]


def number_in(value: Any) -> int:
    """Return a number of an input or feed. Raise SetupRefused where it is none."""
    text = str(value)
    if not NUMBER.fullmatch(text):
        raise SetupRefused(f"EmonCMS gives {text[:50]!r} where a number should be")
    return int(text)
