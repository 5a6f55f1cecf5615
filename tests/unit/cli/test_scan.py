"""The command scan: which ports there are, and the right sentence where nothing is found."""

import fcntl
import os
import pty
import termios

import pytest
from click.testing import CliRunner

from collector.cli import scan as scan_command
from collector.cli.main import main
from collector.lines import adapter
from tests.fakes.searching import only_at


def scanned(*words):
    return CliRunner().invoke(main, ["scan", *words])


@pytest.fixture
def port():
    far, near = pty.openpty()
    yield near
    os.close(far)
    os.close(near)


def test_a_port_that_is_not_there_is_not_taken_for_wrong_wires():
    done = scanned("--line", "/dev/ttyUSB77")
    assert "/dev/ttyUSB77 is not there: is it plugged in?" in done.stderr
    assert done.stdout == "nothing was found: no port could be searched, for the reasons above\n"
    assert done.exit_code == 1


def test_a_port_in_use_is_said_to_be_and_the_others_are_named(port, monkeypatch):
    name = os.ttyname(port)
    fcntl.flock(port, fcntl.LOCK_EX)
    fcntl.ioctl(port, termios.TIOCEXCL)
    only_at(monkeypatch, [name])
    monkeypatch.setattr(adapter, "ports", lambda: [name])
    done = scanned()
    assert done.stderr.startswith(f"serial ports: {name}\n")
    assert f"{name} is in use by another program" in done.stderr
    assert "A and B" not in done.stdout
    reasons = [f"{name} is in use by another program"]
    silent = scan_command.nothing(None, [name, "/dev/other"], reasons)
    assert silent.startswith("nothing answered at /dev/other. Are A and B")


def test_without_ports_the_adapter_is_asked_for():
    assert "is the adapter plugged in" in scan_command.nothing(None, [], [])
