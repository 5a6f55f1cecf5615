"""Restorations of a year of minutes and 30 days of seconds, ours from Azurite, and influx's.

Both restore into a fresh InfluxDB 2, in pairs, of which now one and now the other goes first. The
stock command reads files of this machine, and counts nothing; ours reads over HTTP, and counts
every point.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from backup.influxdb.influxdb_2 import Server
from backup.stores.azure import from_settings
from backup.stores.folder import Folder
from backup.stores.upload import run
from tests.bench.backup import FLAGS, NOW, House
from tests.servers import azurite, influxd

CONTAINER = "backups"
PAIRS = 5
# A process's own word on its peak: what wait4 tells includes that of its parent before exec.
MAIN = """
from pathlib import Path
from collector.cli.main import main
main(standalone_mode=False)
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024)
"""


@dataclass(frozen=True)
class Restored:
    """What one restoration took, and the *points* that are there then by bucket."""

    seconds: float
    points: dict[str, int]
    rss: int = 0


def measure():
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        folder = Path(temporary)
        with influxd.running(made(folder / "origin"), flags=FLAGS) as server:
            house = House(server, folder)
            house.fill()
            database = house.settle()
            house.back_up(NOW)
            points = counted(server)
        yield "database, MB; points", f"{database / 1e6:.1f} {sum(points.values())}", "", True
        with azurite.running(made(folder / "azure")) as far:
            connect(house, far)
            fetch_s, fetch_rss = ours(*words(house), "--to", folder / "stock")
            pairs = [pair(house, folder, ours_first=each % 2 == 0) for each in range(PAIRS)]
    yield from judge(pairs, points, fetch_s)
    rss = max(each.rss for each, _ in pairs)
    yield "peak RSS, into InfluxDB, MB", f"{rss / 1e6:.0f}", "at most 96", rss <= 96e6
    yield "peak RSS, into a folder, MB", f"{fetch_rss / 1e6:.0f}", "at most 96", fetch_rss <= 96e6


def judge(pairs, points, fetch_s):
    whole = all(each.points == points for pair in pairs for each in pair)
    yield f"{PAIRS} pairs of restorations: all is there", str(whole), "True", whole
    for name, runs in zip(
        ("ours from Azurite", "stock from files"), zip(*pairs, strict=True), strict=True
    ):
        seconds = sorted(each.seconds for each in runs)
        figure = f"{statistics.median(seconds):.1f} {seconds[0]:.1f} {seconds[-1]:.1f}"
        yield f"{name}, s: median, least, most", figure, "", True
    ratio = statistics.median(ours.seconds / stock.seconds for ours, stock in pairs)
    yield "ours / stock from files, median of the pairs", f"{ratio:.2f}", "", True
    yield "fetching these files from Azurite before, s", f"{fetch_s:.1f}", "", True
    ratio = statistics.median(ours.seconds / (stock.seconds + fetch_s) for ours, stock in pairs)
    yield "ours / stock with fetching its files", f"{ratio:.2f}", "at most 1", ratio <= 1


def pair(house, folder, *, ours_first):
    """Restore by both; return ours and the stock command's, whichever went first."""
    if ours_first:
        return restore_ours(house, folder), restore_stock(folder)
    return tuple(reversed((restore_stock(folder), restore_ours(house, folder))))


def connect(house, far):
    """Bring the backup into Azurite, and hand its credential to the house."""
    far.container(CONTAINER)
    settings = f"{far.url}/{CONTAINER}?{far.sas(CONTAINER)}"
    (house.config.parent / "secrets/backup-azure").write_text(settings)
    run(Folder(house.folder / "backups"), from_settings(settings), for_s=3600)


def words(house):
    return ["restore", "--from", "azure", "--config", house.config]


def restore_ours(house, folder):
    with fresh(folder / "ours") as server:
        token = folder / "token"
        token.write_text(server.token)
        into = ["--into", server.url, "--admin-token-file", token]
        seconds, rss = ours(*words(house), *into)
        return Restored(seconds, counted(server), rss)


def restore_stock(folder):
    program = shutil.which("influx")
    with fresh(folder / "influx") as server:
        where = ["--host", server.url, "--token", server.token]
        buckets = ["--bucket", "raw"], ["--bucket", "minutes"]
        took_s = sum(timed([program, "restore", *where, *b, folder / "stock"]) for b in buckets)
        return Restored(took_s, counted(server))


@contextmanager
def fresh(folder):
    with influxd.running(made(folder)) as server:
        yield server
    shutil.rmtree(folder)


def made(folder):
    folder.mkdir()
    return folder


def counted(server):
    client = Server(server.url, server.token)
    span = NOW - timedelta(days=400), NOW + timedelta(days=1)
    org = client.organisation(server.org)
    ids = client.buckets(org)
    return {each: sum(client.counts(ids[each], org, *span).values()) for each in ("raw", "minutes")}


def timed(words):
    """Run a command; return how many seconds it took."""
    began = time.monotonic()
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    return time.monotonic() - began


def ours(*words):
    """Run one of our commands; return how many seconds it took and its peak memory in bytes."""
    began = time.monotonic()
    command = [sys.executable, "-c", MAIN, *map(str, words)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return time.monotonic() - began, int(said.split()[-1])
