"""The doctor and the secrets: it sees what the running service sees, not what root can read."""

import os
import socket
from functools import partial

import pytest

from collector.doctor import examine, outputs, secrets, sources
from collector.doctor.case import RESTART
from collector.doctor.finding import CannotTell
from collector.errors import EnergyMonitorError
from collector.run import control
from tests.fakes.doctor_case import (
    HISTORY,
    a_source,
    a_status,
    an_output,
    open_in,
    plant,
    programs,
)
from tests.fakes.running import collector, wait_for_reads

PLUGS = (
    "  plugs: {type: mqtt_in, line: 'mqtt://127.0.0.1:9', user: u, password: !secret mqtt-password,"
    " devices: {plug: {model: tasmota}}}\n"
)
HOUSE = f"  house: {{type: simulated}}\n{PLUGS}"
SET = "energy-monitor secret set mqtt-password --config "


@pytest.fixture
def case(tmp_path):
    return partial(open_in, tmp_path)


def found(check, opened):
    ((_, findings),) = examine.examine(opened, {"": (check,)})
    return findings


def only(check, opened):
    (finding,) = found(check, opened)
    return finding


def test_a_running_service_is_asked_which_secrets_it_has(case, tmp_path):
    opened = case(source=HOUSE)
    plant(opened.secrets, {"mqtt-password": "one\n"})
    copies = plant(tmp_path / "credentials", {"secrets_mqtt-password": "one\n"})
    with collector(opened.file, CREDENTIALS_DIRECTORY=str(copies)):
        wait_for_reads(opened.file.parent, "house")
        opened = opened.again()
        has = control.ask(opened.file.parent / "control.sock", {"ask": "secrets"})
        assert has == {"secrets": {"mqtt-password": True}, "credentials": str(copies)}
        (copies / "secrets_mqtt-password").unlink()
        (opened.secrets / "mqtt-password").rename(opened.secrets / "elsewhere")
        has = control.ask(opened.file.parent / "control.sock", {"ask": "secrets"})
        assert has["secrets"] == {"mqtt-password": False}
        assert found(secrets.reached, opened) == []  # ``stored`` tells that it is missing
        (opened.secrets / "elsewhere").rename(opened.secrets / "mqtt-password")


def answering(has, folder):
    """Stand in for the service's answer."""

    def ask(_path, request):
        assert request == {"ask": "secrets"}
        return {"secrets": has, "credentials": folder}

    return ask


@pytest.mark.parametrize(
    ("copy", "has", "severity"),
    [
        ({"secrets_mqtt-password": "one"}, True, "ok"),
        ({"mqtt-password": "one"}, True, "ok"),  # of a drop-in
        ({"secrets_mqtt-password": "before"}, True, "error"),
        ({}, False, "error"),
    ],
)
def test_a_value_that_came_after_the_start_is_told_with_what_hands_it_over(
    case, monkeypatch, copy, has, severity
):
    opened = case({f"run/c/{name}": text for name, text in copy.items()}, PLUGS, status=a_status())
    plant(opened.secrets, {"mqtt-password": "one\n"})
    monkeypatch.setattr(control, "ask", answering({"mqtt-password": has}, "/run/c"))
    told = only(secrets.reached, opened)
    assert told.severity == severity
    assert told.mend == ("" if severity == "ok" else RESTART)


def test_a_service_that_reads_the_file_itself_has_the_newest_value(case, monkeypatch):
    opened = case({}, PLUGS, status=a_status())
    plant(opened.secrets, {"mqtt-password": "one"})
    monkeypatch.setattr(control, "ask", answering({"mqtt-password": True}, None))
    assert only(secrets.reached, opened).severity == "ok"


def test_a_link_which_systemd_does_not_load_is_stored_as_a_file(case, monkeypatch, tmp_path):
    opened = case({}, PLUGS, status=a_status())
    plant(tmp_path, {"password": "one", "etc/secrets/.keep": ""})
    (opened.secrets / "mqtt-password").symlink_to(tmp_path / "password")
    monkeypatch.setattr(control, "ask", answering({"mqtt-password": False}, "/run/c"))
    mend = only(secrets.reached, opened).mend
    assert mend == f"sudo energy-monitor secret set mqtt-password < {opened.secrets}/mqtt-password"


