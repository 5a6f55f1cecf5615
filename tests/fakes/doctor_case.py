"""A case for the doctor: a small tree in place of the machine, and a status made up."""

import json
import time
from dataclasses import replace
from typing import Any

from collector.doctor.case import Machine, open_case
from collector.doctor.finding import CannotTell
from collector.status import (
    ClockStatus,
    JournalStatus,
    Lateness,
    LatestReading,
    OutputStatus,
    SourceStatus,
    Status,
)
from tests.fakes.running import configure

HOUSE = "  house: {type: simulated}\n"
HISTORY = (
    "  history: {{type: influxdb, url: '{url}', bucket: energy, token: !secret influxdb-token,"
    " read_token: !secret influxdb-read-token}}\n"
)
COMPOSE = "opt/energy-monitor/current/docker-compose.yml"
STACK_IS_ON = {"etc/systemd/system/multi-user.target.wants/energy-monitor-stack.service": ""}


def plant(root, files):
    """Write a small tree: path to text."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def programs(**answers):
    """Stand in for programs that are run: name to what it prints, or the error it ends with."""

    def run_one(command):
        answer = answers.get(command[0], CannotTell(f"{command[0]} is not installed"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return run_one


def open_in(folder, files=None, source=HOUSE, output="", status=None, extra="", **about):
    """Make a case of a tree, a configuration, a *status*, and other fields of Machine."""
    root = plant(folder / "root", files or {})
    root.mkdir(exist_ok=True)
    file = configure(folder / "etc", source, output, extra)
    about = {"run": programs(), "synchronised": lambda: True, **about}
    opened = open_case(file, Machine(root=root, **about))
    return opened if status is None else replace(opened, status=status)


def a_status(**changes):
    """Return what a service says of itself that is well."""
    fields: dict[str, Any] = {
        "site": "home",
        "now_ms": round(time.time() * 1000),
        "up_s": 7200,
        "clock": ClockStatus(trusted=True),
        "journal": JournalStatus(readings=7200, bytes=1_000_000, days=0.5),
        "resident_memory": 40_000_000,
    }
    return Status(**(fields | changes))


def a_source(**changes):
    at_ms = round(time.time() * 1000)
    fields: dict[str, Any] = {
        "state": "alive",
        "since_ms": at_ms - 7_200_000,
        "age_s": 0.5,
        "lateness_s": Lateness(median=0.001, p99=0.002, worst=0.003),
        "read_duration_s": 0.1,
        "reads": 7200,
        "latest": {"house": LatestReading(kind="electricity", at_ms=at_ms)},
    }
    return SourceStatus(**(fields | changes))


def an_output(**changes):
    fields: dict[str, Any] = {
        "state": "delivering",
        "last_delivery_ms": round(time.time() * 1000),
        "delivered": 7200,
        "backlog": 3,
        "backlog_s": 4.0,
    }
    return OutputStatus(**(fields | changes))


def fill_journal(opened, size=1000, losses=(), letters=()):
    folder = opened.data_dir / "journal"
    (folder / "log").mkdir(parents=True)
    with (folder / "log" / "0000000000000001-1763654400000.log").open("wb") as segment:
        segment.truncate(size)
    plant(
        folder,
        {
            "losses.jsonl": "".join(f"{json.dumps(each)}\n" for each in losses),
            "dead-letters/history.jsonl": "".join(f"{json.dumps(each)}\n" for each in letters),
        },
    )
