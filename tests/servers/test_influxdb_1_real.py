"""Backups of a real InfluxDB 1, restored into real ones: by ours, by its own, and on bad days."""

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
import urllib3

from backup.capture import capture
from backup.chosen import choose
from backup.influxdb import influxdb_1, metastore
from backup.influxdb.influxdb_1 import Server1, connect
from backup.influxdb.influxdb_2 import Server
from backup.influxdb.refill import refill
from backup.influxdb.stock import write_stock
from backup.manifest import encode
from backup.progress import Progress
from backup.rehearse import rehearse
from backup.stores.folder import Folder
from collector import backup_options
from collector.config import load
from collector.errors import BackupFault, Damaged
from tests.fakes.restoring import Killed
from tests.fakes.running import configure, wait_for
from tests.servers import influxd

DAYS, POINTS = 5, 400  # a shard's, two fields each
ADMIN = "admin:a-password"
HISTORY = "  history: {{type: influxdb, url: '{url}', bucket: energy/autogen, token: !secret t}}\n"
ALL = 2 * DAYS * POINTS


@dataclass
class House:
    """A configured house, the InfluxDB 1 that it had, and its backups."""

    file: Path
    store: Folder
    version: str

    def choose(self):
        return choose(self.store, self.store.ids()[-1])


def ask(server, influxql, user=ADMIN, database=""):
    """Return InfluxDB's result, which must not be an error."""
    secret = base64.b64encode(user.encode()).decode()
    answer = urllib3.request(
        "POST",
        f"{server.url}/query?{urlencode({'q': influxql, 'db': database})}",
        headers={"Authorization": f"Basic {secret}"},
        timeout=influxd.ANSWER_S,
    )
    (result,) = json.loads(answer.data)["results"]
    assert "error" not in result, result
    return result


def let_admin_in(server):
    ask(server, "CREATE USER admin WITH PASSWORD 'a-password' WITH ALL PRIVILEGES")


def make_energy(server):
    ask(server, 'CREATE DATABASE "energy" WITH DURATION INF SHARD DURATION 1d')


def write(server, start_s, points=POINTS, database="energy"):
    lines = [f"m,device=a v={n % 97}.5,w={n} {start_s + n}" for n in range(points)]
    send(server, lines, database)


def send(server, lines, database="energy"):
    user, _, password = ADMIN.partition(":")
    fields = {"db": database, "precision": "s", "u": user, "p": password}
    assert server.ask("POST", "/write", fields, body="\n".join(lines)).status == 204


@contextmanager
def small_disk(folder, size):
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def points(server, database="energy"):
    """Return how many values a database has; None where it is not there."""
    if database not in databases(server):
        return None
    found = ask(server, "SELECT count(*) FROM /.*/", database=database).get("series", [])
    return sum(sum(row[1:]) for series in found for row in series["values"])


def databases(server):
    series = ask(server, "SHOW DATABASES")["series"]
    return {row[0] for each in series for row in each["values"]} - {"_internal"}


def policies(server, database="energy"):
    found = ask(server, f'SHOW RETENTION POLICIES ON "{database}"')["series"]
    return {row[0] for series in found for row in series["values"]}


def client(server, token=ADMIN, kind=Server1):
    return kind(server.url, token, server.backup_port)


def quiet():
    return Progress("test", stream=StringIO())


def back_up(file):
    return capture(load(file), datetime.now(UTC), quiet())


def restore(house, server, *, kind=Server1, replace=False):
    to = client(server, kind=kind)
    return refill(house.choose(), to, datetime.now(UTC), quiet(), replace=replace)


def house_with(folder, server):
    file = configure(
        folder,
        "  house: {type: simulated}\n",
        HISTORY.format(url=server.url),
        f"backup: {{folder: {folder}/backups, grafana: {folder}/none}}\n",
    )
    (folder / "secrets").mkdir()
    (folder / "secrets/influxdb-admin-token").write_text(ADMIN)
    return file


