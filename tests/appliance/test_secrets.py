"""Secrets reach the service, on Debian 12 and 13, through upgrades, and doctor sees what it sees.

The broker is Debian's mosquitto, which wants a password; what talks to it is Debian's
``mosquitto_pub``, with a login of its own.
"""

import json
import shlex

import pytest

from tests.appliance.house import bring, property_of, state, stored, wait_for_state

COLLECTOR = "energy-monitor-collector"
CREDENTIALS = f"/run/credentials/{COLLECTOR}.service"
CONFIG = "/etc/energy-monitor/config.yaml"
SECRETS = "/etc/energy-monitor/secrets"
SECRET = f"{SECRETS}/mqtt-password"
PASSWORD, WRONG = "open sesame, élan", "closed"
BROKER = """\
listener 1883 127.0.0.1
allow_anonymous false
password_file /etc/mosquitto/passwords
"""
TASMOTA = '{"ENERGY":{"Total":31.427,"Power":14,"Voltage":229,"Current":0.126}}'
SOURCE = """\
  plugs:
    type: mqtt_in
    label: Küche
    line: mqtt://127.0.0.1
    user: monitor
    password: !secret mqtt-password
    every: 1s
    devices: {plug: {model: tasmota, topic: plug}}
"""
# As the unit was up to release 0.1: each secret by its name.
BY_NAME = "LoadCredential=influxdb-token:/etc/energy-monitor/secrets/influxdb-token\\n"
BY_NAME += "SetCredential=influxdb-token:none"
DROP_IN = f"/etc/systemd/system/{COLLECTOR}.service.d/secrets.conf"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request, machine_of):
    with machine_of(f"secrets-{request.param}", suite=request.param) as made:
        bring(made)
        made.run("apt-get update && apt-get install --yes mosquitto mosquitto-clients")
        (made.root / "etc/mosquitto/conf.d/login.conf").write_text(BROKER)
        logins = f"-c -b /etc/mosquitto/passwords monitor {shlex.quote(PASSWORD)}"
        made.run(
            f"mosquitto_passwd {logins}; mosquitto_passwd -b /etc/mosquitto/passwords plug plug; "
            "chown mosquitto /etc/mosquitto/passwords; systemctl restart mosquitto"
        )
        publish = f"mosquitto_pub -u plug -P plug -t tele/plug/SENSOR -m {shlex.quote(TASMOTA)}"
        made.run(
            f"systemd-run --unit=lab-plug sh -c {shlex.quote(f'while sleep 1; do {publish}; done')}"
        )
        yield made


def doctor(machine, user="root"):
    """Return what doctor finds that is not well, of this source and of secrets."""
    said = machine.run("energy-monitor doctor --json", user, check=False).stdout
    findings = json.loads(said)["findings"]
    about = ("plugs", "secret", SECRETS)
    return [
        each
        for each in findings
        if each["severity"] in {"error", "warning"} and any(word in each["what"] for word in about)
    ]


def follow(machine, finding):
    """Do what doctor says, to the letter; the password is typed where it is asked for."""
    command = finding["mend"].removeprefix("sudo ")
    answer = f"printf '%s\\n' {shlex.quote(PASSWORD)} | " if " secret set " in command else ""
    return machine.run(f"{answer}{command}").stdout


def wait_until_well(machine):
    wait_for_state(machine, "plugs", "alive")
    machine.wait_for(lambda: doctor(machine) == [], "doctor finds nothing")


def test_a_house_of_the_release_before_keeps_its_secrets_in_a_failed_upgrade(machine):
    bring(machine, "old", "0.0.9")
    unit = f"/srv/old/systemd/{COLLECTOR}.service"
    machine.run(
        f"sed -i 's|^LoadCredential=.*|{BY_NAME}|; /^SetCredential=secrets/d' {unit}; "
        f"grep -q '^LoadCredential=influxdb-token' {unit}; /srv/old/install.sh --yes --no-docker"
    )
    machine.run(f"sed -i '/^sources:/r /dev/stdin' {CONFIG} << 'END'\n{SOURCE}END")
    machine.run(f"printf '%s' {shlex.quote(PASSWORD)} | install -m 600 /dev/stdin {SECRET}")
    machine.run(
        f"mkdir -p {DROP_IN.rsplit('/', 1)[0]}; "
        f"printf '[Service]\\nLoadCredential=mqtt-password:{SECRET}\\n' > {DROP_IN}; "
        f"systemctl daemon-reload; systemctl restart {COLLECTOR}"
    )
    wait_for_state(machine, "plugs", "alive")
    assert "mqtt-password" in machine.run(f"ls {CREDENTIALS}").stdout.split()
    bring(machine, "bad", "0.2.0", {"collector/run/service.py": "\nraise SystemExit(1)\n"})
    refused = machine.run("/srv/bad/install.sh --upgrade", check=False)
    assert "release 0.0.9 is back" in refused.stderr
    wait_for_state(machine, "plugs", "alive")


