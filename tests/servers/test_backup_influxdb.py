"""Backups of a real InfluxDB 2: what is read, what is stored again, and what comes back."""

import hashlib
import itertools
import json
import os
import signal
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup.influxdb import shards, sound
from backup.influxdb.buckets import listed
from backup.influxdb.influxdb_2 import Gone, Server
from backup.manifest import File, Manifest, decode, encode, new_id
from backup.progress import Progress
from collector.errors import BackupFault
from tests.servers import influxd

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEADLINE_S = 60
COLD = "--storage-compact-full-write-cold-duration=3s"
NAMES = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with influxd.running(tmp_path_factory.mktemp("influxd")) as running:
        yield running


class House:
    """A bucket of a server, and backups of all of it."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.client = Server(server.url, server.token)
        self.bucket = f"house{next(NAMES)}"
        rule = {"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": 86_400}
        self.org = server.get("/api/v2/orgs")["orgs"][0]["id"]
        made = server.post(
            "/api/v2/buckets", name=self.bucket, orgID=self.org, retentionRules=[rule]
        )
        self.id = made["id"]
        self.objects = {}
        self.stored = 0
        self.manifest: Any = None
        self.damaged: tuple[str, ...] = ()
        self.progress = Progress("backup")

    def write(self, start, count=60, fields='power={}.5,count={}i,on=true,name="x"'):
        lines = [
            f"meter,room=a {fields.replace('{}', str(each % 7))} {start.timestamp() + each:.0f}"
            for each in range(count)
        ]
        self.send("\n".join(lines))

    def send(self, body):
        fields = {"org": self.server.org, "bucket": self.bucket, "precision": "s"}
        answer = self.server.ask("POST", "/api/v2/write", fields, body=body)
        assert answer.status == 204, answer.data

    def keep(self, chunks):
        data = b"".join(chunks)
        name = hashlib.sha256(data).hexdigest()
        self.stored += len(data) if name not in self.objects else 0
        self.objects[name] = data
        return File(len(data), name, name, len(data))

    def back_up(self, now=NOON):
        self.stored = 0
        self.progress = Progress("backup")
        found = shards.capture(
            self.client, self.manifest, self.keep, self.progress, now, self.folder
        )
        fields = found._asdict()
        self.damaged = fields.pop("damaged")
        made = Manifest(
            id=new_id(now, self.manifest.id if self.manifest else None),
            previous=None,
            taken_at=now.isoformat(),
            program="test",
            site="home",
            influxdb=fields.pop("version"),
            **fields,
        )
        self.manifest = decode(encode(made))
        return self.manifest

    def names(self):
        """The TSM files of this bucket in the newest backup."""
        return [Path(path).name for path in self.manifest.files if f"/{self.id}/" in path]

    def shard(self):
        (shard,) = [each for each in self.listed() if each.bucket_id == self.id]
        return shard

    def buckets(self):
        return json.loads(self.objects[self.manifest.files[sound.BUCKETS].object])

    def listed(self):
        return listed(self.buckets())

    def on_server(self):
        """The TSM files that the server has now; asking makes it write down its memory."""
        return [name for name, _, _ in self.client.shard(self.shard().id)]

    def restored(self):
        """Restore the newest backup into a bucket of another name; return its counts."""
        (entry,) = [each for each in self.buckets() if each["bucketID"] == self.id]
        entry["bucketName"] = f"{self.bucket}-restored{next(NAMES)}"
        made = self.client.make_bucket(entry)
        for shard in [each for each in self.listed() if each.bucket_id == self.id]:
            files = [
                (Path(path).name, file.size, [self.objects[file.object]])
                for path, file in self.manifest.files.items()
                if path.startswith(shard.folder)
            ]
            self.client.fill_shard(made.shards[shard.id], files)
        week = 7 * 24 * HOUR
        return self.client.counts(made.id, self.org, NOON - week, NOON + week)


@pytest.fixture
def house(server, tmp_path):
    made = House(server, tmp_path)
    yield made
    for name, bucket in made.client.buckets(made.org).items():
        if name.startswith(made.bucket):
            made.client.delete_bucket(bucket)


def wait_for(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {DEADLINE_S} s in vain until {what}")


def test_a_backup_holds_every_point_and_gives_it_back(house):
    house.write(NOON - 30 * HOUR)
    house.write(NOON - 2 * HOUR, 100)
    made = house.back_up()
    assert made.influxdb == house.client.version()
    assert made.counts[house.id] == {"2026-11-17": 240, "2026-11-18": 400}
    held = [file.tsm for path, file in made.files.items() if f"/{house.id}/" in path]
    assert sum(points for points, *_ in held) == 640
    assert min(first for _, _, first, _ in held) == (NOON - 30 * HOUR).timestamp() * 10**9
    assert house.restored() == made.counts[house.id]
    assert made.notes == ()


def test_times_in_every_packing_are_counted(house):
    second = int((NOON - HOUR).timestamp())
    irregular = [second + each * each for each in range(50)]
    house.send("\n".join(f"meter power=1,other=2u {each}" for each in irregular))
    house.send(f"lone power=1 {second}")
    house.back_up()
    (held,) = [file.tsm for path, file in house.manifest.files.items() if f"/{house.id}/" in path]
    assert held[0] == 101
    assert sum(house.manifest.counts[house.id].values()) == 101


def test_what_has_not_changed_is_neither_read_nor_stored_again(house):
    house.write(NOON - 50 * HOUR)
    house.back_up()
    house.back_up()  # its hints have changed once more: it was in memory
    again = house.back_up(NOON + HOUR)
    assert (house.progress.done, house.stored) == (0, 0)
    assert house.names() == ["000000001-000000001.tsm"]
    assert again.counts[house.id] == {"2026-11-16": 240}


def test_what_is_written_into_an_old_shard_is_in_the_next_backup(house):
    house.write(NOON - 50 * HOUR)
    for _ in range(2):
        house.back_up()
    house.write(NOON - 49 * HOUR)
    assert house.back_up().counts[house.id] == {"2026-11-16": 480}
    assert house.restored() == {"2026-11-16": 480}


def test_the_shard_of_this_moment_is_read_each_time(house):
    house.write(NOON - HOUR)
    for _ in range(3):
        house.back_up()
    assert house.progress.done > 0
    assert house.stored == 0


def test_a_compacted_file_is_not_stored_when_its_parts_are(house):
    for each in range(8):
        house.write(NOON - 10 * HOUR + each * HOUR, 3600)
        house.back_up()
    parts = house.names()
    wait_for(lambda: len(house.on_server()) == 1, "eight files are one")
    house.write(NOON - 2 * HOUR)
    house.back_up()
    assert house.on_server() == ["000000008-000000002.tsm", "000000009-000000001.tsm"]
    assert house.names() == [*parts, "000000009-000000001.tsm"]
    house.back_up()
    assert house.stored == 0
    assert house.restored() == house.manifest.counts[house.id] == {"2026-11-18": 115_440}


def test_the_one_file_of_a_shard_that_is_over_is_stored_once(tmp_path):
    with influxd.running(tmp_path, flags=[COLD]) as server:
        house = House(server, tmp_path)
        for each in range(8):
            house.write(NOON - 10 * HOUR + each * HOUR)
            house.back_up()
        wait_for(lambda: len(house.on_server()) == 1, "eight files are one")
        house.back_up()
        assert len(house.names()) == 8
        house.back_up(NOON + 25 * HOUR)  # by then every shard is read again
        assert house.names() == house.on_server()
        assert house.stored > 0
        house.back_up(NOON + 50 * HOUR)
        assert house.stored == 0
        assert house.restored() == {"2026-11-18": 8 * 240}


def test_what_was_written_again_unseen_is_stored_although_it_counts_the_same(house):
    for each in range(7):
        house.write(NOON - 10 * HOUR + each * HOUR)
        house.back_up()
    house.write(NOON - 10 * HOUR, fields='power=99.5,count=9i,on=false,name="y"')
    house.on_server()
    wait_for(lambda: len(house.on_server()) == 1, "eight files are one")
    house.back_up()
    assert house.names() == ["000000008-000000002.tsm"]
    assert house.manifest.files[house.shard().folder + house.names()[0]].tsm[0] == 7 * 240


def test_deleted_points_are_told_while_a_restoration_would_bring_them_back(tmp_path):
    with influxd.running(tmp_path, flags=[COLD]) as server:
        house = House(server, tmp_path)
        for each in (30, 29):
            house.write(NOON - each * HOUR)
            house.back_up()
        start, stop = (f"{NOON - HOUR * each:%Y-%m-%dT%H:%M:%SZ}" for each in (30, 29.5))
        fields = {"org": server.org, "bucket": house.bucket}
        body = f'{{"start": "{start}", "stop": "{stop}", "predicate": "room=\\"a\\""}}'
        assert server.ask("POST", "/api/v2/delete", fields, body=body).status == 204
        made = house.back_up(NOON + 25 * HOUR)
        assert made.counts[house.id] == {"2026-11-17": 240}
        assert any("a restoration brings back" in note for note in made.notes)
        wait_for(lambda: house.on_server()[-1] > "000000002-000000002", "it is compacted")
        made = house.back_up(NOON + 50 * HOUR)
        assert house.restored() == {"2026-11-17": 240}
        assert made.notes == ()


def test_a_shard_dropped_between_listing_and_reading_is_left_out(house):
    house.write(NOON - 30 * HOUR)
    keep = house.keep
    dropped: list[None] = []

    def drop(chunks):
        if not dropped:
            house.client.delete_bucket(house.id)
            dropped.append(None)
        return keep(chunks)

    house.keep = drop
    made = house.back_up()
    assert house.names() == []
    assert not [each for each in house.listed() if each.bucket_id == house.id]
    assert [note for note in made.notes if "was dropped by InfluxDB" in note]


def test_the_first_backup_of_a_month_names_what_is_there_now(house):
    for each in range(8):
        house.write(NOON - 10 * HOUR + each * HOUR)
        house.back_up()
    wait_for(lambda: len(house.on_server()) == 1, "eight files are one")
    house.back_up(datetime(2026, 12, 1, tzinfo=UTC))
    assert house.names() == ["000000008-000000002.tsm"]


def flip(folder, house, at=20):
    """Flip a bit in the first file of the bucket on InfluxDB's disk; a second time mends it."""
    file = min(folder.glob(f"engine/data/{house.id}/**/*.tsm"))
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ 1]))


