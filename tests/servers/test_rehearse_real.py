"""Rehearsals: the newest backup restored into an InfluxDB for a trial, and what is recorded."""

import shutil
import time
from datetime import UTC, datetime
from io import StringIO

import pytest

from backup.capture import capture
from backup.influxdb import scratch
from backup.progress import Progress
from backup.rehearse import rehearse
from backup.stores.folder import Folder
from collector import backup_options
from collector.config import load
from collector.errors import BackupFault, Damaged
from tests.fakes.running import configure, energy_monitor
from tests.servers import influxd
from tests.servers.test_restore_real import HISTORY, age_key, make, write

POINTS = 600


def quiet():
    return Progress("test", stream=StringIO())


def back_up(folder, extra=""):
    """Back up a house with an InfluxDB, which ends then; return its configuration file."""
    with influxd.running(make(folder / "origin")) as origin:
        write(origin, "energy", int(time.time()) - POINTS, POINTS)
        file = configure(
            folder,
            "  house: {type: simulated}\n",
            HISTORY.format(url=origin.url),
            f"backup: {{folder: {folder}/backups, grafana: {folder}/none{extra}}}\n",
        )
        make(folder / "secrets").joinpath("influxdb-admin-token").write_text(origin.token)
        capture(load(file), datetime.now(UTC), quiet())
    return file


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return back_up(tmp_path_factory.mktemp("house")).parent


@pytest.fixture
def file(house, tmp_path):
    shutil.copytree(house, tmp_path / "house")
    file = tmp_path / "house/config.yaml"
    file.write_text(file.read_text().replace(str(house), str(tmp_path / "house")))
    return file


def recorded(file):
    return backup_options.read_runs(file.parent / "backups")["rehearsal"]


def test_the_newest_backup_is_restored_counted_and_all_of_it_removed_again(file):
    done = energy_monitor("backup", "rehearse", "--config", file)
    assert done.returncode == 0, done.stderr
    assert f"{2 * POINTS:,} points in energy" in done.stdout
    assert recorded(file).id == Folder(file.parent / "backups").ids()[-1]
    assert recorded(file).error is None
    assert not (file.parent / "rehearsal").exists()


def test_what_a_killed_rehearsal_left_is_removed(file):
    make(file.parent / "rehearsal/engine")
    assert rehearse(load(file), datetime.now(UTC), quiet()).points == {"energy": 2 * POINTS}
    assert not (file.parent / "rehearsal").exists()


def test_a_damaged_backup_fails_the_rehearsal_and_that_is_recorded(file):
    store = Folder(file.parent / "backups")
    shard = next(each for each in store.manifest(store.ids()[-1]).files.values() if each.tsm)
    damaged = store.folder / "objects" / shard.object
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"damaged!!")
    with pytest.raises(Damaged, match="can't be restored"):
        rehearse(load(file), datetime.now(UTC), quiet())
    assert "can't be restored" in (recorded(file).error or "")
    assert recorded(file).done_at is None
    assert not (file.parent / "rehearsal").exists()


def test_without_the_private_key_every_object_is_read_and_that_is_said(tmp_path):
    text, public = age_key()
    file = back_up(tmp_path, f", encrypt_to: [{public}]")
    done = rehearse(load(file), datetime.now(UTC), quiet())
    assert done.points == {}
    assert "its private key is needed" in done.notes[0]
    assert recorded(file).id is None
    assert done.id in (recorded(file).left_out or "")
    assert rehearse(load(file), datetime.now(UTC), quiet(), [text]).points == {"energy": 2 * POINTS}
    assert (recorded(file).id, recorded(file).left_out) == (done.id, None)
    rehearse(load(file), datetime.now(UTC), quiet())
    assert recorded(file).id == done.id, "what was restored once stays proved"
    damaged = next((tmp_path / "backups/objects").iterdir())
    damaged.write_bytes(damaged.read_bytes() + b"!")
    with pytest.raises(Damaged, match=r"1 file of backup \S+ damaged: "):
        rehearse(load(file), datetime.now(UTC), quiet())


def test_without_an_influxdb_every_file_is_compared_and_that_is_said(file, monkeypatch):
    monkeypatch.setattr(scratch, "find", lambda *_: None)
    done = rehearse(load(file), datetime.now(UTC), quiet())
    assert done.points == {}
    assert "neither such an InfluxDB nor Docker" in done.notes[0]


def test_an_influxdb_that_does_not_start_is_told_in_its_own_words(file, monkeypatch, tmp_path):
    program = tmp_path / "influxd"
    program.write_text("#!/bin/sh\necho no more memory >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(scratch, "find", lambda *_: [str(program)])
    with pytest.raises(BackupFault, match="does not start: no more memory"):
        rehearse(load(file), datetime.now(UTC), quiet())
    assert "no more memory" in (recorded(file).error or "")


def test_no_backup_at_all_is_told(tmp_path):
    file = configure(
        tmp_path, "  house: {type: simulated}\n", extra=f"backup: {{folder: {tmp_path}/b}}\n"
    )
    with pytest.raises(BackupFault, match="there is none"):
        rehearse(load(file), datetime.now(UTC), quiet())


def test_docker_gets_the_pinned_image_little_memory_and_its_data_in_the_folder(
    tmp_path, monkeypatch
):
    """Docker itself is a script here: what it is told is what is looked at."""
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ "$1" != version ] || echo 26.1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(scratch, "START_S", 1)
    command = scratch.find_2()
    assert command == [str(program), scratch.pinned_image()]
    assert command[1].startswith("influxdb:2.")
    assert "@sha256:" in command[1]
    with (
        pytest.raises(BackupFault, match="does not start"),
        scratch.running_2(command, tmp_path / "db", "o"),
    ):
        pass
    told = (tmp_path / "told").read_text()
    assert f"--volume={tmp_path}/db:{tmp_path}/db" in told
    assert "--memory=480m" in told
    assert "--publish=127.0.0.1:" in told
    assert told.splitlines()[-1] == "rm --force energy-monitor-rehearsal"
