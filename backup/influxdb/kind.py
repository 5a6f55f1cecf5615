"""What differs between InfluxDB 1 and 2 for whoever restores: asked once, by the version.

A backup says its version, and so does a server: ``influxdb_1.connect`` returns the right one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from backup.influxdb import layout, scratch
from backup.influxdb.influxdb_1 import is_1
from backup.influxdb.refill_1 import refill_1
from backup.influxdb.refill_2 import refill_2
from backup.influxdb.restore import Refilled


class Kind(NamedTuple):
    """The operations of a kind.

    *lay_down* writes the files that *stock_command* reads. *find* and *running* are those of
    ``scratch``. Where there are *tokens*, they are to be made anew for restored buckets.
    *left_behind* says what restoring buckets doesn't bring back, and the way that does.
    """

    refill: Callable[..., Refilled]
    lay_down: Callable[..., None]
    stock_command: str
    find: Callable[[], list[str] | None]
    running: Callable[[list[str], Path, str], AbstractContextManager[Any]]
    tokens: bool
    left_behind: str


ONE = Kind(
    refill_1,
    layout.write_influxdb_1,
    "influxd restore -portable",
    scratch.find_1,
    scratch.running_1,
    tokens=False,
    left_behind="users and passwords of InfluxDB are not restored: create them again",
)
TWO = Kind(
    refill_2,
    layout.write_influxdb_2,
    "influx restore",
    scratch.find_2,
    scratch.running_2,
    tokens=True,
    left_behind=(
        "users, tokens, tasks and dashboards of InfluxDB itself are not restored; into an empty "
        "InfluxDB, 'energy-monitor restore {id} --to FOLDER' and 'influx restore --full "
        "--operator-token OLD FOLDER' bring all of it (OLD: the operator token it had)"
    ),
)


def kind_of(version: str | None) -> Kind:
    return ONE if is_1(version) else TWO
