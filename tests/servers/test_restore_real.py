"""Backups of a real InfluxDB 2, restored into real ones: by ours, by influx, and on bad days."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from backup.capture import capture
from backup.chosen import choose
from backup.influxdb.buckets import listed
from backup.influxdb.influxdb_2 import Server
from backup.influxdb.refill import refill
from backup.influxdb.refill_2 import listing_of
from backup.influxdb.restore import alone
from backup.influxdb.stock import write_stock
from backup.progress import Progress
from backup.stores.folder import Folder
from collector.config import load
from collector.errors import BackupFault, Damaged
from tests.fakes.restoring import Counting, Dying, Killed, Shut, Swallowing
from tests.fakes.running import command, configure, energy_monitor, wait_for
from tests.servers import influxd

DAY_S = 86_400
WEEKS = 3
POINTS = 600  # a shard's, two fields each
HISTORY = (
    "  history: {{type: influxdb, url: '{url}', org: house, bucket: energy, token: !secret t}}\n"
)
SWAPPING = 12  # requests, the last ones
TELL = "select count(*) from /.*/"


@dataclass
class House:
    """A house with two backups: the *first* lacks what the *last* has in the newest shard."""

    folder: Path
    store: Folder
    first: str
    last: str

    def choose(self, wanted="", identities=()):
        return choose(self.store, wanted or self.last, identities)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    with influxd.running(make(folder / "origin")) as origin:
        org = origin.get("/api/v2/orgs", {"org": origin.org})["orgs"][0]["id"]
        rule = {"type": "expire", "everySeconds": 60 * DAY_S, "shardGroupDurationSeconds": DAY_S}
        origin.post("/api/v2/buckets", name="recent", orgID=org, retentionRules=[rule])
        now_s = int(time.time())
        for week in range(WEEKS):
            write(origin, "energy", now_s - week * 7 * DAY_S - POINTS)
        for day in range(2):
            write(origin, "recent", now_s - day * DAY_S - POINTS)
        file = configure(
            folder,
            "  house: {type: simulated}\n",
            HISTORY.format(url=origin.url),
            f"backup: {{folder: {folder}/backups, grafana: {folder}/none}}\n",
        )
        make(folder / "secrets").joinpath("influxdb-admin-token").write_text(origin.token)
        first = back_up(file)
        write(origin, "energy", now_s + 1)  # what InfluxDB has in memory alone
        last = back_up(file)
    return House(folder, Folder(folder / "backups"), first, last)


@pytest.fixture
def server(tmp_path):
    with influxd.running(make(tmp_path / "server")) as server:
        yield server


def make(folder):
    folder.mkdir(parents=True)
    return folder


def write(server, bucket, start_s, points=POINTS):
    lines = [f"m,device=a v={n % 97}.5,w={n} {start_s + n}" for n in range(points)]
    where = {"org": server.org, "bucket": bucket, "precision": "s"}
    assert server.ask("POST", "/api/v2/write", where, body="\n".join(lines)).status == 204


def back_up(file):
    return capture(load(file), datetime.now(UTC), quiet())[0].id


def quiet():
    return Progress("test", stream=StringIO())


def restore(chosen, server, *, now=None, replace=False, kind=Server, **special):
    to = kind(server.url, server.token, **special)
    return refill(chosen, to, now or datetime.now(UTC), quiet(), replace=replace)


def points(server, bucket):
    """Return how many values a bucket has; None where there is no such bucket."""
    if bucket not in buckets(server):
        return None
    return sum(sum(row[1:]) for row in server.query(TELL, bucket))


def buckets(server):
    found = listing_of(Server(server.url, server.token))
    return sorted(each["bucketName"] for each in found if not each["bucketName"].startswith("_"))


ALL = {"energy": 2 * (WEEKS + 1) * POINTS, "recent": 2 * 2 * POINTS}


def assert_all_is_there(server):
    assert {name: points(server, name) for name in ALL} == ALL


def test_a_fresh_server_gets_everything_also_what_was_only_in_memory(house, server):
    done = restore(house.choose(), server)
    assert done.points == ALL
    assert done.kept == {}
    assert buckets(server) == ["energy", "recent"]
    assert_all_is_there(server)


def test_a_restored_bucket_keeps_readings_as_long_as_it_did(house, server):
    restore(house.choose(), server)
    found = server.get("/api/v2/buckets", {"name": "recent"})["buckets"][0]["retentionRules"][0]
    assert (found["everySeconds"], found["shardGroupDurationSeconds"]) == (60 * DAY_S, DAY_S)


def test_no_token_remains_that_was_made_for_counting(house, server):
    restore(house.choose(), server)
    assert len(server.get("/api/v2/authorizations")["authorizations"]) == 1


def test_a_server_with_another_organisation_is_counted_all_the_same(house, server):
    org = server.get("/api/v2/orgs", {"org": server.org})["orgs"][0]["id"]
    server.ask("PATCH", f"/api/v2/orgs/{org}", body='{"name": "elsewhere"}')
    assert restore(house.choose(), server).points == ALL


@pytest.mark.parametrize("full", [False, True], ids=["by bucket", "full"])
def test_the_stock_command_restores_what_is_written_for_it(house, server, tmp_path, full):
    program = shutil.which("influx")
    if not program:
        pytest.skip("no influx on the PATH: put there the one of the InfluxDB 2 command line")
    folder = tmp_path / "stock"
    write_stock(house.choose(), folder, datetime.now(UTC), quiet())
    words = ["restore", "--host", server.url, "--token", server.token, str(folder)]
    if full:
        words += ["--full", "--operator-token", server.token]
    else:
        to = Server(server.url, server.token)
        to.delete_bucket(to.buckets(to.organisation(server.org))["energy"])
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert_all_is_there(server)


def test_what_a_server_has_is_kept_under_another_name(house, server):
    write(server, "energy", int(time.time()) - POINTS, 7)
    done = restore(house.choose(), server)
    aside = f"energy-before-{house.last}"
    assert done.kept == {"energy": aside}
    assert points(server, aside) == 14
    assert_all_is_there(server)
    assert restore(house.choose(), server).kept["energy"] == f"{aside}-2"
    assert buckets(server) == [
        "energy", aside, f"{aside}-2", "recent", f"recent-before-{house.last}"
    ]  # fmt: skip


def test_what_a_server_has_goes_when_that_is_asked_for(house, server):
    write(server, "energy", int(time.time()) - POINTS, 7)
    done = restore(house.choose(), server, replace=True)
    assert done.kept == {}
    assert buckets(server) == ["energy", "recent"]
    assert_all_is_there(server)


def test_a_restoration_that_is_killed_at_any_step_is_completed_by_the_next(house, server):
    forget(server)
    whole = Dying(server.url, server.token, last=10**9)
    refill(house.choose(), whole, datetime.now(UTC), quiet())
    for last in (*range(0, whole.asked - SWAPPING, 4), *range(whole.asked - SWAPPING, whole.asked)):
        forget(server)
        with pytest.raises(Killed):
            restore(house.choose(), server, kind=Dying, last=last)
        restore(house.choose(), server)
        assert_all_is_there(server)
        assert "restoring" not in str(buckets(server))
        assert any(points(server, name) == 14 for name in buckets(server)), last


def test_a_shard_that_stays_closed_after_a_cut_upload_is_made_anew(house, server):
    forget(server)
    begun = Counting(server.url, server.token, before_third=stop)
    with pytest.raises(Killed):
        refill(house.choose(), begun, datetime.now(UTC), quiet())
    (energy,) = (
        each
        for each in listing_of(Server(server.url, server.token))
        if each["bucketName"].startswith("energy-restoring-")
    )
    made = {each.id for each in listed([energy])}
    assert restore(house.choose(), server, kind=Shut, shut=made).points == ALL
    assert_all_is_there(server)
    assert "restoring" not in str(buckets(server))


def stop():
    raise Killed


def test_replacing_that_is_killed_at_the_end_leaves_nothing_behind(house, server):
    forget(server)
    whole = Dying(server.url, server.token, last=10**9)
    refill(house.choose(), whole, datetime.now(UTC), quiet(), replace=True)
    for last in range(whole.asked - SWAPPING, whole.asked):
        forget(server)
        with pytest.raises(Killed):
            restore(house.choose(), server, kind=Dying, last=last, replace=True)
        restore(house.choose(), server, replace=True)
        assert buckets(server) == sorted(ALL), last
    assert_all_is_there(server)


def forget(server):
    """Make the server again as it was before."""
    to = Server(server.url, server.token)
    org = to.organisation(server.org)
    for name, bucket_id in to.buckets(org).items():
        if not name.startswith("_"):
            to.delete_bucket(bucket_id)
    server.post("/api/v2/buckets", name="energy", orgID=org)
    write(server, "energy", int(time.time()) - POINTS, 7)


def test_a_server_that_dies_in_the_middle_goes_on_where_it_was(house, tmp_path):
    folder, port = make(tmp_path / "dying"), influxd.free_port()
    with influxd.running(folder, port=port) as server:
        assert server.process
        first = Counting(server.url, server.token, before_third=server.process.kill)
        with pytest.raises(BackupFault, match=f"InfluxDB at {server.url} does not answer"):
            refill(house.choose(), first, datetime.now(UTC), quiet())
        server.process.wait()
    with influxd.running(folder, port=port, set_up=False) as server:
        second = Counting(server.url, server.token)
        done = refill(house.choose(), second, datetime.now(UTC), quiet())
        assert done.points == ALL
        assert_all_is_there(server)
        assert len(first.filled) == 2
        assert len(first.filled + second.filled) == len({*first.filled, *second.filled})


def test_a_shard_that_the_server_swallows_is_brought_once_more(house, server):
    assert restore(house.choose(), server, kind=Swallowing, times=1).points == ALL
    assert_all_is_there(server)


def test_a_server_that_swallows_every_shard_keeps_what_it_had(house, server):
    write(server, "energy", int(time.time()) - POINTS, 7)
    with pytest.raises(BackupFault, match=r"has not taken shard \d+ of bucket .* brought twice"):
        restore(house.choose(), server, kind=Swallowing, times=99)
    assert points(server, "energy") == 14


def test_a_wrong_private_key_is_told_before_anything_is_done(tmp_path):
    right, wrong = (age_key() for _ in range(2))
    sealed = tmp_path / "sealed"
    configure(
        sealed,
        "  house: {type: simulated}\n",
        extra=f"backup: {{folder: {sealed}/backups, encrypt_to: [{right[1]}]}}\n",
    )
    back_up(sealed / "config.yaml")
    (newest,) = Folder(sealed / "backups").ids()
    for identities, said in (((), "its private key is needed"), ((wrong[0],), "none of the priv")):
        with pytest.raises(BackupFault, match=said):
            choose(Folder(sealed / "backups"), newest, identities)
    assert choose(Folder(sealed / "backups"), newest, (right[0],)).whole("config/config.yaml")


def age_key():
    if not shutil.which("age-keygen"):
        pytest.skip("age-keygen is missing: Debian package age")
    text = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    return text, next(line for line in text.split() if line.startswith("age1"))


def test_a_flipped_byte_refuses_the_backup_and_offers_the_one_without(house, server, tmp_path):
    shutil.copytree(house.store.folder, tmp_path / "backups")
    store = Folder(tmp_path / "backups")
    only_last = set(store.manifest(house.last).files.values())
    only_last -= set(store.manifest(house.first).files.values())
    shard_file = next(file for file in only_last if file.tsm)
    damaged = tmp_path / "backups/objects" / shard_file.object
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(
        Damaged, match=f"can't be restored.*one that can be restored is {house.first}"
    ):
        restore(choose(store, store.ids()[-1]), server)
    assert buckets(server) == ["energy"]
    with pytest.raises(Damaged, match=house.first):
        write_stock(choose(store, store.ids()[-1]), tmp_path / "to", datetime.now(UTC), quiet())
    assert not (tmp_path / "to").exists()
    assert restore(choose(store, house.first), server).points["energy"] == 2 * WEEKS * POINTS


def test_a_shard_whose_time_is_over_is_left_out_and_told(house, server, tmp_path):
    later = datetime.now(UTC) + timedelta(days=60, hours=1)
    done = restore(house.choose(), server, now=later)
    assert points(server, "recent") == done.points["recent"] < ALL["recent"]
    assert points(server, "energy") == ALL["energy"]
    assert [
        note
        for note in done.notes
        if "of bucket 'recent'" in note and "retention has ended" in note
    ]
    notes = write_stock(house.choose(), tmp_path / "to", later, quiet())
    assert notes == done.notes


def test_two_at_once_into_one_server_are_one_too_many(house, server):
    with alone(server.url), pytest.raises(BackupFault, match="another restoration into"):
        restore(house.choose(), server)
    assert buckets(server) == ["energy"]


def test_a_token_that_may_not_restore_is_told_and_nothing_is_made(house, server):
    with pytest.raises(BackupFault, match="takes the operator token"):
        refill(house.choose(), Server(server.url, "none"), datetime.now(UTC), quiet())
    assert buckets(server) == ["energy"]


def test_the_command_restores_into_a_server_after_it_was_killed(house, server, tmp_path):
    token = tmp_path / "token"
    token.write_text(server.token)
    words = ["restore", "--from", house.store.folder, "--into", server.url]
    words += ["--admin-token-file", token]
    with subprocess.Popen(command(*words), stdout=subprocess.DEVNULL) as process:
        wait_for(
            lambda: [n for n in buckets(server) if "restoring" in n] or gone(process), "a start"
        )
        process.kill()
    done = energy_monitor(*words)
    assert done.returncode == 0, done.stderr
    assert "bucket energy: 4,800 points restored and counted" in done.stdout
    assert_all_is_there(server)


def gone(process):
    return process.poll() is not None


def test_the_command_writes_a_folder_after_it_was_killed(house, tmp_path):
    folder = tmp_path / "to"
    words = ["restore", "--from", house.store.folder, "--to", folder]
    with subprocess.Popen(command(*words), stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: (folder / ".restoring").exists() or gone(process), "a start")
        process.kill()
    if (folder / ".restoring").exists():
        assert not list(folder.glob("*.manifest")) or (folder / ".restoring").exists()
        assert energy_monitor(*words).returncode == 0
    assert (folder / f"{house.last}.manifest").exists()
    assert not (folder / ".restoring").exists()
    again = energy_monitor(*words)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