def test_what_a_damaged_file_held_stays_in_the_backups_and_all_else_goes_on(tmp_path):
    with influxd.running(tmp_path) as server:
        house, other = House(server, tmp_path), House(server, tmp_path)
        house.write(NOON - 50 * HOUR)
        good = house.back_up()
        flip(tmp_path, house)
        for now in (NOON, NOON + 25 * HOUR, NOON + 30 * 24 * HOUR):  # a day and a month later too
            house.write(NOON - 49 * HOUR)
            other.write(NOON - HOUR)
            made = house.back_up(now)
            assert good.files.items() - made.files.items() <= {
                (path, good.files[path]) for path in ("influxdb/kv", sound.BUCKETS)
            }
            (note,) = house.damaged
            assert note in made.notes
            assert note.startswith(f"shard {house.shard().id} of bucket '{house.bucket}' (")
            assert "000000001-000000001.tsm: the checksum of the block" in note
            assert "holds what the one before it has, and the files that are sound" in note
            assert made.counts[other.id] == {"2026-11-18": 240}
        assert house.restored() == {"2026-11-16": 480}
        flip(tmp_path, house)
        made = house.back_up(NOON + 30 * 24 * HOUR)
        assert (house.damaged, made.notes) == ((), ())
        assert made.counts[house.id] == {"2026-11-16": 480}


