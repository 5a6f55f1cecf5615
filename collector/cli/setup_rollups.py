"""Buckets of InfluxDB for what the derivation ``rollup`` makes: minutes, hours and days."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from collector.config import Config
from collector.outputs.influxdb.setup import Wanted
from collector.scan.render import block
from collector.secrets import Secret

DAY_S = 86_400
# Of each bucket how long it keeps readings (0: for ever), and how much of it is in one file.
BUCKETS = {"1m": (90 * DAY_S, DAY_S), "1h": (1826 * DAY_S, 28 * DAY_S), "1d": (0, 364 * DAY_S)}


def wanted_beside(wanted: Wanted) -> Iterator[Wanted]:
    """Yield the buckets beside the one that is *wanted*, each with tokens of its own."""
    for period, (retention_s, shard_group_s) in BUCKETS.items():
        yield replace(
            wanted,
            bucket=f"{wanted.bucket}-{period}",
            retention_s=retention_s,
            shard_group_s=shard_group_s,
            tokens={each: beside(wanted.token_file(each), period) for each in ("write", "read")},
        )


def are_in(loaded: Config, wanted: Wanted) -> bool:
    """Tell whether the configuration has outputs to those buckets already."""
    buckets = {getattr(each, "bucket", "") for each in loaded.outputs.values()}
    return all(each.bucket in buckets for each in wanted_beside(wanted))


def wanted_with(wanted: Wanted) -> Iterator[Wanted]:
    """Yield the same, and at last the first bucket, whose reader may then read them all.

    Grafana has that token alone: its dashboards draw readings beside minutes, hours and days.
    """
    others = list(wanted_beside(wanted))
    yield from others
    also = tuple(each.bucket for each in others)
    yield replace(wanted, also=also, change=False, renew=False)


def beside(file: Path, period: str) -> Path:
    return file.with_name(f"{file.name}-{period}")


def blocks(name: str, wanted: Wanted) -> str:
    """Return what to add to the configuration, so that the buckets are filled."""
    outputs = {
        f"{name}-{period}": {
            "type": "influxdb",
            "url": more.url,
            "org": more.org,
            "bucket": more.bucket,
            "token": secret(more, "write"),
            "read_token": secret(more, "read"),
            "select": {"kinds": [f"*_{period}"]},
        }
        for period, more in zip(BUCKETS, wanted_beside(wanted), strict=True)
    }
    entries: dict[str, Any] = {"derivations": {"rollup": {"type": "rollup"}}, "outputs": outputs}
    lines = ["Add to the configuration, under the 'derivations' and 'outputs' that are there:", ""]
    for key, value in entries.items():
        lines += [
            f"{key}:",
            *(line for name in value for line in block(name, value[name], "", {}, "  ")),
        ]
    return "\n".join(lines)


def secret(wanted: Wanted, action: str) -> Secret:
    file = wanted.token_file(action)
    return Secret(file.name, file.parent)
