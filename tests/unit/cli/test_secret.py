"""The commands ``secret …``: a value goes in and comes out on request, and is never shown else."""

import json
import os
import pty
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector import config, secrets
from collector.cli import units
from collector.cli.main import main
from collector.errors import EnergyMonitorError
from tests.fakes.doctor_case import HOUSE, plant
from tests.fakes.running import command, configure

BROKER = (
    "  plugs: {type: mqtt_in, line: mqtt://a, user: u, password: !secret mqtt-password,"
    " devices: {plug: {model: tasmota}}}\n"
)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def secret(tmp_path, *words, typed=None, source=HOUSE):
    file = configure(tmp_path, source)
    return CliRunner().invoke(main, ["secret", *words, "--config", str(file)], input=typed)


def test_a_secret_is_printed_on_request_and_a_list_has_names_only(tmp_path):
    plant(tmp_path / "secrets", {"grafana-admin": "open sesame\n", ".half.new": "x", "azure": "y"})
    assert secret(tmp_path, "show", "grafana-admin").output == "open sesame\n"
    assert secret(tmp_path, "show").output == "azure\ngrafana-admin\n"


def test_an_unknown_secret_is_answered_with_those_that_are_known(tmp_path):
    plant(tmp_path / "secrets", {"grafana-admin": "open sesame", "azure": "y"})
    for name in ("grafana-admn", "../config.yaml"):
        refused = secret(tmp_path, "show", name)
        assert refused.exit_code == 1
        assert "known: azure, grafana-admin" in refused.stderr
        assert "sesame" not in refused.output
    assert "did you mean 'grafana-admin'?" in secret(tmp_path, "show", "grafana-admn").stderr


def test_an_empty_or_absent_secret_says_so(tmp_path):
    assert "there are no secrets: no" in secret(tmp_path, "show").stderr
    plant(tmp_path / "secrets", {"empty": " \n"})
    assert "secret 'empty' is empty" in secret(tmp_path, "show", "empty").stderr


@pytest.mark.parametrize("typed", ["open sesame", "open sesame\n", b"open sesame\r\n"])
def test_a_value_from_standard_input_is_stored_for_its_owner_only(tmp_path, typed):
    done = secret(tmp_path, "set", "mqtt-password", typed=typed, source=BROKER)
    file = tmp_path / "secrets/mqtt-password"
    assert done.output == f"stored: {file}\n"
    assert file.read_text() == "open sesame\n"
    assert file.stat().st_mode & 0o777 == 0o400
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in file.parent.iterdir()] == ["mqtt-password"]
    secret(tmp_path, "set", "mqtt-password", typed="another", source=BROKER)
    assert secret(tmp_path, "show", "mqtt-password").output == "another\n"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"open\nsesame\n", "not one line of UTF-8 text without control characters"),
        (b"open\tsesame", "control characters"),
        ("open\u2028sesame".encode(), "not one line"),
        (b"ses\xe9me", "not UTF-8 text"),
        (b" sesame", "begins or ends with a blank"),
        (b"s" * 65_537, "longer than 65,536 bytes"),
        (b"\0" * 200_000, "control characters"),
    ],
)
def test_a_value_that_cannot_be_one_is_refused_and_not_shown(tmp_path, typed, why):
    plant(tmp_path / "secrets", {"mqtt-password": "before"})
    refused = secret(tmp_path, "set", "mqtt-password", typed=typed, source=BROKER)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("the value of 'mqtt-password' was not stored: ")
    assert why in refused.stderr
    assert "ses" not in refused.output
    assert (tmp_path / "secrets/mqtt-password").read_text() == "before"


@pytest.mark.parametrize("value", ["hunter2", "-unter2", "--hunter2"])
def test_a_value_on_the_command_line_is_refused_and_not_shown(tmp_path, value):
    refused = secret(tmp_path, "set", "mqtt-password", value, source=BROKER)
    assert refused.exit_code == 1
    assert "the value must not be on the command line" in refused.stderr
    assert "unter2" not in refused.output
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("name", ["../config.yaml", "Password", "a_b", "-", "a" * 101, "a/b", "ä"])
def test_a_name_that_the_configuration_could_not_use_is_refused(tmp_path, name):
    words = ["secret", "set", "--config", str(configure(tmp_path, HOUSE)), "--", name]
    refused = CliRunner().invoke(main, words, input="x")
    assert refused.exit_code == 1
    assert "is not a name of a secret: small letters, digits" in refused.stderr


