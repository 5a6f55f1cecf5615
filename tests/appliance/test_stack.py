"""InfluxDB and Grafana in Docker on the appliance: set up, delivered to, stopped, cut off, removed.

``stand_ins.py`` says what stands in for what, and so does the last line of a run.
"""

import json
import re
import time

import pytest

from tests.appliance import stand_ins
from tests.appliance.house import (
    bring,
    influxdb,
    kill_in,
    property_of,
    secret,
    status,
    stored,
    wait_for_reads,
    wait_for_state,
)

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
  history:
    type: influxdb
    every: 1s
    url: http://127.0.0.1:8086
    org: home
    bucket: energy
    token: !secret influxdb-token
    read_token: !secret influxdb-read-token
"""
INSTALL = "/srv/project/install.sh --yes"
STACK = "energy-monitor-stack"
SECRETS = "/etc/energy-monitor/secrets"
COPIES = "/run/energy-monitor-stack/secrets"
needs_influxdb = pytest.mark.skipif(
    not stand_ins.influxd(), reason="no influxd 2.x on the PATH: its stand-in has no tokens"
)


@pytest.fixture(scope="module")
def machine(machine_of, tell):
    tell(stand_ins.told())
    with machine_of("stack", docker=True) as made:
        made.since_ms = 0  # what was read before is not looked for in the database
        bring(made)
        stand_ins.bring(made)
        made.run("ln -sf /usr/share/zoneinfo/Europe/Rome /etc/localtime")
        etc = made.root / "etc/energy-monitor"
        etc.mkdir()
        (etc / "config.yaml").write_text(CONFIGURATION)
        yield made


def delivered(machine):
    """Return the times of all readings of the meter that the database has."""
    if stand_ins.influxd():
        query = "SELECT voltage FROM electricity WHERE device = 'meter1'"
        return [row[0] for row in influxdb(machine, query)]
    machine.run("curl -sS http://127.0.0.1:8086/internal/force_flush")
    export = "http://127.0.0.1:8086/api/v1/export?match[]=electricity_voltage"
    series = machine.run(f"curl -sS --globoff '{export}'").stdout.splitlines()
    return [at for each in series for at in json.loads(each)["timestamps"]]


def wait_until_delivered(machine, at_least=1):
    """Wait until all that is in the journal now, and no less than *at_least*, is in InfluxDB."""
    wanted = {at for at in stored(machine, "meter1") if at >= machine.since_ms}
    assert len(wanted) >= at_least
    machine.wait_for(lambda: wanted <= set(delivered(machine)), "all is delivered")


def containers(machine):
    said = machine.ask("docker ps --format '{{.Label \"com.docker.compose.service\"}} {{.Status}}'")
    return dict(line.split(" ", 1) for line in said.splitlines())


def in_grafana(machine, command):
    return machine.ask(f"docker exec energy-monitor-grafana-1 {command}")


def started(machine, service):
    container = f"energy-monitor-{service}-1"
    return machine.run(f"docker inspect --format '{{{{.State.StartedAt}}}}' {container}").stdout


def test_without_images_the_house_is_measured_and_the_reason_is_told(machine):
    kill_in(machine, INSTALL, "Docker", 4)
    refused = machine.run(INSTALL, check=False)
    assert refused.returncode != 0
    assert re.search("The image (influxdb|grafana)\\S* cannot be downloaded", refused.stderr)
    wait_for_state(machine, "meter1", "alive")
    assert machine.run("cat /etc/energy-monitor/config.yaml").stdout == CONFIGURATION


def test_the_sandbox_lets_the_collector_ask_whether_the_clock_is_right(machine):
    ask = "python3 -c 'import ctypes; print(\"state\", ctypes.CDLL(None).adjtimex(bytes(256)))'"
    sandbox = "/run/systemd/system/energy-monitor-collector.service.d"
    machine.run(f"mkdir -p {sandbox}")
    (machine.root / "srv/ask.conf").write_text(f"[Service]\nExecStartPre={ask}\n")
    machine.run(f"cp /srv/ask.conf {sandbox}; systemctl daemon-reload")
    machine.run("systemctl restart energy-monitor-collector")
    inside = machine.run("journalctl -u energy-monitor-collector -o cat -g '^state' -n 1").stdout
    assert inside == machine.run(ask).stdout
    assert inside != "state -1\n"
    machine.run(f"rm -r {sandbox}; systemctl daemon-reload")


def test_run_again_with_images_it_sets_everything_up(machine):
    stand_ins.load(machine)
    if not stand_ins.influxd():
        tokens = "influxdb-token influxdb-read-token"
        machine.run(
            f"cd {SECRETS}; umask 077; for each in {tokens}; do echo a-stand-in > $each; done"
        )
    for after_s in (1, 4):
        kill_in(machine, INSTALL, "InfluxDB and Grafana", after_s)
    said = machine.run(INSTALL).stdout
    assert "http://127.0.0.1:3000" in said
    assert set(containers(machine)) == {"influxdb", "grafana"}
    wait_for_state(machine, "history", "delivering", "outputs")
    wait_until_delivered(machine)
    assert "Nothing to do" in machine.run(INSTALL).stdout


def test_days_begin_in_grafana_where_the_house_stands(machine):
    assert in_grafana(machine, "printenv GF_DATE_FORMATS_DEFAULT_TIMEZONE") == "Europe/Rome"


def test_grafana_reads_influxdb_with_a_password_and_a_token_made_here(machine):
    ask = "curl -sS http://127.0.0.1:3000/api/datasources/uid/influxdb/health -u admin:"
    password = secret(machine, "grafana-admin")

    def reads():
        return '"status":"OK"' in machine.ask(ask + password).replace(" ", "")

    machine.wait_for(reads, "Grafana reads InfluxDB")
    assert '"status"' not in machine.ask(ask + "admin")


@needs_influxdb
def test_the_doctor_finds_nothing_wrong_from_the_meter_to_the_data_source(machine):
    said = machine.run("energy-monitor doctor", check=False)
    assert said.returncode < 2, said.stdout  # a warning: the lab has no memory limits
    assert "meter1 in history: newest point" in said.stdout
    assert "Grafana reads InfluxDB" in said.stdout


@needs_influxdb
def test_what_the_collector_is_given_may_write_and_nothing_else(machine):
    token = secret(machine, "influxdb-token")
    answer = machine.ask(
        f"curl -sS 'http://127.0.0.1:8086/api/v2/buckets' -H 'Authorization: Token {token}'"
    )
    assert "energy" not in answer
    assert influxdb(machine, "SHOW MEASUREMENTS") != []
    write = "curl -sS -o /dev/null -w '%{http_code}' --data 'a b=1' "
    write += "'http://127.0.0.1:8086/api/v2/write?org=home&bucket=energy' -H 'Authorization: Token "
    assert machine.ask(f"{write}{token}'") == "204"
    assert machine.ask(f"{write}{secret(machine, 'influxdb-read-token')}'") == "403"


def test_only_this_machine_reaches_it_until_the_owner_says_so(machine):
    listening = "ss -Hltn '( sport = :3000 or sport = :8086 )' | awk '{print $4}' | sort"
    assert machine.ask(listening).split() == ["127.0.0.1:3000", "127.0.0.1:8086"]
    before = started(machine, "influxdb")
    machine.run(f"{INSTALL} --lan")
    assert machine.ask(listening).split() == ["0.0.0.0:3000", "127.0.0.1:8086"]
    assert "Nothing to do" in machine.run(f"{INSTALL} --lan").stdout
    assert started(machine, "influxdb") == before


def test_secrets_are_readable_by_root_and_by_the_one_who_needs_them(machine):
    modes = machine.run(f"stat -c '%a %u' {SECRETS}/*").stdout.splitlines()
    assert set(modes) == {"600 0"}
    copies = machine.run(f"cd {COPIES}; stat -c '%a %u %n' *").stdout.splitlines()
    assert copies == [
        "400 472 grafana-admin",
        "400 472 influxdb-read-token",
        "400 1883 mosquitto-password",
        "400 65534 page-password",
        "400 70 postgresql-password",
        "400 999 redis-password",
    ]
    readers = machine.run("id -nu 999 || useradd --uid 999 --no-create-home lab; id -nu 999").stdout
    for attempt in (f"cat {COPIES}/redis-password", f"ls {COPIES}", "docker ps"):
        machine.run(attempt)
        for user in ("nobody", readers.split()[-1]):
            assert machine.run(attempt, user=user, check=False).returncode != 0
    told = machine.run("docker inspect $(docker ps -q); journalctl --boot").stdout
    for name in machine.run("energy-monitor secret show").stdout.split():
        assert secret(machine, name) not in told


def test_a_word_in_the_settings_starts_more_servers_each_with_its_password(machine):
    settings = "/etc/energy-monitor/stack.env"
    words = "s/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=redis,mosquitto/"
    machine.run(f"cp -p {settings} /srv; sed -i {words} {settings}; systemctl restart {STACK}")
    assert set(containers(machine)) == {"influxdb", "grafana", "redis", "mosquitto"}
    assert all("(healthy)" in each for each in containers(machine).values())
    redis = "docker exec {} energy-monitor-redis-1 redis-cli --no-auth-warning ping"
    assert "NOAUTH" in machine.ask(redis.format(""))
    password = secret(machine, "redis-password")
    assert machine.ask(redis.format(f"-e REDISCLI_AUTH={password}")) == "PONG"
    machine.run("docker rm --force energy-monitor-redis-1 energy-monitor-mosquitto-1")
    machine.run(f"cp -p /srv/stack.env {settings}")


def test_while_docker_is_stopped_readings_wait_and_are_then_delivered(machine):
    machine.run("systemctl stop docker.socket docker.service")
    wait_for_state(machine, "history", "away", "outputs")
    wait_for_reads(machine, "meter1", status(machine)["sources"]["meter1"]["reads"] + 5)
    assert status(machine)["outputs"]["history"]["backlog"] > 0
    machine.run("systemctl start docker.service")
    wait_for_state(machine, "history", "delivering", "outputs")
    wait_until_delivered(machine, 5)


DASHBOARDS = "ls /etc/grafana/provisioning/dashboards"
ANOTHER = {"grafana-provisioning/dashboards/another.json": '{"uid": "another", "title": "Another"}'}
BROKEN = {"collector/run/service.py": "\n\nService.run = None\n"}


def test_an_upgrade_brings_its_dashboards_and_one_that_fails_takes_its_own_back(machine):
    before = started(machine, "influxdb")
    if not stand_ins.influxd():  # nothing knows how to back its stand-in up
        machine.run("systemctl disable energy-monitor-backup.timer", check=False)
    assert "another.json" not in in_grafana(machine, DASHBOARDS)
    bring(machine, "good", "0.1.1", ANOTHER)
    assert "release 0.1.1 works" in machine.run("/srv/good/install.sh --upgrade").stdout
    if stand_ins.influxd():
        assert "no damage in" in machine.run("energy-monitor backup verify").stdout
    assert "another.json" in in_grafana(machine, DASHBOARDS)
    bring(machine, "broken", "0.2.0", BROKEN)
    refused = machine.run("/srv/broken/install.sh --upgrade", check=False)
    assert "release 0.1.1 is back" in refused.stderr
    assert "another.json" in in_grafana(machine, DASHBOARDS)
    assert started(machine, "influxdb") == before


def test_after_a_power_cut_everything_returns_by_itself(machine):
    machine.run("sync")
    machine.cut_power()
    if not stand_ins.influxd():  # what VictoriaMetrics lost it does not tell
        machine.since_ms = time.time() * 1000
    machine.boot()
    wait_for_reads(machine, "meter1", 5)
    wait_for_state(machine, "history", "delivering", "outputs")
    wait_until_delivered(machine, 4)
    machine.wait_for(lambda: property_of(machine, STACK, "ActiveState") == "active", "all runs")
    assert set(containers(machine)) == {"influxdb", "grafana"}
    assert "another.json" in in_grafana(machine, DASHBOARDS)


def test_after_a_reboot_everything_returns_by_itself(machine):
    machine.reboot()
    wait_for_state(machine, "history", "delivering", "outputs")
    assert set(containers(machine)) == {"influxdb", "grafana"}
    wait_until_delivered(machine, 5)


def test_purging_leaves_neither_containers_nor_their_data(machine):
    machine.run("/srv/project/install.sh --uninstall")
    assert "energy-monitor_influxdb" in machine.run("docker volume ls").stdout
    machine.run(INSTALL)
    wait_until_delivered(machine, 5)
    machine.run("/srv/project/install.sh --uninstall")
    machine.run("/srv/project/install.sh --uninstall --purge --yes")
    left = "docker ps --all --quiet; docker volume ls --quiet; docker images --quiet"
    assert machine.run(left).stdout == ""
    assert "energy-monitor" not in machine.run("docker network ls").stdout
    assert machine.run("find / -xdev -name '*energy-monitor*' ! -path '/srv/*'").stdout == ""
