"""``reload``: check, restart, wait, and say what is new. The service is the real program."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli import reload, units
from collector.cli.main import main
from collector.run import control
from tests.fakes.running import command, configure, wait_for

HOUSE = "  house: {type: simulated}\n"
SHED = "  shed: {type: simulated}\n"
# Like systemd, it ends the service that it has started before, and starts another.
SYSTEMCTL = """#!{python}
import os, pathlib, signal, subprocess, sys, time
log = pathlib.Path({log!r})
with log.open("a") as opened:
    print(*sys.argv[1:], file=opened)
if sys.argv[1] == "show":
    print({state!r})
if sys.argv[1] == "restart":
    pid = log.with_suffix(".pid")
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)
        words = pathlib.Path("/proc", pid.read_text(), "cmdline")
        while words.exists() and words.read_bytes():  # one that has ended has none
            time.sleep(0.02)
        pid.unlink()
    if not log.with_suffix(".broken").exists():
        started = subprocess.Popen({run!r}, start_new_session=True, stderr=subprocess.DEVNULL)
        pid.write_text(str(started.pid))
    sys.exit(log.with_suffix(".fails").exists())
"""


@pytest.fixture
def unit(tmp_path, monkeypatch):
    """Put a stand-in for systemctl on the PATH; return the folder of the configuration, the log."""
    folder, log, program = tmp_path / "etc", tmp_path / "log", tmp_path / "bin/systemctl"
    file = configure(folder, HOUSE)
    program.parent.mkdir()
    run = command("run", "--config", file)
    text = SYSTEMCTL.format(python=sys.executable, log=str(log), state="loaded", run=run)
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "booted", lambda: True)
    monkeypatch.setattr(config, "DEFAULT_FILE", file)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    subprocess.run([program, "restart"], check=True)
    try:
        wait_for(lambda: control.status(folder / "control.sock"), "it answers")
        log.write_text("")
        yield folder, log
    finally:
        (tmp_path / "log.broken").touch()
        subprocess.run([program, "restart"], check=False)


def reloaded(file):
    return CliRunner().invoke(main, ["reload", "--config", str(file)])


def test_a_changed_configuration_is_loaded_and_what_is_new_and_gone_is_said(unit):
    folder, _ = unit
    done = reloaded(configure(folder, SHED))
    assert done.exit_code == 0, done.output
    assert "no faults" in done.output
    assert "energy-monitor-collector.service runs with the new configuration (" in done.output
    assert done.output.endswith("  sources, new: shed\n  sources, gone: house\n")
    assert list(control.status(folder / "control.sock").sources) == ["shed"]
    assert reloaded(folder / "config.yaml").output.endswith(
        "  the same sources and outputs as before\n"
    )


def test_with_a_mistake_nothing_is_restarted(unit):
    folder, log = unit
    done = reloaded(configure(folder, "  shed: {type: simulatd}\n"))
    assert done.exit_code == 78
    assert "did you mean 'simulated'" in done.stderr
    assert "restart" not in log.read_text()
    assert list(control.status(folder / "control.sock").sources) == ["house"]


def test_a_service_that_does_not_start_or_answer_is_told_with_its_log(unit, monkeypatch):
    folder, log = unit
    monkeypatch.setattr(reload, "ANSWERS_WITHIN_S", 0.5)
    log.with_suffix(".broken").touch()
    done = reloaded(folder / "config.yaml")
    assert done.exit_code == 1
    assert "does not answer with the new configuration within 0.5 s: sudo journalctl -u" in (
        done.stderr
    )
    log.with_suffix(".fails").touch()
    assert "energy-monitor-collector.service does not start: sudo journ" in (
        reloaded(folder / "config.yaml").stderr
    )


def test_without_root_it_says_how_and_without_a_unit_how_to_restart(unit, monkeypatch, tmp_path):
    folder, log = unit
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    words = ["reload", "--config", str(folder / "config.yaml")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert f"try 'sudo energy-monitor {' '.join(words)}'" in done.stderr
    own = configure(tmp_path / "own", HOUSE)
    done = reloaded(own)
    assert done.exit_code == 1
    assert f"start it again with 'energy-monitor run --config {own}'" in done.stderr
    assert "restart" not in log.read_text()
