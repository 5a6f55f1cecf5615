"""One backup after another: what is in them, and what remains of one that fails: nothing."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from backup import capture as capturing
from backup import pack
from backup.capture import capture
from backup.progress import Progress
from backup.stores.folder import Folder, checked
from collector import backup_options
from collector.config import load
from collector.errors import BackupFault, Damaged, EnergyMonitorError
from tests.fakes.running import configure

HOUSE = "  house: {type: simulated}\n"
HISTORY = "  history: {{type: influxdb, url: '{url}', bucket: b, token: !secret token}}\n"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOBODY = 65534


@pytest.fixture
def house(tmp_path):
    """A configured house without InfluxDB, and its backups' folder."""
    backups = tmp_path / "backups"
    settings = f"backup: {{folder: {backups}, grafana: {tmp_path}/grafana.db}}\n"
    configure(tmp_path, HOUSE, extra=settings)
    return tmp_path


def back_up(house, now=NOW):
    return capture(load(house / "config.yaml"), now, Progress("test", stream=StringIO()))


def store_of(house):
    return Folder(house / "backups")


def segment(house, number, size=1000):
    file = house / f"journal/log/{number:016d}-1763654400000.z"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(size))
    return f"journal/{file.name}"


def everything(house):
    """What is in the backups' folder, but for how runs ended."""
    folder = house / "backups"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "state" not in path.name and path.name != "lock"
    }


def test_a_house_without_influxdb_backs_up_the_rest_and_says_so(house):
    path = segment(house, 1)
    manifest, run = back_up(house)
    assert manifest.id == "20261120T120000Z"
    assert set(manifest.files) == {"config/config.yaml", path}
    assert manifest.influxdb is None
    assert "no InfluxDB is in the configuration" in manifest.notes
    assert store_of(house).manifest(manifest.id) == manifest
    assert run.size == run.new_bytes == manifest.stored
    assert backup_options.read_runs(house / "backups")["backup"] == replace(
        run, first_at=manifest.taken_at
    )
    for name, size in manifest.objects.items():
        assert b"".join(checked(store_of(house), manifest.id, name, size))


def test_only_what_is_new_is_stored(house):
    segment(house, 1, 200_000)
    first, _ = back_up(house)
    path = segment(house, 2)
    second, run = back_up(house, NOW + HOUR)
    assert second.previous == first.id
    assert run.new_bytes == second.files[path].stored
    assert run.size_before == first.stored
    third, run = back_up(house, NOW + 2 * HOUR)
    assert run.new_bytes == 0
    assert third.files == second.files


def test_a_clock_set_back_between_two_backups_does_not_change_their_order(house):
    first, _ = back_up(house)
    second, _ = back_up(house, NOW - 20 * HOUR)
    assert second.id == "20261120T120001Z"
    assert second.previous == first.id
    assert store_of(house).ids() == [first.id, second.id]
    assert second.taken_at.startswith("2026-11-19")


def test_a_backup_of_a_clock_that_was_ten_years_ahead_does_not_lead_those_after_it(house):
    back_up(house, NOW + timedelta(days=3650))
    for hour in range(2):
        manifest, _ = back_up(house, NOW + hour * HOUR)
        assert manifest.id == f"20261120T1{2 + hour}0000Z"
    assert manifest.previous == "20261120T120000Z"


def test_no_backup_is_made_with_a_clock_that_is_not_right_yet(house, monkeypatch):
    file = house / "config.yaml"
    file.write_text(file.read_text().replace("always", "synchronised"))
    monkeypatch.setattr("backup.latest.TIMESYNCD_MARK", house / "none")
    monkeypatch.setattr("collector.clock.kernel_synchronised", lambda: False)
    with pytest.raises(BackupFault, match="clock is not synchronised yet"):
        back_up(house)
    monkeypatch.setattr("collector.clock.kernel_synchronised", lambda: True)
    assert back_up(house)


def test_what_went_missing_in_the_folder_is_stored_anew(house):
    path = segment(house, 1)
    first, _ = back_up(house)
    (house / "backups/objects" / first.files[path].object).unlink()
    second, run = back_up(house, NOW + HOUR)
    assert run.new_bytes == second.files[path].stored
    assert second.files == first.files, "and the older backup is mended with it"


def test_other_keys_store_everything_anew(house):
    segment(house, 1)
    plain, _ = back_up(house)
    config = load(house / "config.yaml")
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    object.__setattr__(config.main.backup, "encrypt_to", (key,))
    sealed, _ = capture(config, NOW + HOUR, Progress("test", stream=StringIO()))
    assert sealed.encrypted_to == (key,)
    assert not plain.objects.keys() & sealed.objects.keys()
    again, run = capture(config, NOW + 2 * HOUR, Progress("test", stream=StringIO()))
    assert run.new_bytes == 0
    assert again.files == sealed.files
    plain_again, run = back_up(house, NOW + 3 * HOUR)
    assert not plain_again.objects.keys() & sealed.objects.keys()


