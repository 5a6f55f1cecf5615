"""A house that is backed up, and its way onto a blank card: by the units, Docker and install.sh.

InfluxDB is the real one: where there is none, nothing here can be shown. Azure is Azurite, on the
host; ``stand_ins.py`` says what stands in for Grafana.
"""

import json
import os
import pty
import re
import subprocess
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from pyrage import x25519

from backup.manifest import time_of
from tests.appliance import stand_ins
from tests.appliance.house import (
    bring,
    influxdb,
    kill_in,
    property_of,
    secret,
    stored,
    wait_for_reads,
    wait_for_state,
)
from tests.appliance.ways_out import HOST
from tests.servers import azurite

CONFIGURATION = """\
site: home
clock: {trust: always}  # the host's own clock may never have been synchronised
sources:
  meter1:
    type: modbus
    line: /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_LAB-if00-port0
    model: orno-we-515
    serial: {parity: none}
outputs:
  database:
    type: influxdb
    every: 1s
    url: http://127.0.0.1:8086
    org: home
    bucket: energy
    token: !secret influxdb-token
    read_token: !secret influxdb-read-token
"""
CONFIG = "/etc/energy-monitor/config.yaml"
BUCKETS = {"energy", "energy-1m", "energy-1h", "energy-1d"}  # that an installation makes
SECRETS = "/etc/energy-monitor/secrets"
BACKUPS = "/var/lib/energy-monitor/backups"
INSTALL = "/srv/project/install.sh"
RESTORE = f"{INSTALL} --yes --restore azure --settings /srv/store --identity /srv/key"
TIMED = ("backup", "rotate", "upload", "rehearse")
# Segments of the journal are of a megabyte, and looked after once a minute: here within seconds.
SOONER = "s/^(SEGMENT_BYTES) = .*/\\1 = 2_000/; s/^(KEEP_HOUSE_EVERY_S) = .*/\\1 = 5/"
GRAFANA = "http://127.0.0.1:3000/api/folders"
PROXY = "/usr/lib/systemd/systemd-socket-proxyd"
PORT = 10000
DOCKER = "docker.io docker-cli docker-compose iptables"
LATEST_S = 5  # what was read then may not have been delivered when the backup was made

pytestmark = pytest.mark.skipif(
    not stand_ins.influxd(), reason="no influxd 2.x on the PATH: there is nothing to back up"
)


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    with azurite.running(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="module")
def fresh(machine_of, azure):
    """Return what makes a fresh machine, to which the stack's images need not be fetched."""
    sas = azure.sas_under_policy("backups")
    port = azure.url.split(":")[2].split("/")[0]

    @contextmanager
    def made(name):
        with machine_of(name, docker=True) as machine:
            bring(machine)
            machine.run(
                f"cd /srv/project/collector; sed -E -i '{SOONER}' journal/segments.py run/service.py"
            )
            stand_ins.bring(machine)
            machine.run(f"apt-get install --yes --no-install-recommends {DOCKER}")
            stand_ins.load(machine)
            address = f"http://127.0.0.1:{PORT}/{azurite.ACCOUNT}/backups?{sas}"
            (machine.root / "srv/store").write_text(f"{address}\n")
            # Only here may a store be without TLS: that on the host is brought here.
            machine.run(
                f"systemd-run --socket-property=ListenStream=127.0.0.1:{PORT} {PROXY} {HOST}:{port}"
            )
            yield machine

    return made


@pytest.fixture(scope="module")
def machine(fresh, tell):
    tell(f"backups: {stand_ins.told()}; Azure is stood in for by Azurite")
    with fresh("house") as made:
        (made.root / CONFIG[1:]).write_text(CONFIGURATION)
        said = made.run(f"{INSTALL} --yes").stdout
        assert "energy-monitor-backup.timer is on" in said
        wait_for_reads(made, "meter1", 5)
        yield made


@pytest.fixture(scope="module")
def blank(machine, fresh):
    """A machine with a blank card, once the one of before is gone."""
    machine.kill()
    with fresh("blank") as made:
        yield made


def start(machine, task):
    """Have systemd do *task* aloud, and return what was said of it."""
    loud = "/run/systemd/system/energy-monitor-.service.d"
    lines = "[Service]\\nStandardOutput=journal\\nLogLevelMax=info\\n"
    machine.run(
        f"mkdir -p {loud} && printf '{lines}' > {loud}/loud.conf && systemctl daemon-reload"
    )
    machine.run(f"systemctl start energy-monitor-{task}")
    invocation = property_of(machine, f"energy-monitor-{task}", "InvocationID")
    return machine.run(f"journalctl --output cat _SYSTEMD_INVOCATION_ID={invocation}").stdout


def listed(machine, *words):
    return json.loads(machine.run(f"energy-monitor backup list --json {' '.join(words)}").stdout)


def manifest(machine, backup_id):
    return json.loads(machine.run(f"cat {BACKUPS}/manifests/{backup_id}.json").stdout)


