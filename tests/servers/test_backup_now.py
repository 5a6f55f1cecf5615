"""Backups of a real InfluxDB 2 by the command, from the first to one that can't be made."""

import json
import time

import pytest

from backup.stores.folder import Folder
from collector import backup_options
from tests.fakes.running import configure, energy_monitor
from tests.servers import influxd

DAY_S = 86_400
HISTORY = (
    "  history: {{type: influxdb, url: '{url}', org: house, bucket: energy, token: !secret t}}\n"
)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    with influxd.running(tmp_path / "server") as server:
        yield server


@pytest.fixture
def house(tmp_path, server):
    backups = f"backup: {{folder: {tmp_path}/backups, grafana: {tmp_path}/grafana.db}}\n"
    outputs = HISTORY.format(url=server.url)
    configure(tmp_path, "  house: {type: simulated}\n", outputs, extra=backups)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/influxdb-admin-token").write_text(server.token)
    return tmp_path


def write(server, lines):
    where = {"org": server.org, "bucket": server.bucket, "precision": "s"}
    assert server.ask("POST", "/api/v2/write", where, body="\n".join(lines)).status == 204


def typed(house, *words):
    return energy_monitor("backup", *words, "--config", house / "config.yaml")


def newest(house):
    store = Folder(house / "backups")
    return store.manifest(store.ids()[-1])


def test_each_backup_adds_what_is_new_and_counts_what_there_is(server, house):
    now_s = int(time.time()) - 60
    write(server, [f"m v={n % 97}.5 {now_s - n * 60}" for n in range(3 * 1440)])
    done = typed(house, "now")
    assert done.returncode == 0, done.stderr
    first = newest(house)
    assert first.influxdb.startswith("2.")
    assert sum(points for days in first.counts.values() for points in days.values()) == 3 * 1440
    assert {"influxdb/kv", "influxdb/sql", "influxdb/buckets.json"} <= first.files.keys()
    write(server, [f"m v=1 {now_s + n}" for n in range(1, 31)])
    assert typed(house, "now").returncode == 0
    second = newest(house)
    assert sum(points for days in second.counts.values() for points in days.values()) == 4350
    shards = {path for path in second.files if path.startswith("influxdb/shards/")}
    assert len(shards - first.files.keys()) == 1
    assert backup_options.read_runs(house / "backups")["backup"].new_bytes < first.stored / 10
    verified = json.loads(typed(house, "verify", "--json").stdout)
    assert verified["damaged"] == {}


def test_a_server_that_went_away_is_told_and_the_older_backup_stays(server, house):
    write(server, [f"m v=1 {int(time.time())}"])
    assert typed(house, "now").returncode == 0
    before = newest(house)
    objects = Folder(house / "backups").sizes("")
    server.process.kill()
    server.process.wait()
    failed = typed(house, "now")
    assert failed.returncode == 1
    assert f"InfluxDB at {server.url} does not answer" in failed.stderr
    assert newest(house) == before
    assert Folder(house / "backups").sizes("") == objects
    assert "! the last backup failed at " in typed(house, "list").stdout


def test_a_token_that_may_not_read_everything_is_told(house):
    (house / "secrets/influxdb-admin-token").write_text("of another server")
    failed = typed(house, "now")
    assert failed.returncode == 1
    assert "takes the operator token" in failed.stderr