def test_a_manifest_that_cannot_be_read_is_no_predecessor_and_no_hindrance(house):
    first, _ = back_up(house)
    second, _ = back_up(house, NOW + HOUR)
    (house / f"backups/manifests/{second.id}.json").write_bytes(b"{")
    third, run = back_up(house, NOW + 2 * HOUR)
    assert third.previous == first.id
    assert run.new_bytes == 0


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        BackupFault("InfluxDB died in the middle of a shard"),
        RuntimeError("a bug"),
    ],
)
@pytest.mark.parametrize("at", ["file", "manifest", "after the manifest"])
def test_of_one_that_fails_nothing_remains_and_older_ones_are_as_they_were(
    house, monkeypatch, error, at
):
    segment(house, 1)
    good, _ = back_up(house)
    before = everything(house)
    segment(house, 2, 300_000)
    segment(house, 3)

    def fail(*_, **__):
        raise error

    if at == "file":
        real, calls = pack.pack, []

        def third_fails(*args):
            calls.append(1)
            return fail() if len(calls) == 3 else real(*args)

        monkeypatch.setattr(capturing, "pack", third_fails)
    elif at == "manifest":
        monkeypatch.setattr(Folder, "put_manifest", fail)
    else:
        real_put = Folder.put_manifest
        monkeypatch.setattr(Folder, "put_manifest", lambda *args: (real_put(*args), fail()))
    expected = BackupFault if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        back_up(house, NOW + HOUR)
    assert everything(house) == before
    run = backup_options.read_runs(house / "backups")["backup"]
    assert run.id == good.id
    assert run.failed_at == "2026-11-20T13:00:00+00:00"
    assert ("the disk is full" if isinstance(error, OSError) else str(error)) in str(run.error)
    monkeypatch.undo()
    _, run = back_up(house, NOW + 2 * HOUR)
    assert run.failed_at is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_on_a_disk_that_is_really_full_older_backups_stay_and_measuring_has_room(house):
    folder = house / "backups"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        segment(house, 1)
        good, _ = back_up(house)
        before = everything(house)
        segment(house, 2, 30_000_000)
        with pytest.raises(BackupFault, match=r"the disk is full\. Older backups are unchanged"):
            back_up(house, NOW + HOUR)
        assert everything(house) == before
        assert "full" in str(backup_options.read_runs(folder)["backup"].error)
        segment(house, 2, 10)
        for number in range(3, 10):
            segment(house, number, 4_000_000)
        with pytest.raises(BackupFault, match="must stay free for measuring"):
            back_up(house, NOW + HOUR)
        assert everything(house) == before
        assert store_of(house).ids() == [good.id]
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_backup_that_could_not_be_read_again_is_a_failure(house, monkeypatch):
    real = capturing.collect

    def odd(*args):
        found = real(*args)
        files = {
            **found.manifest.files,
            "journal/a\nb.z": found.manifest.files["config/config.yaml"],
        }
        return found._replace(manifest=replace(found.manifest, files=files))

    monkeypatch.setattr(capturing, "collect", odd)
    with pytest.raises(Damaged, match="is not a valid path"):
        back_up(house)
    assert everything(house) == {}


def test_two_at_once_make_one_and_the_other_says_why(house):
    folder = store_of(house)
    with folder.alone(), pytest.raises(BackupFault, match="another backup command is running"):
        back_up(house)
    assert backup_options.read_runs(house / "backups") == {}, "the one at work is no failure"


def test_killed_in_the_middle_it_leaves_nothing_that_the_next_one_would_trip_over(house):
    good, _ = back_up(house)
    slow = (
        "import sys, time; from backup import files, pack; real = pack.read\n"
        "def read(*args):\n"
        "    yield from real(*args)\n"
        "    print('reading', flush=True); time.sleep(60)\n"
        "pack.read = read; from collector.cli.main import main; main(sys.argv[1:])"
    )
    words = ["backup", "now", "--config", str(house / "config.yaml")]
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = everything(house)
        (house / "config.yaml").write_text((house / "config.yaml").read_text() + "# more\n")
        with subprocess.Popen(
            [sys.executable, "-c", slow, *words], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            (house / "backups/part-left").touch()
            process.send_signal(number)
        assert process.returncode != 0
        assert store_of(house).ids() == [good.id]
        if number == signal.SIGTERM:
            (house / "backups/part-left").unlink()
            assert everything(house) == before
    manifest, _ = back_up(house, NOW + HOUR)
    assert manifest.previous == good.id
    assert not list((house / "backups").glob("part-*"))


def with_influxdb(house, token):
    file = house / "config.yaml"
    file.write_text(file.read_text() + "outputs:\n" + HISTORY.format(url="http://127.0.0.1:9"))
    (house / "secrets").mkdir()
    if token:
        (house / "secrets/influxdb-admin-token").write_text(token)


def test_an_influxdb_that_does_not_answer_is_a_failure(house):
    with_influxdb(house, "t")
    with pytest.raises(EnergyMonitorError, match="does not answer"):
        back_up(house)
    assert everything(house) == {}
    assert "does not answer" in str(backup_options.read_runs(house / "backups")["backup"].error)


@pytest.mark.parametrize("token", [None, "none"], ids=["by hand", "from systemd"])
def test_an_influxdb_without_its_token_is_left_out_and_all_else_is_backed_up(house, token):
    with_influxdb(house, token)
    path = segment(house, 1)
    manifest, run = back_up(house)
    assert {"config/config.yaml", path} <= manifest.files.keys()
    assert run.left_out == manifest.notes[0]
    assert "http://127.0.0.1:9 is skipped: there is no secret" in manifest.notes[0]
    assert back_up(house, NOW + HOUR)[1].left_out


def test_an_influxdb_that_was_backed_up_does_not_drop_out_without_a_failure(house):
    before, _ = back_up(house)
    store_of(house).put_manifest(replace(before, id="20261120T123000Z", influxdb="2.9.1"))
    with_influxdb(house, None)
    with pytest.raises(EnergyMonitorError, match="'influxdb-admin-token' is not found"):
        back_up(house, NOW + HOUR)