def grafana(machine, words=""):
    """Ask Grafana as its admin; with *words* more than which folders there are."""
    login = f"admin:{secret(machine, 'grafana-admin')}"
    return machine.run(
        f"curl -sS --fail -u {login} -H 'Content-Type: application/json' {words} {GRAFANA}"
    ).stdout


def counted(machine, before):
    """Return how many readings of the meter InfluxDB has from before a time."""
    until = f"device = 'meter1' AND time < '{before:%Y-%m-%dT%H:%M:%SZ}'"
    return influxdb(machine, f"SELECT count(voltage) FROM electricity WHERE {until}")[0][1]


def buckets(machine):
    token = secret(machine, "influxdb-admin-token")
    url = "http://127.0.0.1:8086/api/v2/buckets"
    answer = machine.run(f"curl -sS {url} -H 'Authorization: Token {token}'").stdout
    return {each["name"] for each in json.loads(answer)["buckets"] if each["type"] == "user"}


def typed(machine, script, answers):
    """Run a line of shell on a terminal; answer each question, and return status and screen."""
    ours, theirs = pty.openpty()
    screen = ""
    with subprocess.Popen(
        machine.command(script), stdin=theirs, stdout=theirs, stderr=theirs
    ) as run:
        os.close(theirs)
        with suppress(OSError):  # EIO: nobody has the other end any more
            while piece := os.read(ours, 4096):
                screen += piece.decode(errors="replace")
                if answers and answers[0][0] in screen:
                    os.write(ours, f"{answers.pop(0)[1]}\n".encode())
    os.close(ours)
    assert answers == []
    return run.returncode, screen


def test_the_timers_are_on_and_a_backup_holds_all_that_the_house_would_miss(machine):
    for task in TIMED:
        timer = f"energy-monitor-{task}.timer"
        assert property_of(machine, timer, "ActiveState") == "active"
        assert property_of(machine, timer, "UnitFileState") == "enabled"
        machine.run(f"systemctl stop {timer}")  # here backups are made when they are asked for
    grafana(machine, """-d '{"title": "made by the owner"}'""")
    segments = "ls /var/lib/energy-monitor/journal/log/*.z"
    machine.wait_for(lambda: machine.ask(segments), "a segment of the journal is closed")
    said = start(machine, "backup")
    assert "Result: " not in said
    (entry,) = listed(machine)
    paths = manifest(machine, entry["id"])["files"]
    assert {"config/config.yaml", "config/stack.env", "grafana/grafana.db"} <= paths.keys()
    for beginning in ("influxdb/shards/", "influxdb/kv", "journal/"):
        assert any(path.startswith(beginning) for path in paths)
    assert not any(path.startswith("secrets/") for path in paths)
    assert entry["notes"] == ["secrets are skipped: backups are not encrypted (backup.encrypt_to)"]
    owners = machine.run(f"find {BACKUPS} -printf '%u %m\\n' | sort -u").stdout.splitlines()
    assert owners == ["energy-monitor 600", "energy-monitor 700"]


def test_backups_are_proved_rotated_and_told_of(machine):
    said = machine.run("energy-monitor backup verify").stdout
    assert "no damage in" in said
    assert "1 kept" in start(machine, "rotate")
    assert "verified" in listed(machine)[0]["proved"]
    assert "backups: the last backup " in machine.run("energy-monitor status", check=False).stdout
    doctor = machine.run("energy-monitor doctor", check=False).stdout
    assert "the last backup was made " in doctor
    assert "backups do not leave the house" in doctor


@pytest.mark.parametrize(
    "attempt", [f"ls {BACKUPS}", "energy-monitor backup list", "energy-monitor backup now"]
)
def test_a_user_without_rights_gets_at_no_backup(machine, attempt):
    refused = machine.run(attempt, user="nobody", check=False)
    assert refused.returncode != 0
    assert refused.stdout == ""


def test_a_connected_store_gets_every_backup_and_docker_proves_that_it_can_be_restored(machine):
    assert "no store is connected" in start(machine, "upload")
    said = machine.run("energy-monitor backup connect /srv/store").stdout
    assert "it is empty" in said
    start(machine, "backup")
    assert "complete there: 2 backups" in start(machine, "upload")
    far = [each["id"] for each in listed(machine, "--from azure")]
    assert far == [each["id"] for each in listed(machine)]
    said = start(machine, "rehearse")
    points = re.search(
        rf"backup {far[-1]} of http.* restored completely: ([\d,]+) points in energy", said
    )
    assert points, said
    assert int(points[1].replace(",", "")) > 0
    assert machine.ask("docker ps --all --quiet --filter name=rehearsal") == ""
    assert machine.ask("ls /var/lib/energy-monitor") == "backups\ninstallation\njournal\nledger"
    assert listed(machine)[-1]["proved"] == ["restored", "uploaded"]
    told = machine.run("energy-monitor doctor", check=False).stdout
    assert "a backup was test-restored" in told
    assert "the newest backup was uploaded" in told