def test_of_a_shard_damaged_from_the_start_the_sound_files_are_backed_up(tmp_path):
    with influxd.running(tmp_path) as server:
        house = House(server, tmp_path)
        for each in (50, 49):
            house.write(NOON - each * HOUR)
            with tempfile.TemporaryFile() as spool:
                found = listed(house.client.metadata(spool).buckets)
            (shard,) = [each for each in found if each.bucket_id == house.id]
            list(house.client.shard(shard.id))  # what is in memory becomes a file
        flip(tmp_path, house)
        house.back_up()
        assert house.names() == ["000000002-000000001.tsm"]
        (note,) = house.damaged
        assert "holds those files alone that are sound" in note
        assert house.restored() == {"2026-11-16": 240}


def test_a_shard_that_influxdb_cannot_read_keeps_no_other_from_the_backup(house, monkeypatch):
    house.write(NOON - 50 * HOUR)
    house.write(NOON - HOUR)
    good = house.back_up()
    monkeypatch.setattr("backup.influxdb.shard.PAUSES_S", ())
    (broken,) = {each.id for each in house.listed() if each.start < NOON - 36 * HOUR}
    hand_out = house.client.shard

    def shard(number):
        if number == broken:
            raise BackupFault("it answers 500 'input/output error'")
        return hand_out(number)

    house.client.shard = shard
    house.write(NOON - 50 * HOUR, 61)
    house.write(NOON - HOUR, 70)
    made = house.back_up()
    assert made.counts[house.id] == {"2026-11-16": 240, "2026-11-18": 280}
    assert {path for path in good.files if f"/{broken}/" in path} <= made.files.keys()
    (note,) = house.damaged
    assert "input/output error" in note