@pytest.mark.parametrize(
    ("unit", "loads"),
    [
        ("[Service]\nLoadCredential=secrets:{0}\n", True),
        ("[Service]\nLoadCredential=secrets:{0}\nLoadCredential=other:/x\n", True),
        ("[Service]\nLoadCredential=secrets:{0}\n# drop-in\n[Service]\nLoadCredential=\n", False),
        ("[Service]\nLoadCredential=influxdb-token:{0}/influxdb-token\n", False),
    ],
)
def test_for_one_that_does_not_run_the_unit_is_looked_at(case, tmp_path, unit, loads):
    cat = programs(systemctl=unit.format(tmp_path / "etc/secrets"))
    told = found(secrets.reached, case({"run/systemd/system/x": ""}, PLUGS, run=cat))
    assert [each.severity for each in told] == ([] if loads else ["error"])
    assert loads or "LoadCredential=secrets:" in told[0].mend


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (EnergyMonitorError("this release does not support the request"), "does not support"),
        ({"secrets": 7}, "does not report which secrets"),
    ],
)
def test_a_service_that_does_not_tell_is_not_known(case, monkeypatch, answer, why):
    def ask(*_):
        if isinstance(answer, Exception):
            raise answer
        return answer

    opened = case({}, PLUGS, status=a_status())
    monkeypatch.setattr(control, "ask", ask)
    told = only(secrets.reached, opened)
    assert told.severity == "unknown"
    assert why in told.what


def test_what_only_root_can_tell_is_not_guessed(case, monkeypatch):
    def denied(_, **_how):
        raise CannotTell("only root", "sudo energy-monitor doctor")

    opened = case({}, PLUGS, status=a_status())
    monkeypatch.setattr(control, "ask", answering({"mqtt-password": True}, "/run/c"))
    monkeypatch.setattr(secrets, "value_in", denied)
    told = only(secrets.reached, opened)
    assert (told.severity, told.mend) == ("unknown", "sudo energy-monitor doctor")


def test_a_login_that_is_refused_gets_the_command_that_stores_a_new_password(case):
    error = "mqtt://127.0.0.1 refuses the login of 'u'; mend 'user' or the secret 'mqtt-password'"
    status = a_status(
        sources={"plugs": a_source(state="silent", last_error=error)},
        outputs={"history": an_output(state="away", last_error="secret 'influxdb-token' …")},
    )
    opened = case({}, PLUGS, HISTORY.format(url="http://a"), status=status)
    assert only(sources.each_source, opened).mend == f"{SET}{opened.file}"
    mend = only(outputs.delivering, opened).mend
    assert mend.startswith("sudo energy-monitor setup influxdb --renew    # or your own: sudo ")
    status = a_status(sources={"plugs": a_source(state="silent", last_error="no answer")})
    opened = case({}, PLUGS, status=status)
    assert "energy-monitor read plugs" in only(sources.each_source, opened).mend


def test_what_keeps_services_from_starting_is_named_and_what_does_not_is_not(case):
    opened = case({}, PLUGS)
    plant(opened.secrets, {"fine": "x", "with blank~": "x", ".hidden:": "x" * 2_000_000})
    plant(opened.secrets / "sub", {"file": "x"})
    os.mkfifo(opened.secrets / "pipe:")
    (opened.secrets / "link:").symlink_to("/etc/shadow")
    assert found(secrets.loadable, opened) == []
    plant(opened.secrets, {"a:b": "x", "Küche": "x", "n" * 248: "x", "large": "x" * 1_048_576})
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{opened.secrets}/sock")
    told = found(secrets.loadable, opened)
    assert [each.severity for each in told] == ["error"] * 5
    assert [each.what.removeprefix(f"{opened.secrets}/").split(" ")[0] for each in told] == [
        *("Küche", "a:b", "n" * 248, "sock", "large")
    ]
    assert told[1].mend == f"sudo mv {opened.secrets}/a:b {opened.file.parent} && {RESTART}"
    assert "all of them together are larger than 1 MB" in told[4].what


def test_a_pipe_where_the_service_says_its_copies_are_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "secrets_x")
    assert secrets.value_in(tmp_path / "secrets_x") is None