def test_an_upgrade_ends_where_no_backup_can_be_made_first(machine):
    bring(machine, "good", "0.1.1")
    before = listed(machine)
    machine.run("docker stop energy-monitor-influxdb-1")
    refused = machine.run("/srv/good/install.sh --upgrade", check=False)
    assert refused.returncode != 0
    assert "The backup before the upgrade failed. Nothing was changed: " in refused.stderr
    assert "InfluxDB at http://127.0.0.1:8086 does not answer" in refused.stderr
    assert "0.1.0" in machine.run("energy-monitor --version").stdout
    assert [each["id"] for each in listed(machine)] == [each["id"] for each in before]
    machine.run("docker start energy-monitor-influxdb-1")
    wait_for_state(machine, "database", "delivering", "outputs")


def test_encrypted_backups_hold_the_secrets_and_tell_nothing(machine):
    machine.key = x25519.Identity.generate()
    public = machine.key.to_public()
    machine.run(f"echo 'backup: {{encrypt_to: [{public}]}}' >> {CONFIG}")
    machine.run(f"echo 1234 > {SECRETS}/meter-password")
    start(machine, "backup")
    start(machine, "upload")
    machine.newest = listed(machine)[-1]["id"]
    found = manifest(machine, machine.newest)
    assert "secrets/all.json" in found["files"]
    for file in found["files"].values():
        begin = machine.run(f"head -c 18 {BACKUPS}/objects/{file['object']}").stdout
        assert begin == "age-encryption.org"
    assert "private key is needed" in start(machine, "rehearse")


def test_a_database_whose_token_is_not_here_is_left_out_and_that_is_told(machine):
    machine.before = time_of(machine.newest) - timedelta(seconds=LATEST_S)
    machine.points = counted(machine, machine.before)
    machine.run(f"mv {SECRETS}/influxdb-admin-token /srv")
    refused = machine.run("systemctl start energy-monitor-backup", check=False)
    assert refused.returncode != 0
    machine.run(f"rm -r {BACKUPS}")  # as if it never had been
    said = start(machine, "backup")
    assert "InfluxDB at http://127.0.0.1:8086 is skipped: there is no secret" in said
    (entry,) = listed(machine)
    paths = manifest(machine, entry["id"])["files"]
    assert {"config/config.yaml", "grafana/grafana.db", "secrets/all.json"} <= paths.keys()
    told = machine.run("energy-monitor doctor", check=False).stdout
    assert "the last backup contains no database" in told


def test_on_a_terminal_a_blank_card_asks_first_and_a_wrong_key_changes_nothing(machine, blank):
    (blank.root / "srv/key").write_text(f"# of the house\n{machine.key}\n")
    wrong = str(x25519.Identity.generate())
    refused = blank.run(f"{INSTALL} --yes --restore azure", check=False)
    assert "add --settings FILE: what 'terraform output" in refused.stderr
    assert blank.ask("ls /opt/energy-monitor") == ""
    answers = [
        ("the\r\n    address of the container with its SAS: ", "/srv/store"),
        ("just Enter where backups are not encrypted: ", wrong),
    ]
    status, screen = typed(blank, f"{INSTALL} --restore azure", answers)
    assert status != 0
    assert screen.index("AGE-SECRET-KEY-1…") < screen.index("==> Debian packages")
    assert wrong not in screen
    assert "none of the private keys matches: the backup is encrypted to another key" in screen
    assert "Then run the same command again" in screen
    assert "database" not in blank.run(f"cat {CONFIG}").stdout
    assert buckets(blank) == BUCKETS
    wait_for_state(blank, "meter1", "alive")


def test_a_blank_card_gets_all_back_also_when_it_was_cut_off(machine, blank, tell):
    kill_in(blank, RESTORE, "Restoring from azure", 1)
    done = blank.run(f"SECONDS=0; {RESTORE}; echo took $SECONDS").stdout
    assert f"backup {machine.newest} is restored" in done
    tell(f"restored in {done.split()[-1]} s by a second run of install.sh")
    assert blank.run(f"cat {CONFIG}").stdout.startswith(CONFIGURATION)
    assert secret(blank, "meter-password") == "1234"
    assert machine.points > 0
    assert counted(blank, machine.before) == machine.points
    assert "made by the owner" in grafana(blank)


def test_what_was_measured_meanwhile_is_delivered_too_and_it_all_goes_on(machine, blank):
    wait_for_state(blank, "meter1", "alive")
    wait_for_state(blank, "database", "delivering", "outputs")
    wanted = set(stored(blank, "meter1"))
    query = "SELECT voltage FROM electricity WHERE device = 'meter1'"
    blank.wait_for(
        lambda: wanted <= {row[0] for row in influxdb(blank, query)}, "its journal is delivered"
    )
    start(blank, "backup")
    assert "secrets/all.json" in manifest(blank, listed(blank)[-1]["id"])["files"]
    start(blank, "upload")
    assert machine.newest < listed(blank, "--from azure")[-1]["id"]


def test_a_second_run_restores_nothing_again(machine, blank):
    before = stored(blank, "meter1")
    said = blank.run(RESTORE).stdout
    assert "Already restored" in said
    assert "Nothing to do" in said
    assert buckets(blank) == BUCKETS
    assert counted(blank, machine.before) == machine.points
    assert stored(blank, "meter1")[: len(before)] == before
