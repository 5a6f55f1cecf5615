"""The systemd units: understood by systemd without a message, and closed off as they promise."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
UNITS = sorted([*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.timer")])
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST_EXPOSED = {"energy-monitor-collector.service": 2.0}
OTHERS_EXPOSED = 3.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The units as installed, their programs replaced by one that every machine has."""
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        text = unit.read_text()
        text = re.sub(r"(?m)^(Exec\w+=[+!-]*)/(opt|usr/bin/docker)\S*", r"\1/bin/true", text)
        (folder / unit.name).write_text(text)
    shutil.copytree(SYSTEMD / "energy-monitor-.service.d", folder / "energy-monitor-.service.d")
    return folder


def analyze(*words):
    """Return what systemd-analyze says; skip where there is none."""
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("systemd-analyze is missing: Debian package systemd")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_systemd_understands_every_unit_without_a_word(folder):
    assert analyze("verify", *(str(folder / unit.name) for unit in UNITS)) == ""


def test_a_mistake_in_a_unit_would_be_told(folder, tmp_path):
    text = (folder / "energy-monitor-collector.service").read_text()
    wrong = tmp_path / "energy-monitor-collector.service"
    wrong.write_text(text.replace("ProtectHome=", "ProtectHme="))
    assert "ProtectHme" in analyze("verify", str(wrong))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_is_exposed_no_more_than_it_promises(service, folder):
    told = analyze("security", "--offline=true", "--no-pager", str(folder / service.name))
    found = re.search(r"exposure level for .*: ([0-9.]+)", told)
    assert found, told
    assert float(found[1]) <= MOST_EXPOSED.get(service.name, OTHERS_EXPOSED)


def test_every_service_that_a_timer_starts_is_there():
    for timer in SYSTEMD.glob("*.timer"):
        assert timer.with_suffix(".service").exists(), timer.name
        assert "Persistent=yes" in timer.read_text(), timer.name


def test_what_a_timer_starts_every_day_or_hour_logs_only_what_is_wrong():
    quiet = {"StandardOutput=null", "StandardError=journal", "SyslogLevel=notice"}
    quiet.add("LogLevelMax=notice")
    for timer in SYSTEMD.glob("*.timer"):
        if re.search(r"OnCalendar=(hourly|\*-\*-\*)", timer.read_text()):
            assert quiet <= set(timer.with_suffix(".service").read_text().splitlines())


@pytest.mark.parametrize("name", ["collector", "backup", "rotate", "rehearse"])
def test_what_asks_whether_the_clock_was_right_in_this_boot_sees_its_name(name):
    unit = SYSTEMD / f"energy-monitor-{name}.service"
    assert "ProcSubset=pid" not in unit.read_text().splitlines()


def test_every_secret_of_the_stack_is_copied_for_the_container_that_reads_it():
    compose = (SYSTEMD.parent / "docker-compose.yml").read_text()
    readers = re.findall(r"(?m)^  ([\w-]+): \{file: .*\} # (\d+)$", compose)
    copies = re.findall(
        r"(?m)^ExecStartPre=-?\+/usr/bin/install -o (\d+) -m 0400 -t \$\{SECRETS_DIR\} (.*)$",
        (SYSTEMD / "energy-monitor-stack.service").read_text(),
    )
    copied = [(Path(file).name, user) for user, files in copies for file in files.split()]
    assert len(readers) == 6
    assert sorted(copied) == sorted(readers)
