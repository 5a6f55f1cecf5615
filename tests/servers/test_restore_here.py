"""A backup brought back onto a machine: a blank one, and one that has been used since."""

import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO

import pytest

from backup.capture import capture
from backup.progress import Progress
from collector.clock import boot_id
from collector.config import load
from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.reading import Reading, encode
from tests.cursors import delivered as sent
from tests.fakes.running import configure, energy_monitor
from tests.servers import influxd
from tests.servers.test_restore_real import age_key, buckets, make

POINTS = 600
JOURNALLED = 400  # readings of which InfluxDB has never heard
HISTORY = (
    "  history: {{type: influxdb, url: '{url}', org: house, bucket: energy, token: !secret w, "
    "read_token: !secret r}}\n"
)


class Machine:
    """A machine with an InfluxDB, which keeps its port, and an encrypted backup of all of it."""

    def __init__(self, folder):
        self.folder, self.port = folder, influxd.free_port()
        text, public = age_key()
        (folder / "key").write_text(text)
        self.file = configure(
            folder / "etc",
            "  house: {type: simulated}\n",
            HISTORY.format(url=f"http://127.0.0.1:{self.port}"),
            f"backup: {{folder: {folder}/backups, grafana: {folder}/grafana/grafana.db, "
            f"encrypt_to: [{public}]}}\n",
        )
        self.secrets = make(folder / "etc/secrets")
        (self.secrets / "influxdb-admin-token").write_text(influxd.ADMIN_TOKEN)
        (self.secrets / "meter-password").write_text("of the meter")
        self.grafana = make(folder / "grafana") / "grafana.db"
        with closing(sqlite3.connect(self.grafana)) as database:
            database.execute("create table dashboard (title)")
            database.commit()
        self.now_s = int(time.time())

    def measure(self, device, count, first_s, *, delivered=False):
        """Append readings to the journal, and close its segments; return how many are in these."""
        journal = Journal(self.folder / "etc/journal", boot_id(), ["history"])
        journal.log.segment_bytes = 4000
        journal.open()
        for n in range(count):
            values = {"active_power": float(n)}
            journal.append([encode(Reading("electricity", device, (first_s + n) * 1000, values))])
        journal.keep_house(10**9)
        if delivered:
            sent(journal, "history", journal.reader("history").take(10**6))
        journal.close()
        log = self.folder / "etc/journal/log"
        last = max(int(path.name[:16]) for path in log.iterdir())
        return sum(number < last for number, _ in read_all(log))

    def back_up(self):
        return capture(load(self.file), datetime.now(UTC), Progress("", stream=StringIO()))[0].id

    def wipe(self):
        """Put a blank card into it."""
        for name in ("etc", "grafana"):
            subprocess.run(["rm", "-r", self.folder / name], check=True)
            make(self.folder / name)

    def restore(self, *words):
        words = ("--from", self.folder / "backups", "--identity", self.folder / "key", *words)
        return energy_monitor("restore", *words, "--config", self.file)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def write(server, device, first_s, count=POINTS):
    lines = [f"electricity,site=home,device={device} v={n} {first_s + n}" for n in range(count)]
    where = {"org": server.org, "bucket": server.bucket, "precision": "s"}
    assert server.ask("POST", "/api/v2/write", where, body="\n".join(lines)).status == 204


def points(server, device, field="v"):
    query = f"select count({field}) from electricity where device = '{device}'"
    return sum(row[1] for row in server.query(query))


def accepted(server, token):
    return server.ask(
        "POST", "/api/v2/write", {"org": "house", "bucket": "energy"}, token, "x v=1"
    ).status


def test_a_blank_machine_gets_all_back_with_tokens_that_work(machine):
    with influxd.running(make(machine.folder / "old"), port=machine.port) as server:
        write(server, "a", machine.now_s - POINTS)
        closed = machine.measure("b", JOURNALLED, machine.now_s - 9000)
        machine.back_up()
    machine.wipe()
    blank = make(machine.folder / "new")
    with influxd.running(blank, port=machine.port, set_up=False) as server:
        done = machine.restore()
        assert done.returncode == 0, done.stdout + done.stderr
        assert points(server, "a") == POINTS
        assert points(server, "b", "active_power") == closed > JOURNALLED / 2
        assert buckets(server) == ["energy"]
        assert accepted(server, (machine.secrets / "w").read_text()) == 204
        assert accepted(server, (machine.secrets / "r").read_text()) != 204
    assert (machine.secrets / "meter-password").read_text() == "of the meter"
    assert (machine.secrets / "meter-password").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(machine.grafana)) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("dashboard",)]


def test_on_a_machine_in_use_nothing_is_lost_and_its_journal_is_delivered_again(machine):
    with influxd.running(make(machine.folder / "db"), port=machine.port) as server:
        write(server, "a", machine.now_s - POINTS)
        backup_id = machine.back_up()
        machine.file.write_text(machine.file.read_text() + "# changed\n")
        (machine.secrets / "meter-password").write_text("changed")
        (machine.secrets / "w").write_text("of a bucket that will have another name")
        write(server, "later", machine.now_s)
        machine.measure("c", 50, machine.now_s + 1, delivered=True)
        done = machine.restore()
        assert done.returncode == 0, done.stdout + done.stderr
        assert points(server, "a") == POINTS
        assert points(server, "later") == 0
        assert buckets(server) == ["energy", f"energy-before-{backup_id}"]
        assert accepted(server, (machine.secrets / "w").read_text()) == 204
    assert machine.file.read_text().endswith("# changed\n")
    assert not machine.file.with_name("config.yaml.restored").read_text().endswith("# changed\n")
    assert f"{machine.file} differs and stays" in done.stdout
    assert (machine.secrets / "meter-password").read_text() == "changed"
    assert (machine.secrets / "meter-password.restored").read_text() == "of the meter"
    assert "journal of this machine: 50 readings go to history again" in done.stdout
    assert (machine.folder / "etc/grafana.db.restored").exists()


def test_what_was_cut_off_after_every_step_is_completed_by_the_next(machine):
    with influxd.running(make(machine.folder / "old"), port=machine.port) as server:
        write(server, "a", machine.now_s - POINTS)
        machine.back_up()
    machine.wipe()
    failed = machine.restore()
    assert failed.returncode == 1
    assert "does not answer" in failed.stderr
    assert not any((machine.folder / "etc").iterdir())
    blank = make(machine.folder / "new")
    with influxd.running(blank, port=machine.port, set_up=False) as server:
        for _ in range(2):
            done = machine.restore("--replace")
            assert done.returncode == 0, done.stdout + done.stderr
            assert points(server, "a") == POINTS
            assert buckets(server) == ["energy"]


def test_a_damaged_backup_changes_nothing_here(machine):
    with influxd.running(make(machine.folder / "old"), port=machine.port) as server:
        write(server, "a", machine.now_s - POINTS)
        machine.back_up()
        for each in (machine.folder / "backups/objects").iterdir():
            each.write_bytes(each.read_bytes()[:-1] + b"!")
        before = machine.file.read_text()
        failed = machine.restore("--replace")
        assert failed.returncode == 1
        assert "can't be restored" in failed.stderr
        assert machine.file.read_text() == before
        assert points(server, "a") == POINTS
        assert buckets(server) == ["energy"]