def make(folder):
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A house whose InfluxDB was backed up and is gone."""
    folder = tmp_path_factory.mktemp("house")
    with (
        influxd.running_1(make(folder / "origin"), locked=True) as origin,
        pytest.MonkeyPatch.context() as patch,
    ):
        let_admin_in(origin)
        make_energy(origin)
        for name in ("collector", "dashboard"):
            ask(origin, f"CREATE USER {name} WITH PASSWORD 'x'")
        ask(origin, 'GRANT ALL ON "energy" TO collector')
        ask(origin, 'GRANT READ ON "energy" TO dashboard')
        now_s = int(time.time())
        for day in range(DAYS):
            write(origin, now_s // 86_400 * 86_400 - (day + 1) * 86_400)
        file = house_with(folder, origin)
        patch.setattr(influxdb_1, "PORT", origin.backup_port)
        manifest, _ = back_up(file)
    return House(file, Folder(folder / "backups"), manifest.influxdb)


@pytest.fixture
def server(tmp_path):
    """An InfluxDB 1 that is new but for its admin."""
    with influxd.running_1(make(tmp_path / "server"), locked=True) as server:
        let_admin_in(server)
        yield server


@pytest.fixture
def living(tmp_path, server, monkeypatch):
    """The configuration of a house whose InfluxDB runs."""
    monkeypatch.setattr(influxdb_1, "PORT", server.backup_port)
    make_energy(server)
    now_s = int(time.time())
    for day in range(DAYS):
        write(server, now_s - POINTS - day * 86_400)
    return house_with(tmp_path / "living", server)


def shards(manifest):
    return {path for path in manifest.files if path.startswith("influxdb/shards/")}


def counted(manifest):
    return sum(points for days in manifest.counts.values() for points in days.values())


def test_each_backup_adds_what_is_new_and_counts_what_there_is(living, server):
    first, run = back_up(living)
    assert influxdb_1.is_1(first.influxdb)
    assert counted(first) == sum(file.tsm[0] for file in first.files.values() if file.tsm) == ALL
    assert {"influxdb/meta", "influxdb/buckets.json"} <= first.files.keys()
    assert first.counts.keys() == {"energy/autogen"}  # and not its own figures
    write(server, int(time.time()) - POINTS - 30, 20)
    second, again = back_up(living)
    assert counted(second) == ALL + 40
    assert len(second.files.keys() - first.files.keys()) == 1
    assert again.new_bytes < run.new_bytes / 3


def test_what_influxdb_has_compacted_is_not_stored_again(living, server, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "backup.influxdb.shard.MANY", 9
    )  # files of a shard that is over, as yesterday's is
    start_s = int(time.time()) // 86_400 * 86_400 - 86_400
    for round_ in range(8):  # as many files as it takes InfluxDB to make one of them
        write(server, start_s + round_ * 20, 20)
        before, _ = back_up(living)
    data = tmp_path / "server/data/energy"
    wait_for(lambda: any(data.rglob("*-000000002.tsm")), "InfluxDB compacts")
    after, _ = back_up(living)
    assert shards(after) == shards(before)
    assert counted(after) == sum(file.tsm[0] for file in after.files.values() if file.tsm)


def test_a_wrong_password_is_told_before_anything_is_made(living):
    (living.parent / "secrets/influxdb-admin-token").write_text("admin:wrong")
    with pytest.raises(BackupFault, match="takes the name:password of an admin"):
        back_up(living)
    assert Folder(living.parent / "backups").ids() == []


def test_a_port_for_backups_that_is_closed_is_told(living, monkeypatch):
    monkeypatch.setattr(influxdb_1, "PORT", influxd.free_port())
    with pytest.raises(BackupFault, match=r"its port for backups, 127.0.0.1:\d+, does not answer"):
        back_up(living)


def test_a_server_that_dies_in_the_middle_leaves_the_older_backup_and_nothing_else(
    living, server, monkeypatch
):
    before, _ = back_up(living)
    objects = Folder(living.parent / "backups").sizes("")
    write(server, int(time.time()) - POINTS - 30, 20)
    shard = Server1.shard

    def shard_of_the_dead(self, *args):
        server.process.kill()
        server.process.wait()
        yield from shard(self, *args)

    monkeypatch.setattr(Server1, "shard", shard_of_the_dead)
    with pytest.raises(BackupFault, match="does not answer"):
        back_up(living)
    store = Folder(living.parent / "backups")
    assert store.ids() == [before.id]
    assert store.sizes("") == objects
    assert "does not answer" in str(backup_options.read_runs(store.folder)["backup"].error)


def test_an_archive_that_ends_early_is_no_backup_of_its_shard(living, monkeypatch):
    monkeypatch.setattr("backup.influxdb.shard.PAUSES_S", ())
    call = Server1.call

    def cut(self, kind, sent):
        whole = b"".join(call(self, kind, sent))
        yield whole[: -1024 if kind == influxdb_1.SHARD else None]

    monkeypatch.setattr(Server1, "call", cut)
    manifest, run = back_up(living)
    assert len(run.damaged) == DAYS
    assert all("ends in the middle" in each for each in run.damaged)
    assert set(run.damaged) <= set(manifest.notes)


def test_a_damaged_file_is_named_and_what_it_held_stays_in_the_backups(living, tmp_path):
    good, _ = back_up(living)  # which has all in files
    file = max((tmp_path / "server/data/energy").rglob("*.tsm"))
    with file.open("r+b") as opened:
        opened.seek(40)
        byte = opened.read(1)[0]
        opened.seek(40)
        opened.write(bytes([byte ^ 1]))
    (living.parent / "backups/manifests" / f"{good.id}.json").write_bytes(
        encode(replace(good, hints={}))  # every shard is read again
    )
    manifest, run = back_up(living)
    assert shards(manifest) == shards(good)
    (note,) = run.damaged
    assert f"damaged ({file.name}: the checksum of the block" in note


def test_a_shard_that_was_dropped_meanwhile_is_told(living, server, monkeypatch):
    metadata = Server1.metadata

    def then_dropped(self, spool):
        found = metadata(self, spool)
        (policy,) = found.buckets[0]["retentionPolicies"]
        gone = policy["shardGroups"][0]["shards"][0]["id"]
        ask(server, f"DROP SHARD {gone}")
        return found

    monkeypatch.setattr(Server1, "metadata", then_dropped)
    manifest, _ = back_up(living)
    assert any("was dropped by InfluxDB during the backup" in note for note in manifest.notes)


def test_a_database_that_is_not_there_is_restored_under_its_name(house, server):
    ask(server, "CREATE USER collector WITH PASSWORD 'new'")
    done = restore(house, server)
    assert done.points == {"energy/autogen": ALL}
    assert points(server) == ALL
    assert policies(server) == {"autogen"}
    rights = ask(server, "SHOW GRANTS FOR collector")["series"][0]["values"]
    assert rights == [["energy", "ALL PRIVILEGES"]]
    write(server, int(time.time()) - 60, 10)
    assert points(server) == ALL + 20


def test_a_database_that_holds_nothing_is_filled_and_its_users_stay(house, server):
    make_energy(server)
    ask(server, "CREATE USER painter WITH PASSWORD 'x'")
    ask(server, 'GRANT READ ON "energy" TO painter')
    restore(house, server)
    assert points(server) == ALL
    rights = ask(server, "SHOW GRANTS FOR painter")["series"][0]["values"]
    assert rights == [["energy", "READ"]]


def test_a_database_that_holds_data_stays_until_it_is_to_be_replaced(house, server):
    make_energy(server)
    write(server, int(time.time()) - 60, 10)
    beside = f"energy-restored-{house.choose().id}"
    done = restore(house, server)
    assert done.points == {f"{beside}/autogen": ALL}
    assert (points(server), points(server, beside)) == (20, ALL)
    (note,) = done.notes
    assert note.startswith("database 'energy' holds data and stays as it is")
    with pytest.raises(BackupFault, match=f"restored before, and is there as database '{beside}'"):
        restore(house, server)
    assert restore(house, server, replace=True).points == {"energy/autogen": ALL}
    assert databases(server) == {"energy"}
    assert points(server) == ALL


def test_a_restoration_that_was_killed_goes_on_with_the_next_run(house, server):
    filled: list[int] = []

    class Dying(Server1):
        def fill_shard(self, shard, files):
            if len(filled) == 2:
                raise Killed
            super().fill_shard(shard, files)
            filled.append(shard)

    class Counting(Server1):
        def fill_shard(self, shard, files):
            super().fill_shard(shard, files)
            filled.append(shard)

    with pytest.raises(Killed):
        restore(house, server, kind=Dying)
    assert any(each.startswith("restoring-") for each in policies(server))
    restore(house, server, kind=Counting)
    assert len(filled) == len(set(filled)) == DAYS
    assert points(server) == ALL
    assert policies(server) == {"autogen"}


def test_a_shard_that_is_swallowed_is_brought_again_and_then_told(house, server):
    class Deaf(Server1):
        def fill_shard(self, _, files):
            for _, _, chunks in files:
                for _ in chunks:
                    pass

    with pytest.raises(BackupFault, match="has not taken shard"):
        restore(house, server, kind=Deaf)
    restore(house, server)
    assert points(server) == ALL


def test_a_server_that_hangs_up_while_it_is_given_a_shard_is_told(house, server):
    class Killing(Server1):
        def fill_shard(self, shard, files):
            server.process.kill()
            server.process.wait()
            super().fill_shard(shard, files)

    with pytest.raises(BackupFault, match="does not answer"):
        restore(house, server, kind=Killing)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full_is_told_on_either_side(tmp_path, monkeypatch):
    with influxd.running_1(make(tmp_path / "large"), locked=True) as server:
        monkeypatch.setattr(influxdb_1, "PORT", server.backup_port)
        let_admin_in(server)
        make_energy(server)
        second = int(time.time()) // 86_400 * 86_400 - 86_400
        for at in range(second, second + 24_000, 2_000):
            noise = [f'm noise="{os.urandom(300).hex()}" {at + each}' for each in range(2_000)]
            send(server, noise)
        file = house_with(tmp_path / "large-house", server)
        with small_disk(tmp_path / "large-house/backups", "4M"):
            with pytest.raises(BackupFault, match=r"the disk is full|have to stay free"):
                back_up(file)
            assert Folder(tmp_path / "large-house/backups").sizes("") == {}
        manifest, _ = back_up(file)
    large = House(file, Folder(tmp_path / "large-house/backups"), manifest.influxdb)
    with (
        small_disk(tmp_path / "small", "6M"),
        influxd.running_1(tmp_path / "small", locked=True) as server,
    ):
        let_admin_in(server)
        with pytest.raises(BackupFault, match=r"has not taken shard|does not answer"):
            restore(large, server)


def test_a_damaged_backup_changes_nothing_even_where_it_is_to_replace(house, server, tmp_path):
    make_energy(server)
    write(server, int(time.time()) - 60, 10)
    store = Folder(shutil.copytree(house.store.folder, tmp_path / "backups"))
    manifest = store.manifest(store.ids()[0])
    path = max(path for path in manifest.files if path.endswith(".tsm"))
    file = store.folder / "objects" / manifest.files[path].object
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    broken = House(house.file, store, house.version)
    with pytest.raises(Damaged, match="is damaged"):
        restore(broken, server, replace=True)
    assert points(server) == 20


def test_influxdb_s_own_command_restores_what_was_laid_down(house, server, tmp_path):
    write_stock(house.choose(), tmp_path / "laid", datetime.now(UTC), quiet())
    host = f"127.0.0.1:{server.backup_port}"
    command = [influxd.find("1."), "restore", "-portable", "-host", host, str(tmp_path / "laid")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert points(server) == ALL


def test_the_list_of_databases_is_laid_down_as_influxdb_s_own_command_does(server, tmp_path):
    make_energy(server)
    write(server, int(time.time()) - 60, 10)
    host = f"127.0.0.1:{server.backup_port}"
    command = [influxd.find("1."), "backup", "-portable", "-host", host, str(tmp_path / "own")]
    subprocess.run(command, capture_output=True, check=True)
    (theirs,) = (tmp_path / "own").glob("*.meta")
    assert metastore.portable(client(server).metastore()) == theirs.read_bytes()


def test_it_is_rehearsed_in_an_influxdb_1_for_a_trial(house):
    done = rehearse(load(house.file), datetime.now(UTC), quiet())
    assert done.points == {"energy/autogen": ALL}
    assert done.notes == ()
    assert not (house.file.parent / "rehearsal").exists()


def test_neither_kind_s_backup_is_brought_to_the_other(house, tmp_path):
    with influxd.running(make(tmp_path / "server2")) as server:
        to = connect(server.url, server.token)
        assert type(to) is Server
        with pytest.raises(BackupFault, match=r"is of InfluxDB 1\..*Nothing was changed"):
            refill(house.choose(), to, datetime.now(UTC), quiet())
