"""The commands of backups as a person types them: what they print, and their exit status."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from backup.state import record, record_failure
from backup.stores.folder import Folder
from collector.backup_options import Run
from collector.cli.main import main
from collector.doctor import backups as looked_at
from tests.fakes.backups import keep_backup
from tests.fakes.doctor_case import open_in
from tests.fakes.running import ask, collector, command, configure, wait_for_reads
from tests.servers import sshd

HOUSE = "  house: {type: simulated, every: 100ms}\n"


@pytest.fixture
def house(tmp_path):
    configure(tmp_path, HOUSE, extra=settings(tmp_path))
    return tmp_path


def settings(folder):
    keep = "{hourly: 2, daily: 0, weekly: 0, monthly: 0}"
    return f"backup: {{folder: {folder}/backups, grafana: {folder}/grafana.db, keep: {keep}}}\n"


def typed(house, *words):
    command_line = ["backup", *words, "--config", str(house / "config.yaml")]
    return CliRunner().invoke(main, command_line, catch_exceptions=False)


def test_a_backup_is_made_listed_verified_and_rotated(house):
    for _ in range(3):
        made = typed(house, "now")
        assert made.exit_code == 0
    assert "1 file, 0 B of it new, in " in made.stdout
    assert "no InfluxDB is in the configuration" in made.stdout
    entries = json.loads(typed(house, "list", "--json").stdout)
    assert [each["kept"] for each in entries] == [[], ["hourly"], ["hourly"]]
    assert [each["new"] > 0 for each in entries] == [True, False, False]
    verified = typed(house, "verify")
    assert verified.exit_code == 0
    assert f"backup {entries[-1]['id']}: no damage in 1 file" in verified.stdout
    rotated = typed(house, "rotate")
    assert rotated.stdout == "1 backups removed, 2 kept, 0 B freed\n"
    listed = typed(house, "list").stdout.splitlines()
    assert listed[0].split() == ["BACKUP", "AGE", "SIZE", "NEW", "PROVED", "KEPT", "AS"]
    assert [line.split()[0] for line in listed[1:]] == [each["id"] for each in entries[1:]]
    assert "verified" in listed[2]


def test_backups_are_below_the_data_unless_told_otherwise(house):
    file = house / "config.yaml"
    file.write_text(file.read_text().replace(f"folder: {house}/backups, ", ""))
    assert typed(house, "now").exit_code == 0
    assert (house / "backups/manifests").is_dir()
    assert len(json.loads(typed(house, "list", "--json").stdout)) == 1


def test_damage_is_named_with_exit_status_1(house):
    typed(house, "now")
    (each,) = (house / "backups/objects").iterdir()
    each.write_bytes(b"no")
    found = typed(house, "verify")
    assert found.exit_code == 1
    assert "config/config.yaml: " in found.stdout
    assert (
        "no other backup is without this damage; the next backup stores these files again"
        in found.stdout
    )
    assert "! the last verify failed at " in typed(house, "list").stdout
    each.unlink(missing_ok=True)
    told = json.loads(typed(house, "verify", "--json").stdout)
    assert list(told["damaged"]) == ["config/config.yaml"]


def test_a_damaged_manifest_is_listed_as_such(house):
    typed(house, "now")
    (each,) = (house / "backups/manifests").iterdir()
    each.write_bytes(b"no")
    assert "damaged" in typed(house, "list").stdout
    (entry,) = json.loads(typed(house, "list", "--json").stdout)
    assert "the manifest is not valid" in entry["damaged"]
    assert typed(house, "verify").exit_code == 1


def test_without_backups_that_is_said(house):
    assert "there is no backup" in typed(house, "list").stdout
    refused = typed(house, "verify")
    assert refused.exit_code == 1
    assert "no single backup is meant by 'latest': there is none" in refused.stderr


def test_without_a_store_an_upload_is_no_failure(house):
    done = typed(house, "upload")
    assert done.exit_code == 0
    assert "no store is connected" in done.stdout


def test_backups_go_over_sftp_and_come_back(house):
    with sshd.running(house / "sshd") as nas:
        address = nas.address(house / "nas")
        refused = typed(house, "connect", address)
        assert refused.exit_code == 1
        nas.admit(refused.stderr.strip().rpartition(": ")[2])
        unproved = typed(house, "connect", address)
        assert unproved.exit_code == 1
        assert "127.0.0.1 has the host key SHA256:" in unproved.stderr
        connected = typed(house, "connect", address, *unproved.stderr.split()[-2:])
        assert connected.exit_code == 0
        lines = connected.stdout.replace(" \\\n     ", " ").replace("\\\n", "")
        assert f"sudo ./install.sh --restore {address}" in lines
        typed(house, "now")
        assert f"{address}: " in typed(house, "upload").stdout
        for where in ("sftp", address):
            (entry,) = json.loads(typed(house, "list", "--from", where, "--json").stdout)
            assert entry["proved"] == ["uploaded"]
            assert typed(house, "verify", "--from", where).exit_code == 0
        words = ["restore", "--from", address, "--to", str(house / "back")]
        restored = CliRunner().invoke(main, [*words, "--config", str(house / "config.yaml")])
        assert restored.exit_code == 0
        assert (house / "back" / "config" / "config.yaml").exists()


def test_a_store_whose_secret_is_damaged_costs_another_nothing_and_is_recorded(house):
    typed(house, "now")
    with sshd.running(house / "sshd") as nas:
        connect = ("connect", nas.address(house / "nas"))
        nas.admit(typed(house, *connect).stderr.strip().rpartition(": ")[2])
        proof = typed(house, *connect).stderr.split()[-2:]
        assert typed(house, *connect, *proof).exit_code == 0
        (house / "secrets" / "backup-azure").write_text("damaged")
        uploaded = typed(house, "upload")
    assert uploaded.exit_code == 1
    assert "complete there: 1 backup" in uploaded.stdout
    assert "the store azure is not usable" in uploaded.stderr
    assert "the store azure is not usable" in typed(house, "list").stdout


def test_the_recovery_sheet_is_printed_or_written_for_its_owner_only(house):
    assert "It holds no secret." in typed(house, "sheet").stdout
    target = house / "recovery.txt"
    assert str(target) in typed(house, "sheet", "--to", str(target)).stdout
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_text() == typed(house, "sheet").stdout


def test_the_help_of_everything_stays_fast_since_nothing_heavy_is_imported():
    script = (
        "import sys, collector.cli.main; print([each for each in sys.modules if 'backup' in each])"
    )
    shown = subprocess.run(
        [command()[0], "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert shown == "[]\n"


# The alarms, wherever someone looks.


def test_the_status_tells_of_alarms_and_of_nothing_where_no_backup_was_ever_made(house):
    with collector(house / "config.yaml"):
        wait_for_reads(house, "house")
        assert ask(house)["problems"] == []
        assert ask(house)["backups"] == {}
        (house / "backups").mkdir()
        record(house / "backups", "upload", Run(ago(minutes=20)))
        assert 1200 <= ask(house)["backups"]["upload"] < 2400
        record_failure(
            house / "backups", "backup", ValueError("the disk is full"), datetime.now(UTC)
        )
        (problem,) = ask(house)["problems"]
    assert problem.startswith("the last backup failed at ")
    assert problem.endswith(": the disk is full")


def ago(**time):
    return (datetime.now(UTC) - timedelta(**time)).isoformat(timespec="seconds")


def doctor(folder):
    return list(looked_at.runs(open_in(folder, extra=settings(folder))))


def test_the_doctor_tells_of_a_house_without_backups(tmp_path):
    (told,) = doctor(tmp_path)
    assert (told.severity, told.what) == ("advice", "no backup has ever been made")


def test_the_doctor_tells_ages_and_that_backups_stay_in_the_house(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    record(folder, "backup", Run(ago(minutes=20), "20261120T114000Z", 12_000_000))
    made, advice = doctor(tmp_path)
    assert made.what == "the last backup was made 20 min ago: 20261120T114000Z, 12.0 MB"
    assert advice.what == "backups do not leave the house"
    record(folder, "upload", Run(ago(hours=2), "20261120T104000Z"))
    assert [each.severity for each in doctor(tmp_path)] == ["ok", "ok"]


def test_the_doctor_tells_that_no_database_is_backed_up_and_why(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    record(folder, "backup", Run(ago(minutes=20), left_out="there is no secret"))
    told = next(each for each in doctor(tmp_path) if each.severity == "warning")
    assert told.what == "the last backup contains no database: there is no secret"


def test_the_doctor_tells_each_alarm_with_what_to_do(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    record(folder, "backup", Run(ago(hours=9), "20261120T034000Z", 12_000_000))
    told = doctor(tmp_path)[0]
    assert told.severity == "error"
    assert told.what.startswith("the last good backup is 9 hours old")
    assert "journalctl -u energy-monitor-backup" in told.mend


# What root types in a folder of the service's user.

SERVICE = 4321
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def service_house(house):
    """A house whose data belong to the service's user, and whose secrets are root's."""
    house.chmod(0o755)
    for each in house.resolve().parents:
        if each != each.parent and not each.stat().st_mode & 0o001:
            each.chmod(0o755)
    for name in ("backups", "journal", "journal/log"):
        (house / name).mkdir()
        os.chown(house / name, SERVICE, SERVICE)
    (house / "secrets").mkdir(mode=0o700)
    (house / "secrets/meter").write_text("hush")
    return house


def as_root(house, *words):
    line = [*command(), "backup", *words, "--config", str(house / "config.yaml")]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@root_only
def test_what_root_backs_up_belongs_to_the_services_user(service_house):
    assert as_root(service_house, "now").returncode == 0
    assert as_root(service_house, "verify").returncode == 0
    made = list((service_house / "backups").rglob("*"))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(SERVICE, SERVICE)}


@root_only
@pytest.mark.parametrize(
    "planted",
    ["lock", "state.lock", ".state.json.new", "state.json", "objects", "manifests", "damaged"],
)
def test_a_link_in_the_services_folder_leads_root_nowhere(service_house, planted):
    victim = service_house / "shadow"
    victim.mkdir() if planted in {"objects", "manifests", "damaged"} else victim.write_text("x")
    victim.chmod(0o700)
    (service_house / "backups" / planted).symlink_to(victim)
    for words in (["now"], ["verify"], ["rotate"]):
        as_root(service_house, *words)
    assert victim.stat().st_uid == 0
    assert not os.listdir(victim) if victim.is_dir() else victim.read_text() == "x"


@root_only
def test_a_segment_that_is_a_link_to_a_file_of_roots_is_not_backed_up(service_house):
    shadow = service_house / "secrets/meter"
    (service_house / f"journal/log/{1:016d}-1763654400000.z").symlink_to(shadow)
    made = as_root(service_house, "now")
    assert made.returncode == 0
    assert "is left out: Too many levels of symbolic links" in made.stdout
    (file,) = (service_house / "backups/manifests").iterdir()
    assert list(json.loads(file.read_text())["files"]) == ["config/config.yaml"]


# Who made a backup.


def restored(house, *words):
    line = ["restore", *words, "--config", str(house / "config.yaml")]
    return CliRunner().invoke(main, line, catch_exceptions=False)


def test_a_backup_is_signed_and_one_that_is_not_is_refused_where_the_key_is_known(house):
    assert typed(house, "now").exit_code == 0
    public = typed(house, "key").stdout.strip()
    assert (house / "backup-signing.pub").read_text() == f"{public}\n"
    (file,) = (house / "backups/manifests").iterdir()
    document = json.loads(file.read_text())
    assert document["signed_by"] == public
    assert restored(house, "--to", str(house / "ours")).exit_code == 0
    forged = {**document, "site": "elsewhere", "format": 1}
    forged["signed_by"] = None
    del forged["digest"], forged["signature"]
    file.write_text(json.dumps(forged))
    assert typed(house, "verify", file.stem).exit_code == 1
    for words in ([file.stem], ["latest"]):
        refused = restored(house, *words, "--to", str(house / "forged"))
        assert refused.exit_code == 1
        assert "is not signed" in refused.stderr
    assert "not trusted" in typed(house, "list").stdout
    anyones = restored(house, "--signed-by", "anyone", "--to", str(house / "forged"))
    assert anyones.exit_code == 0


def test_on_a_new_machine_it_is_said_what_cannot_be_known_and_a_key_settles_it(house, tmp_path):
    typed(house, "now")
    public = typed(house, "key").stdout.strip()
    new = configure(tmp_path / "new", HOUSE).parent
    words = ("--from", str(house / "backups"), "--to")
    said = restored(new, *words, str(tmp_path / "1"))
    assert said.exit_code == 0
    assert f"signed with the key {public}, which this machine does not know" in said.stderr
    settled = restored(new, *words, str(tmp_path / "2"), "--signed-by", public)
    assert settled.exit_code == 0
    assert "does not know" not in settled.stderr
    other = restored(new, *words, str(tmp_path / "3"), "--signed-by", "0" * 64)
    assert other.exit_code == 1
    assert "signed by another installation" in other.stderr


def test_a_configuration_that_is_damaged_is_no_obstacle_to_bringing_one_back(house, tmp_path):
    typed(house, "now")
    (house / "config.yaml").write_text("sites: [")
    from_folder = ("--from", str(house / "backups"), "--to", str(tmp_path / "to"))
    assert restored(house, *from_folder).exit_code == 0
    assert (tmp_path / "to/config/config.yaml").exists()


def test_a_backup_of_the_future_is_not_the_latest(house):
    typed(house, "now")
    (file,) = (house / "backups/manifests").iterdir()
    document = {**json.loads(file.read_text()), "id": "20991120T100000Z", "format": 1}
    del document["digest"], document["signature"]
    (file.parent / "20991120T100000Z.json").write_text(json.dumps(document))
    done = restored(house, "--signed-by", "anyone", "--to", str(house / "to"))
    assert done.exit_code == 0
    assert "backup 20991120T100000Z is passed over: it is dated later than now" in done.stderr
    assert f"backup {file.stem} of" in done.stdout


def test_a_restoration_repeats_before_and_after_what_is_not_in_the_backup(house):
    typed(house, "now")
    (file,) = (house / "backups/manifests").iterdir()
    document = {**json.loads(file.read_text()), "notes": ["no \x1b[2J InfluxDB"], "format": 1}
    del document["digest"], document["signature"]
    file.write_text(json.dumps(document))
    done = restored(house, "--signed-by", "anyone", "--to", str(house / "to"))
    assert done.exit_code == 0
    assert done.stderr.count("no ?[2J InfluxDB") == 2
    before, _, after = done.output.partition(f"{house}/to holds backup")
    assert "no ?[2J InfluxDB" in before
    assert "no ?[2J InfluxDB" in after


# Packages of the owner's.


def test_the_list_of_own_packages_comes_back_and_is_said_to_be_looked_at(house):
    listed = house / "packages.txt"
    listed.write_text("# mine\npool==1\n./own\n")
    made = typed(house, "now")
    assert "./own in packages.txt is not in the backup: keep a copy" in made.stdout
    listed.unlink()
    back = restored(house, "--yes")
    assert back.exit_code == 0
    assert listed.read_text() == "# mine\npool==1\n./own\n"
    assert f"look at {listed}: the next install.sh installs what it lists" in back.stdout


def test_a_configuration_that_needs_own_packages_names_them_and_installs_none(house, tmp_path):
    manifest = keep_backup(
        Folder(house / "backups"),
        tmp_path,
        "20261120T100000Z",
        {
            "config/config.yaml": (house / "config.yaml")
            .read_bytes()
            .replace(b"sources:\n", b"sources:\n  p: {type: pool}\n"),
            "config/packages.txt": b"# mine\npool==1\n\x1b[2Jbad\n",
        },
    )
    (house / "config.yaml").unlink()
    words = ("--from", str(house / "backups"), "--yes")
    refused = restored(house, manifest.id, *words)
    assert refused.exit_code == 1
    wanted = f"write ?[2Jbad, pool==1 into {house}/packages.txt, a line each, run install.sh again"
    assert wanted in refused.stderr
    assert not (house / "packages.txt").exists()
    (house / "packages.txt").write_text("pool==1\n?[2Jbad\n")
    assert "sources.p.type" in restored(house, manifest.id, *words).stderr
