"""Backups of a real InfluxDB 2 that holds a year of minutes and 30 days of seconds.

Time is simulated, and short: a shard counts as cold after some seconds, so that InfluxDB does to
each day what it does to it in real life: eight hours become a file, four of these another one,
and the whole day one in the end.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backup.capture import capture
from backup.influxdb.buckets import listed
from backup.influxdb.influxdb_2 import HINTS, Server
from backup.progress import Progress
from backup.stores.azure import packed
from collector.config import load
from tests.bench.moved import moved
from tests.bench.readings import lines
from tests.fakes.running import configure
from tests.servers import influxd

NOW = datetime(2026, 11, 9, tzinfo=UTC)  # a Monday, when shards of a week begin
RAW_DAYS, MINUTE_DAYS = 30, 365
DAYS = 2  # of hourly backups
HOUR = timedelta(hours=1)
MONTH_HOURS = 720
LINES = 20_000  # of a write
SETTLED_S = 120
HOUR_S = 1.2  # for InfluxDB to compact what it would in an hour
FLAGS = ["--storage-compact-full-write-cold-duration=5s"]  # four such hours, as in real life
STORED_FILES = HINTS.index("storage_tsm_files_total")
STORED_BYTES = HINTS.index("storage_tsm_files_disk_bytes")


@dataclass(frozen=True)
class Cost:
    """What one backup took: *read* from InfluxDB, *stored* anew; *rss* is the peak in bytes."""

    seconds: float
    read: int
    stored: int
    manifest: int
    rss: int


def measure():
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        folder = Path(temporary)
        with influxd.running(folder, flags=FLAGS) as server:
            yield from measure_with(server, folder)


def measure_with(server, folder):
    house = House(server, folder)
    began = time.monotonic()
    house.fill()
    database = house.settle()
    yield (
        f"database, MB, filled in {time.monotonic() - began:.0f} s",
        f"{database / 1e6:.1f}",
        "",
        True,
    )
    full = house.back_up(NOW)
    yield "full backup, s", f"{full.seconds:.1f}", "", True
    yield (
        "full backup, MB read and stored",
        f"{full.read / 1e6:.1f} {full.stored / 1e6:.1f}",
        "",
        True,
    )
    costs = [house.hour(NOW + hour * HOUR) for hour in range(1, 24 * DAYS + 1)]
    yield from judge(full, costs, database)


def judge(full, costs, database):
    sweeps = costs[23::24]  # once a day every shard is read, changed or not
    hourly = [each for each in costs if each not in sweeps]
    for name, bound in (("seconds", 0.10), ("read", 0.03), ("stored", 0.03)):
        first, middle, most, sweep = (
            of_each / getattr(full, name)
            for of_each in (
                getattr(costs[0], name),
                statistics.median(getattr(each, name) for each in hourly),
                max(getattr(each, name) for each in hourly),
                max(getattr(each, name) for each in sweeps),
            )
        )
        yield (
            f"{name}: an hour's backup / the full one",
            f"{first:.4f}",
            f"at most {bound}",
            first <= bound,
        )
        figure = f"{name}: {len(hourly)} hours, median and most; a daily sweep"
        yield figure, f"{middle:.4f} {most:.4f} {sweep:.2f}", "", True
    peak = max(each.rss for each in [full, *costs])
    yield "peak RSS of a backup, MB", f"{peak / 1e6:.0f}", "at most 96", peak <= 96e6
    objects = full.stored + MONTH_HOURS * statistics.mean(each.stored for each in costs)
    manifests = manifests_of_a_month(costs)
    month = objects + manifests
    figure = "a month of hourly backups / database: objects, manifests"
    yield figure, f"{objects / database:.2f} {manifests / database:.2f}", "", True
    figure = f"a month of hourly backups / database, reckoned from {len(costs)}"
    yield figure, f"{month / database:.2f}", "at most 2", month <= 2 * database


def manifests_of_a_month(costs):
    """Return the bytes of all manifests: those of the days to come go on growing as these did."""
    days = [
        statistics.mean(each.manifest for each in costs[at : at + 24])
        for at in range(0, len(costs), 24)
    ]
    growth = (days[-1] - days[0]) / (len(days) - 1)
    to_come = range(1, MONTH_HOURS // 24 - len(days) + 1)
    return 24 * sum([*days, *(days[-1] + growth * each for each in to_come)])


class House:
    """A server with two buckets, and the backups of it."""

    def __init__(self, server, folder):
        self.server = server
        self.client = Server(server.url, server.token)
        self.folder = folder
        self.day = [line.rpartition(b" ")[0] for line in lines(86_400)]
        org = server.get("/api/v2/orgs")["orgs"][0]["id"]
        for bucket, days in (("raw", 1), ("minutes", 7)):
            rule = {"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": days * 86_400}
            server.post("/api/v2/buckets", name=bucket, orgID=org, retentionRules=[rule])
        options = f"type: influxdb, url: '{server.url}', bucket: raw, token: !secret none"
        output = f"  history: {{{options}}}\n"
        extra = f"backup: {{folder: {folder}/backups}}\n"
        self.config = configure(folder / "house", "  pi: {type: host}\n", output, extra)
        (folder / "house" / "secrets").mkdir()
        (folder / "house" / "secrets" / "influxdb-admin-token").write_text(server.token)

    def fill(self):
        """Write the last day and week, wait until each is a file, and restore the others from it.

        Whoever wrote 30 days of seconds would wait for ten minutes.
        """
        days = {"raw": 1, "minutes": 7}
        starts = {bucket: NOW - timedelta(days=days[bucket]) for bucket in days}
        self.write("raw", starts["raw"], NOW, 1)
        self.write("minutes", starts["minutes"], NOW, 60)
        self.settle()
        for entry in self.buckets():
            if entry["bucketName"] in days:
                self.spread(entry, days[entry["bucketName"]])

    def buckets(self):
        with tempfile.TemporaryFile() as spool:
            return self.client.metadata(spool).buckets

    def spread(self, entry, days):
        """Replace a bucket by one that holds what is in its shard again and again, back in time."""
        (policy,) = entry["retentionPolicies"]
        (group,) = policy["shardGroups"]
        (shard,) = group["shards"]
        ((name, file),) = ((n, b"".join(c)) for n, _, c in self.client.shard(shard["id"]))
        total = (RAW_DAYS if days == 1 else MINUTE_DAYS) // days
        start = datetime.fromisoformat(group["startTime"])
        policy["shardGroups"] = [
            {
                "id": each + 1,
                "startTime": (start - timedelta(days=days * each)).isoformat(),
                "endTime": (start - timedelta(days=days * (each - 1))).isoformat(),
                "shards": [{"id": each + 1, "shardOwners": []}],
            }
            for each in range(total)
        ]
        self.client.delete_bucket(entry["bucketID"])
        made = self.client.make_bucket(entry)
        for each in range(total):
            data = moved(file, -each * days * 86_400 * 10**9)
            self.client.fill_shard(made.shards[each + 1], [(name, len(data), [data])])

    def write(self, bucket, start, end, step_s):
        seconds = range(int(start.timestamp()), int(end.timestamp()), step_s)
        for at in range(0, len(seconds), LINES):
            part = seconds[at : at + LINES]
            body = b"\n".join(b"%s %d" % (self.day[each % 86_400], each) for each in part)
            fields = {"org": self.server.org, "bucket": bucket, "precision": "s"}
            answer = self.server.ask("POST", "/api/v2/write", fields, body=body)
            assert answer.status == 204, answer.data

    def settle(self):
        """Wait until every shard is one file; return the bytes of all."""
        deadline = time.monotonic() + SETTLED_S
        while time.monotonic() < deadline:
            there = {str(each.id) for each in listed(self.buckets())}
            hints = self.client.hints()
            assert hints
            shards = {shard: each for shard, each in hints.shards.items() if shard in there}
            if all(each[STORED_FILES] == 1 for each in shards.values()):
                return int(sum(each[STORED_BYTES] for each in shards.values()))
            for shard, each in shards.items():
                if not each[STORED_FILES]:  # it is in memory yet; reading it makes it a file
                    for _, _, chunks in self.client.shard(int(shard)):
                        list(chunks)
            time.sleep(1)
        raise AssertionError(f"InfluxDB has not compacted all of it: {shards}")

    def hour(self, now):
        """Let an hour of readings come in, and back up."""
        self.write("raw", now - HOUR, now, 1)
        self.write("minutes", now - HOUR, now, 60)
        began = time.monotonic()
        cost = self.back_up(now)
        time.sleep(max(HOUR_S - (time.monotonic() - began), 0))
        return cost

    def back_up(self, now):
        command = [sys.executable, "-m", "tests.bench.backup", str(self.config), now.isoformat()]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        return Cost(**json.loads(said))


def back_up(config, now):
    progress = Progress("backup")
    manifest, run = capture(load(Path(config)), datetime.fromisoformat(now), progress)
    status = Path("/proc/self/status").read_text()
    rss = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return Cost(progress.took_s, progress.done, run.new_bytes, len(packed(manifest)), rss)


if __name__ == "__main__":
    print(json.dumps(asdict(back_up(*sys.argv[1:]))))
