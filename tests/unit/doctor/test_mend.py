"""The commands that mend: fitted to the machine, and run only where they are safe."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli import doctor as doctor_command
from collector.config import DEFAULT_FILE
from collector.doctor import (
    command,
    examine,
    lines,
    machine,
    mend,
    outputs,
    secrets,
    sources,
    stack,
)
from collector.doctor.case import MEND_STACK, RELOAD, RESTART
from collector.doctor.finding import CannotTell, Finding
from tests.fakes.doctor_case import (
    COMPOSE,
    HISTORY,
    HOUSE,
    STACK_IS_ON,
    a_source,
    a_status,
    an_output,
    open_in,
    programs,
)

SYSTEMD = {"run/systemd/system/x": ""}
TCP = "  mains: {type: modbus, line: 'tcp://192.168.2.3:502', model: orno-we-515}\n"
PLUGS = (
    "  plugs: {type: mqtt_in, line: mqtt://h, password: !secret p,"
    " devices: {a: {model: tasmota}}}\n"
)


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "program", lambda: "energy-monitor")
    return partial(open_in, tmp_path)


def found(check, opened):
    ((_, findings),) = examine.examine(opened, {"": (check,)})
    return findings


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("energy-monitor check", "energy-monitor check --config {0}"),
        (f"energy-monitor check && {RESTART}", f"energy-monitor check --config {{0}} && {RESTART}"),
        ("energy-monitor read m --raw    # so", "energy-monitor read m --raw --config {0}    # so"),
        ("energy-monitor status | grep m", "energy-monitor status --config {0} | grep m"),
        ("sudo energy-monitor doctor < /f", "sudo energy-monitor doctor --config {0} < /f"),
        ("energy-monitor check --config /x", "energy-monitor check --config /x"),
        ("a good power supply", "a good power supply"),
    ],
)  # fmt: skip
def test_a_command_names_the_configuration_in_use(case, monkeypatch, text, wanted):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    opened = case(SYSTEMD)
    assert mend.pasted(opened, text) == wanted.format(opened.file)
    usual = replace(opened, file=DEFAULT_FILE)
    assert mend.pasted(usual, text) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"energy-monitor check && {RESTART}", "energy-monitor check"),
        (
            f"{RESTART}; journalctl -u x -n 20",
            "energy-monitor run    # end the one that runs first",
        ),
        (RELOAD, "energy-monitor run    # end the one that runs first"),
        ("journalctl -u x    # has it", "look at what 'energy-monitor run' has printed"),
        (
            "sudo systemctl stop x; sudo energy-monitor read m; sudo systemctl start x",
            "sudo energy-monitor read m",
        ),
    ],
)
def test_without_systemd_no_command_asks_it(case, monkeypatch, text, wanted):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert mend.pasted(replace(case(), file=DEFAULT_FILE), text) == wanted


def test_an_owner_of_his_file_needs_no_sudo(case, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    opened = case(SYSTEMD)
    text = f"sudoedit {opened.file} && sudo energy-monitor check"
    edit = "${EDITOR:-nano}"
    wanted = f"{edit} {opened.file} && energy-monitor check --config {opened.file}"
    assert mend.pasted(opened, text) == wanted


@pytest.mark.parametrize(
    ("text", "is_safe"),
    [
        (RESTART, True),
        (MEND_STACK, True),
        (RELOAD, True),
        (f"{RELOAD} --config /etc/my/c.yaml", True),
        (f"{RELOAD} --config $(reboot)", False),
        (f"sudo usermod -aG dialout energy-monitor && {RESTART}", True),
        (f"sudo docker pull influxdb:2.9.1@sha256:0f && {MEND_STACK}", True),
        ("sudo chmod -R u=rwX,go= /etc/energy-monitor/secrets", True),
        ("sudo chmod -R u=rwX,go= '/etc/a b'", False),
        (f"{RESTART}; rm -rf /", False),
        ("sudo systemctl restart ssh", False),
        ("sudo usermod -aG sudo ann", False),
        ("sudo docker pull x$(reboot)", False),
        ("sudo systemctl restart energy-monitor-collector\nreboot", False),
        ("sudo docker image prune --all", False),
        ("a good power supply", False),
        ("", False),
    ],
)
def test_only_what_takes_nothing_away_is_safe(text, is_safe):
    assert bool(list(mend.safe([Finding("error", "x", mend=text)]))) is is_safe
    assert list(mend.safe([Finding("ok", "x", mend=text)])) == []


def test_a_safe_command_is_run_when_its_owner_says_yes(monkeypatch):
    ran: list[str] = []
    monkeypatch.setattr(mend, "run", lambda text: ran.append(text) or 3)  # type: ignore[func-returns-value]
    findings = [Finding("error", "stopped", mend=each) for each in (RESTART, "rm x", MEND_STACK)]

    def offering(answers):
        import click  # noqa: PLC0415

        show = click.command()(lambda: doctor_command.offer(findings))
        return CliRunner().invoke(show, input=answers)

    shown = offering("n\ny\n")
    assert ran == [MEND_STACK]
    assert "it ended with status 3" in shown.output
    assert "rm x" not in shown.output


def test_a_line_on_the_network_is_well_only_where_it_answers(case):
    assert [each.severity for each in found(lines.ports, case({}, TCP))] == ["unknown"]
    for state, severity in (("alive", "ok"), ("silent", "unknown")):
        status = a_status(sources={"mains": a_source(state=state)})
        (told,) = found(lines.ports, case({}, TCP, status=status))
        assert told.severity == severity, told


@pytest.mark.parametrize("shown", ["", "# /etc/systemd/system/energy-monitor-collector.service\n"])
def test_a_unit_that_only_root_may_read_is_not_known(case, shown):
    (told,) = found(secrets.reached, case(SYSTEMD, PLUGS, run=programs(systemctl=shown)))
    assert (told.severity, told.mend) == ("unknown", "sudo energy-monitor doctor")


@pytest.mark.parametrize(
    ("error", "command"),
    [
        ("answered 503", "sudo docker logs --tail 20 energy-monitor-influxdb-1"),
        ("Connection refused", MEND_STACK),
    ],
)
def test_a_database_that_is_starting_is_left_alone(case, error, command):
    output = an_output(state="away", last_error=error, since_ms=1)
    status = a_status(outputs={"history": output})
    house = HISTORY.format(url="http://localhost:8086")
    (told,) = found(outputs.delivering, case(STACK_IS_ON, HOUSE, house, status=status))
    assert told.mend.startswith(command)


def test_an_image_that_was_not_downloaded_is_named(case):
    def docker(words):
        if words[1] == "ps":
            return ""
        if words[-1].startswith("grafana"):
            return "sha256:1"
        raise CannotTell("'docker image' failed: Error: No such image: influxdb")

    compose = (
        "services:\n  influxdb: {image: '${INFLUXDB_IMAGE:-influxdb:2.9.1}'}\n"
        "  grafana: {image: grafana/grafana:13.2.3}\n"
        "  redis: {image: redis, profiles: [redis]}\n"
    )
    first, _ = found(stack.containers, case({**STACK_IS_ON, COMPOSE: compose}, run=docker))
    assert "the image influxdb:2.9.1 has not been downloaded" in first.what
    assert first.mend == f"sudo docker pull influxdb:2.9.1 && {MEND_STACK}"


def test_a_log_that_is_lost_at_each_restart_is_made_persistent_within_its_cap(case):
    (told,) = found(machine.system_log, case(SYSTEMD))
    assert told.severity == "advice"
    assert "Storage=persistent\\nSystemMaxUse=200M" in told.mend
    assert list(mend.safe([told])) == [told]


def test_a_configuration_that_was_changed_is_loaded_by_a_reload(case):
    status = a_status(sources={"house": a_source()})
    opened = case(SYSTEMD, status=status)
    (told,) = found(sources.loaded, opened)
    assert (told.severity, told.mend) == ("warning", RELOAD)
    old = replace(status, up_s=0.0, now_ms=status.now_ms + 60_000)
    assert found(sources.loaded, replace(opened, status=old)) == []


@pytest.mark.parametrize(("name", "severity"), [("python3.11", "ok"), ("python3.13", "error")])
def test_another_python_than_that_of_the_release_is_named(case, name, severity):
    files = {
        "opt/energy-monitor/current/venv/lib/python3.11/x": "",
        f"usr/bin/{name}": "",
    }
    opened = case(files)
    (Path(opened.machine.root) / "usr/bin/python3").symlink_to(name)
    (told,) = found(machine.python, opened)
    assert told.severity == severity
    assert severity == "ok" or told.mend == "sudo /opt/energy-monitor/current/install.sh"
