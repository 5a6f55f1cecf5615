"""Commands that are printed work when they are pasted: with the user's --config, and again."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.config import DEFAULT_FILE
from collector.doctor import command

FILE = Path("/srv/my house/config.yaml")
CONFIG = "--config '/srv/my house/config.yaml'"


@pytest.fixture(autouse=True)
def root(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("run 'energy-monitor scan'.", f"run 'energy-monitor scan {CONFIG}'."),
        ("'sudo energy-monitor secret set x'", f"'sudo energy-monitor secret set x {CONFIG}'"),
        (
            "Start it with 'energy-monitor run' or 'sudo systemctl start energy-monitor-collector'",
            f"Start it with 'energy-monitor run {CONFIG}'",
        ),
        ("try 'sudo energy-monitor …'", "try 'sudo energy-monitor status --config a'"),
        ("see 'energy-monitor restore --help'", "see 'energy-monitor restore --help'"),
        ("'energy-monitor demo'", "'energy-monitor demo'"),
        ("'energy-monitor check --config x'", "'energy-monitor check --config x'"),
        ("energy-monitor of a far side", "energy-monitor of a far side"),
    ],
)
def test_a_printed_command_names_the_configuration_in_use(text, wanted):
    assert command.pasteable(text, FILE, ("status", "--config", "a")) == wanted


def test_on_the_appliance_a_command_stays_as_it_is_written():
    text = "'energy-monitor run' or 'sudo systemctl start energy-monitor-collector'"
    assert command.pasteable(text, DEFAULT_FILE) == text


def test_the_commands_without_config_are_those_that_take_none():
    def walk(each, path):
        if isinstance(each, click.Group):
            for name in each.list_commands(click.Context(each)):
                yield from walk(each.get_command(click.Context(each), name), [*path, name])
        elif not any("--config" in option.opts for option in each.params):
            yield path[0]

    assert set(walk(main, [])) == command.WITHOUT_CONFIG


@pytest.mark.parametrize("words", [["status"], ["status", "--watch"], ["status", "--json"]])
def test_where_no_service_answers_the_command_that_starts_it_is_whole(tmp_path, words):
    file = tmp_path / "config.yaml"
    file.write_text(f"runtime_dir: {tmp_path}\nsources:\n  house: {{type: simulated}}\n")
    by_variable = CliRunner().invoke(main, words, env={"ENERGY_MONITOR_CONFIG": str(file)})
    for done in (CliRunner().invoke(main, [*words, "--config", str(file)]), by_variable):
        assert done.exit_code == 1
        assert f"'energy-monitor run --config {file}'" in done.stderr
        assert "systemctl" not in done.stderr


def test_a_missing_configuration_and_a_missing_secret_are_told_with_whole_commands(tmp_path):
    file = tmp_path / "config.yaml"
    done = CliRunner().invoke(main, ["check", "--config", str(file)])
    assert f"'energy-monitor scan --config {file}' prints one" in done.stderr
    plugs = "{type: mqtt_in, line: mqtt://h, password: !secret p, devices: {a: {model: tasmota}}}"
    file.write_text(f"sources:\n  plugs: {plugs}\n")
    done = CliRunner().invoke(main, ["check", "--config", str(file)])
    assert done.exit_code == 78
    assert f"'sudo energy-monitor secret set p --config {file}' stores it" in done.stderr


def test_the_log_of_a_service_names_its_configuration(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        f"data_dir: {tmp_path}\nruntime_dir: {tmp_path}\nsources:\n"
        "  mains: {type: modbus, line: /dev/no-such-port, model: orno-we-515}\n"
    )
    words = [sys.executable, "-m", "collector.cli", "run", "--config", file]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ) as service:
        assert service.stderr
        line = next(line for line in service.stderr if "is it plugged in?" in line)
        service.terminate()
    assert f"'energy-monitor scan --config {file}' lists the ports" in line