def test_a_name_that_nothing_uses_is_stored_and_the_likely_one_is_named(tmp_path):
    done = secret(tmp_path, "set", "mqtt-pasword", typed="x", source=BROKER)
    assert done.exit_code == 0
    assert (
        "names it: 'password: !secret mqtt-pasword'; did you mean 'mqtt-password'?" in done.output
    )


def test_on_a_terminal_it_is_asked_for_twice_and_not_shown(tmp_path):
    file = configure(tmp_path, BROKER)
    words = command("secret", "set", "mqtt-password", "--config", file)
    answers = ["one\n", "two\n", "open sesame\n", "open sesame\n"]
    ours, theirs = pty.openpty()
    screen = ""
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # EIO: nobody has the other end any more
            while piece := os.read(ours, 4096):
                screen += piece.decode()
                if answers and screen.endswith(": "):
                    os.write(ours, answers.pop(0).encode())
    os.close(ours)
    assert process.returncode == 0, screen
    assert "do not match" in screen
    assert "sesame" not in screen
    assert (tmp_path / "secrets/mqtt-password").read_text() == "open sesame\n"


def test_a_link_in_the_folders_place_is_not_followed_and_one_in_the_files_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "secrets").symlink_to("elsewhere")
    refused = secret(tmp_path, "set", "mqtt-password", typed="x", source=BROKER)
    assert "is a link: expected a folder" in refused.stderr
    (tmp_path / "secrets").unlink()
    plant(tmp_path / "secrets", {})
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets/mqtt-password").symlink_to(tmp_path / "elsewhere/file")
    secret(tmp_path, "set", "mqtt-password", typed="x", source=BROKER)
    assert (tmp_path / "secrets/mqtt-password").read_text() == "x\n"
    assert list((tmp_path / "elsewhere").iterdir()) == []


@root_only
@pytest.mark.parametrize("which", ["secrets", "."])
def test_root_writes_nothing_into_a_folder_that_others_can_exchange(tmp_path, which):
    (tmp_path / "etc/secrets").mkdir(parents=True, mode=0o700)
    os.chown(tmp_path / "etc" / which, 1000, 1000)
    refused = secret(tmp_path / "etc", "set", "mqtt-password", typed="x", source=BROKER)
    assert refused.exit_code == 1
    assert "users other than root can change" in refused.stderr
    assert not (tmp_path / "etc/secrets/mqtt-password").exists()


@root_only
def test_who_may_not_write_there_gets_one_sentence_before_being_asked():
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        file = configure(folder, BROKER)
        (folder / "secrets").mkdir(mode=0o700)
        folder.chmod(0o755)
        os.seteuid(65534)
        try:
            words = ["secret", "set", "mqtt-password", "--config", str(file)]
            refused = CliRunner().invoke(main, words)
        finally:
            os.seteuid(0)
    assert refused.exit_code == 1
    assert f"try 'sudo energy-monitor {' '.join(words)}'" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_what_systemd_would_not_load_with_the_folder_is_named_and_nothing_is_stored(tmp_path):
    plant(tmp_path / "secrets", {"a:b": "x", "large": "x" * 1_048_000})
    refused = secret(tmp_path, "set", "mqtt-password", typed="x" * 600, source=BROKER)
    assert refused.exit_code == 1
    assert "a:b has a name with other characters" in refused.stderr
    assert "large is the largest secret" in refused.stderr
    assert not (tmp_path / "secrets/mqtt-password").exists()
    assert secret(tmp_path, "list").exit_code == 1


def test_a_list_says_what_is_there_what_is_missing_and_what_uses_it(tmp_path):
    plant(tmp_path / "secrets", {"grafana-admin": "open sesame", "left-over": "y"})
    listed = secret(tmp_path, "list", source=BROKER)
    assert listed.exit_code == 0
    assert [line.split()[:2] for line in listed.output.splitlines()[1:]] == [
        ["grafana-admin", "stored"],
        ["left-over", "stored"],
        ["mqtt-password", "missing"],
    ]
    entries = json.loads(secret(tmp_path, "list", "--json", source=BROKER).output)
    assert entries[2]["used_by"] == ["sources.plugs.password"]
    assert entries[1]["used_by"] == []
    assert "sesame" not in listed.output


def test_only_what_nothing_uses_is_removed(tmp_path):
    plant(tmp_path / "secrets", {"mqtt-password": "x", "left-over": "y"})
    refused = secret(tmp_path, "remove", "mqtt-password", source=BROKER)
    assert "sources.plugs.password in" in refused.stderr
    assert secret(tmp_path, "remove", "left-over", source=BROKER).exit_code == 0
    assert "no secret named 'left-over'" in secret(tmp_path, "remove", "left-over").stderr
    assert [each.name for each in (tmp_path / "secrets").iterdir()] == ["mqtt-password"]