def test_two_organisations_with_buckets_of_one_name_are_counted_each(server, house):
    house.write(NOON - HOUR)
    org = house.client.organisation("neighbours")
    there = server.post("/api/v2/buckets", name=house.bucket, orgID=org, retentionRules=[])
    fields = {"org": "neighbours", "bucket": house.bucket, "precision": "s"}
    body = f"meter power=1 {(NOON - HOUR).timestamp():.0f}"
    assert server.ask("POST", "/api/v2/write", fields, body=body).status == 204
    tokens = len(server.get("/api/v2/authorizations")["authorizations"])
    made = house.back_up()
    assert made.counts[house.id] == {"2026-11-18": 240}
    assert made.counts[there["id"]] == {"2026-11-18": 1}
    assert [path for path in made.files if f"/{there['id']}/" in path]
    assert made.notes == ()
    assert len(server.get("/api/v2/authorizations")["authorizations"]) == tokens
    server.ask("DELETE", f"/api/v2/orgs/{org}")


@pytest.mark.parametrize("error", [Gone, BackupFault])
def test_what_cannot_be_counted_is_in_the_backup_all_the_same(house, monkeypatch, error):
    house.write(NOON - HOUR)
    house.back_up()

    def counts(*_):
        raise error("no database")

    monkeypatch.setattr(Server, "counts", counts)
    made = house.back_up()
    assert house.names() == ["000000001-000000001.tsm"]
    assert house.id not in made.counts
    (note,) = (each for each in made.notes if f"'{house.bucket}'" in each)
    assert "what InfluxDB hands out of it is in the backup, but not counted: no database" in note


def test_an_influxdb_that_dies_in_the_middle_of_a_shard_makes_no_backup(tmp_path):
    with influxd.running(tmp_path) as server:
        house = House(server, tmp_path)
        second = int((NOON - 10 * HOUR).timestamp())
        for at in range(0, 30_000, 5_000):
            house.send(
                "\n".join(
                    f'meter noise="{os.urandom(400).hex()}" {second + each}'
                    for each in range(at, at + 5_000)
                )
            )
        assert server.process
        before, pid = len(house.objects), server.process.pid

        class Dying(Progress):
            def __call__(self, size):  # noqa: ARG002
                os.kill(pid, signal.SIGKILL)

        with pytest.raises(BackupFault, match=r"does not answer|ends in the middle"):
            shards.capture(house.client, None, house.keep, Dying("x"), NOON, tmp_path)
        assert len(house.objects) - before == 2  # its own databases, no shard
        with pytest.raises(BackupFault, match="does not answer"):
            house.client.version()


def test_after_a_restart_every_shard_is_read_once(tmp_path):
    with influxd.running(tmp_path) as server:
        house = House(server, tmp_path)
        house.write(NOON - 50 * HOUR)
        for _ in range(3):
            house.back_up()
        assert house.progress.done == 0
        before = house.manifest
    with influxd.running(tmp_path, set_up=False) as server:
        house.server, house.client = server, Server(server.url, server.token)
        made = house.back_up()
        assert house.progress.done > 0
        assert made.files.items() - before.files.items() <= {
            ("influxdb/kv", made.files["influxdb/kv"])
        }


def test_only_an_operator_token_makes_backups_and_no_token_is_ever_told(server, house, tmp_path):
    refused = Server(server.url, "a-secret-of-ours")
    for ask in (
        lambda: list(refused.shard(1)),
        lambda: refused.make_bucket({}),
        lambda: shards.capture(refused, None, house.keep, Progress("x"), NOON, tmp_path),
    ):
        with pytest.raises(BackupFault, match="operator token") as told:
            ask()
        assert "a-secret-of-ours" not in str(told.value)
    with pytest.raises(BackupFault, match="token is empty") as told:
        Server(server.url, "tökén\n")
    assert "tök" not in str(told.value)


def test_buckets_are_made_renamed_found_and_deleted(house):
    house.write(NOON - HOUR)
    house.back_up()
    (entry,) = [each for each in house.buckets() if each["bucketID"] == house.id]
    with pytest.raises(BackupFault, match="already exists"):
        house.client.make_bucket(entry)
    new = house.client.organisation(f"org{next(NAMES)}")
    made = house.client.make_bucket({**entry, "organizationID": new})
    house.client.rename_bucket(made.id, f"{house.bucket}-other")
    assert house.client.buckets(new)[f"{house.bucket}-other"] == made.id
    house.client.delete_bucket(made.id)
    assert f"{house.bucket}-other" not in house.client.buckets(new)
    with pytest.raises(Gone):
        house.client.delete_bucket(made.id)
    with pytest.raises(BackupFault):
        house.client.counts(made.id, new, NOON, NOON + HOUR)
