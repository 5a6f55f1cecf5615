"""The doctor looks with the rights of the service: root, who runs it, may read and write all."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from collector.doctor import access, examine, reach
from tests.fakes.doctor_case import a_status, fill_journal, open_in, plant, programs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

PASSWD = "root:x:0:0::/root:/bin/sh\nenergy-monitor:x:990:990::/:/usr/sbin/nologin\n"
SERVICE = {"etc/passwd": PASSWD, "etc/group": ""}
PLACES = "ProtectSystem=strict\nReadWritePaths=/srv\nStateDirectory=energy-monitor\n"


@pytest.fixture
def tree(monkeypatch):
    """Return a folder that every user may enter; the appliance's configuration is in it."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        monkeypatch.setattr(access, "DEFAULT_FILE", Path(made, "etc/config.yaml"))
        yield Path(made)


def found(check, opened):
    ((_, findings),) = examine.examine(opened, {"": (check,)})
    return findings


def only(check, opened):
    (finding,) = found(check, opened)
    return finding


def give(folder, uid=990):
    for each in (folder, *folder.rglob("*")):
        os.chown(each, uid, uid)


def test_a_configuration_that_only_root_may_read_is_an_error(tree):
    opened = open_in(tree, SERVICE)
    assert only(reach.readable, opened).what == "the configuration may be read by energy-monitor"
    opened.file.chmod(0o600)
    told = only(reach.readable, opened)
    assert told.severity == "error"
    assert f"{opened.file} may not be read by energy-monitor: owner 0, group 0" in told.what
    assert told.mend == f"sudo chmod a+r {opened.file}"
    opened.file.chmod(0o644)
    opened.file.parent.chmod(0o700)
    assert f"it may not enter {opened.file.parent}" in only(reach.readable, opened).what


def test_an_import_and_a_device_map_that_only_root_may_read_are_errors(tree):
    plant(tree / "etc", {"more.yaml": "timezone: Europe/Rome\n", "devices/own.yaml": "x"})
    opened = open_in(tree, SERVICE, extra="import: [more.yaml]\n")
    for name in ("more.yaml", "devices/own.yaml"):
        (tree / "etc" / name).chmod(0o600)
    assert [each.mend for each in found(reach.readable, opened)] == [
        f"sudo chmod a+r {tree}/etc/more.yaml",
        f"sudo chmod a+r {tree}/etc/devices/own.yaml",
    ]


def test_a_file_that_a_source_reads_is_looked_at_too(tree):
    bills = plant(tree / "etc", {"bill.xml": "<x/>"}) / "bill.xml"
    bills.chmod(0o600)
    opened = open_in(tree, SERVICE, "  bills: {type: green_button, path: bill.xml}\n")
    assert only(reach.readable, opened).why.startswith("What is in it is not recorded")


def test_a_journal_that_root_has_made_is_an_error_while_the_service_is_down(tree):
    opened = open_in(tree, SERVICE)
    told = only(reach.writable, opened)
    assert f"{opened.data_dir} may not be written to by energy-monitor: owner 0" in told.what
    command = f"sudo mkdir -p {opened.data_dir} && sudo chown -R energy-monitor: {opened.data_dir}"
    assert told.mend.startswith(command)
    fill_journal(opened)
    give(opened.data_dir)
    assert only(reach.writable, opened).severity == "ok"
    (segment,) = (opened.data_dir / "journal/log").iterdir()
    os.chown(segment, 0, 0)
    segment.chmod(0o600)
    told = only(reach.writable, opened)
    assert str(segment) in told.what
    assert "A command that root ran has made it" in told.why
    assert found(reach.writable, replace(opened, status=a_status())) == []


def test_a_folder_that_the_unit_keeps_from_the_service_is_an_error(tree):
    opened = open_in(tree, SERVICE, run=programs(systemctl=f"User=energy-monitor\n{PLACES}"))
    give(opened.data_dir)
    told = only(reach.writable, opened)
    assert "its unit may write only in /srv, /var/lib/energy-monitor" in told.what
    assert told.mend.endswith(f"[Service] ReadWritePaths={opened.data_dir}")


def test_of_another_configuration_nothing_is_said_in_the_name_of_the_unit(tree, monkeypatch):
    opened = open_in(tree, SERVICE)
    opened.file.chmod(0o600)
    monkeypatch.setattr(access, "DEFAULT_FILE", tree / "other.yaml")
    assert found(reach.readable, opened) == found(reach.writable, opened) == []


def test_a_service_that_runs_as_another_user_is_looked_at_with_his_rights(tree):
    accounts = {**SERVICE, "etc/passwd": f"{PASSWD}ann:x:1234:1234::/:/bin/sh\n"}
    opened = open_in(tree, accounts, status=a_status())
    socket = plant(Path(opened.main.runtime_dir), {"control.sock": ""}) / "control.sock"
    os.chown(socket, 1234, 1234)
    opened.file.chmod(0o600)
    assert "may not be read by ann: owner 0" in only(reach.readable, opened).what