SYSTEMCTL = """\
#!{python}
import sys
from pathlib import Path
with open("{log}", "a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "show":
    print(Path("{log}.state").read_text())
if sys.argv[1] == "cat":
    print("ExecStartPre=+/usr/bin/install -t X /etc/energy-monitor/secrets/grafana-admin")
"""


@pytest.fixture
def appliance(tmp_path, monkeypatch):
    """Stand in for systemctl, and for the configuration that the services read."""
    program, log = tmp_path / "bin/systemctl", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL.format(python=sys.executable, log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "booted", lambda: True)
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "etc/config.yaml")

    def made(state):
        (tmp_path / "log.state").write_text(state)
        log.write_text("")
        return tmp_path / "etc", log

    return made


@pytest.mark.parametrize("state", ["active", "activating"])
def test_what_runs_and_uses_a_secret_is_restarted_and_nothing_else(appliance, state):
    folder, log = appliance(state)
    done = secret(folder, "set", "mqtt-password", typed="x", source=BROKER)
    assert "energy-monitor-collector.service was restarted" in done.output
    assert [each for each in log.read_text().splitlines() if "restart" in each] == [
        "restart energy-monitor-collector.service"
    ]
    secret(folder, "set", "grafana-admin", typed="x", source=BROKER)
    assert (
        log.read_text().splitlines()[-2:]
        == [
            "restart energy-monitor-stack.service",
            "cat energy-monitor-stack.service",
        ]
        or "restart energy-monitor-stack.service" in log.read_text()
    )
    log.write_text("")
    secret(folder, "set", "left-over", typed="x", source=BROKER)
    assert "restart" not in log.read_text()


def test_what_does_not_run_or_shall_not_be_restarted_is_not(appliance):
    folder, log = appliance("failed")
    done = secret(folder, "set", "mqtt-password", typed="x", source=BROKER)
    assert "is not running: it has the value as soon as it starts" in done.output
    folder, log = appliance("active")
    done = secret(folder, "set", "mqtt-password", "--no-restart", typed="x", source=BROKER)
    assert "sudo systemctl restart energy-monitor-collector.service" in done.output
    assert "restart" not in log.read_text()


def test_a_collector_that_would_not_start_again_runs_on(appliance):
    folder, log = appliance("active")
    broken = BROKER + "  mains: {type: modbus, line: /dev/x, model: orno-we515}\n"
    done = secret(folder, "set", "mqtt-password", typed="x", source=broken)
    assert done.exit_code == 78
    assert "stored: " in done.output
    assert "was not restarted, because the configuration has these faults" in done.stderr
    assert "did you mean 'orno-we-515'" in done.stderr
    assert "restart" not in log.read_text()


def test_a_folder_of_root_that_others_may_write_to_is_not_safe_unless_it_is_sticky(tmp_path):
    (tmp_path / "open/etc").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    if os.geteuid() == 0:
        with pytest.raises(EnergyMonitorError, match="can change"):
            secrets.prepare(tmp_path / "open/etc/secrets")
    (tmp_path / "open").chmod(0o1777)
    secrets.prepare(tmp_path / "open/etc/secrets")


def test_a_short_secret_is_stored_with_a_remark_and_a_longer_one_without(tmp_path):
    for value, remarked in (("integration", False), ("lutron12", False), ("lutron", True)):
        done = secret(tmp_path, "set", "mqtt-password", typed=value)
        assert (tmp_path / "secrets/mqtt-password").read_text() == f"{value}\n"
        assert ("it has fewer than 8 characters" in done.stdout) == remarked
        assert done.exit_code == 0
        assert value not in done.output


def test_of_the_pages_password_only_a_hash_may_be_stored(tmp_path):
    file = configure(tmp_path, HOUSE)
    with_page = file.read_text().replace(
        "page: {port: 0}", "page: {password: !secret page-password}"
    )
    file.write_text(with_page)
    words = ["secret", "set", "page-password", "--hash", "--config", str(file)]
    done = CliRunner().invoke(main, words, input="open sesame of this house")
    assert done.exit_code == 0, done.output
    stored = (tmp_path / "secrets/page-password").read_text().strip()
    assert stored.startswith("scrypt:")
    assert secrets.is_password("open sesame of this house", stored)


def test_nothing_else_gets_a_hash_in_place_of_its_secret(tmp_path):
    refused = secret(tmp_path, "set", "mqtt-password", "--hash", typed="open sesame", source=BROKER)
    assert refused.exit_code == 1
    assert "sources.plugs.password uses it" in refused.stderr
    assert not (tmp_path / "secrets/mqtt-password").exists()