def test_after_the_upgrade_the_whole_folder_is_with_the_service(machine):
    machine.run("/srv/project/install.sh --upgrade")
    wait_until_well(machine)
    names = machine.run(f"ls {CREDENTIALS}").stdout.split()
    assert {"secrets_mqtt-password", "secrets_grafana-admin", "mqtt-password"} <= set(names)
    machine.run(f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart {COLLECTOR}")
    wait_until_well(machine)
    assert stored(machine, "plug")


def test_one_that_is_missing_is_found_and_doctors_command_mends_it(machine):
    machine.run("energy-monitor secret list")
    machine.run(f"rm {SECRET}; systemctl restart {COLLECTOR}")
    wait_for_state(machine, "plugs", "silent")
    (missing, silent) = doctor(machine)
    assert "secret 'mqtt-password' is not found" in missing["what"]
    assert "secret 'mqtt-password' has not reached the service" in silent["what"]
    assert missing["mend"] == silent["mend"] == "sudo energy-monitor secret set mqtt-password"
    assert "missing" in machine.run("energy-monitor secret list | grep mqtt").stdout
    said = follow(machine, missing)
    assert f"stored: {SECRET}" in said
    assert f"{COLLECTOR}.service was restarted" in said
    wait_until_well(machine)
    assert machine.run(f"stat -c '%a %U' {SECRET}").stdout == "400 root\n"


def test_a_wrong_password_is_found_and_a_right_one_works(machine):
    before = len(stored(machine, "plug"))
    machine.run(f"echo {WRONG} | energy-monitor secret set mqtt-password")
    wait_for_state(machine, "plugs", "silent")
    (refused,) = doctor(machine)
    assert "refuses the login of 'monitor'" in refused["what"]
    assert refused["mend"] == "sudo energy-monitor secret set mqtt-password"
    follow(machine, refused)
    wait_until_well(machine)
    assert len(stored(machine, "plug")) > before
    log = machine.run("journalctl --boot").stdout
    assert PASSWORD not in log
    assert "Küche" in machine.run("energy-monitor status", check=False).stdout


def test_one_that_is_changed_behind_its_back_is_found(machine):
    machine.run(f"echo {WRONG} > {SECRET}; echo x > {SECRETS}/other")
    (late,) = doctor(machine)
    assert "'mqtt-password' is stored, and the running collector does not have" in late["what"]
    assert late["mend"] == f"sudo systemctl restart {COLLECTOR}"
    follow(machine, late)
    wait_for_state(machine, "plugs", "silent")
    follow(machine, doctor(machine)[0])
    wait_until_well(machine)
    machine.run("energy-monitor secret remove other")


def test_a_link_is_not_loaded_and_doctor_says_what_to_do(machine):
    machine.run(f"mv {SECRET} /srv/password; ln -s /srv/password {SECRET}")
    machine.run(f"systemctl restart {COLLECTOR}")
    wait_for_state(machine, "plugs", "silent")
    link = next(each for each in doctor(machine) if "is stored" in each["what"])
    machine.run(link["mend"].removeprefix("sudo "))
    wait_until_well(machine)
    assert machine.run(f"stat -c %F {SECRET}").stdout == "regular file\n"


def test_what_would_keep_the_services_from_starting_is_found_and_mended(machine):
    names = ("a:b", "Küche", "n" * 250)
    for name in names:
        machine.run(f"echo x > '{SECRETS}/{name}'")
    machine.run(f"head -c 1100000 /dev/zero > {SECRETS}/large; systemctl stop {COLLECTOR}")
    refused = machine.run("echo x | energy-monitor secret set mqtt-password", check=False)
    assert "systemd starts no service with that" in refused.stderr
    assert machine.run(f"systemctl start {COLLECTOR}", check=False).returncode != 0
    assert property_of(machine, COLLECTOR, "ExecMainStatus") == "243"
    while found := doctor(machine):
        machine.run(found[0]["mend"].removeprefix("sudo ").replace("&& sudo", "; "), check=False)
    machine.run(f"systemctl reset-failed {COLLECTOR}; systemctl restart {COLLECTOR}")
    wait_until_well(machine)


def test_hidden_files_pipes_folders_and_no_folder_at_all_do_no_harm(machine):
    machine.run(
        f"cd {SECRETS}; mkfifo pipe; mkdir sub; echo x > sub/file; "
        "head -c 2000000 /dev/zero > .hidden"
    )
    machine.run(f"systemctl restart {COLLECTOR}; energy-monitor secret list")
    wait_until_well(machine)
    machine.run(f"cd {SECRETS}; rm -r pipe sub .hidden")
    for unit in (COLLECTOR, "energy-monitor-upload", "energy-monitor-rotate"):
        machine.run(f"mv {SECRETS} /srv/secrets; systemctl restart {unit}")
        machine.run(f"mv /srv/secrets {SECRETS}")
    assert state(machine, "meter1") in {"starting", "alive"}
    machine.run(f"mv {SECRETS} /srv/secrets; mkdir -m 700 {SECRETS}; systemctl restart {COLLECTOR}")
    machine.run(f"rmdir {SECRETS}; mv /srv/secrets {SECRETS}; systemctl restart {COLLECTOR}")
    wait_until_well(machine)


def test_a_user_without_rights_gets_one_sentence(machine):
    for command in ("secret set x", "secret list", "secret remove x", "secret show x"):
        refused = machine.run(f"echo x | energy-monitor {command}", user="nobody", check=False)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
        assert "sudo energy-monitor secret" in refused.stderr
    assert doctor(machine, "nobody") == []


def test_the_units_of_backups_have_the_secrets_that_they_need(machine):
    machine.run(f"echo none > {SECRETS}/backup-azure")
    stores = ["secrets_backup-azure", "secrets_backup-sftp"]
    for task, names in (
        ("upload", stores),
        ("rehearse", stores),
        ("backup", []),
        ("rotate", []),
    ):
        loads = machine.run(f"systemctl cat energy-monitor-{task}").stdout
        ids = [each for each in loads.splitlines() if each.startswith("LoadCredential=")]
        assert [each.partition("=")[2].partition(":")[0] for each in ids] == names
    machine.run("systemctl start energy-monitor-upload")
