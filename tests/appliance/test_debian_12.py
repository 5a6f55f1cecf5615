"""Debian 12: an older systemd and Python, and Docker from Docker's own package source."""

import pytest

from tests.appliance.house import bring, wait_for_state

COLLECTOR = "energy-monitor-collector"


@pytest.fixture(scope="module")
def machine(machine_of):
    with machine_of("twelve", suite="bookworm") as made:
        bring(made)
        yield made


def test_without_dockers_own_source_it_stops_before_anything_is_half_done(machine):
    machine.run("echo 127.0.0.1 download.docker.com >> /etc/hosts")
    refused = machine.run("/srv/project/install.sh --yes", check=False)
    assert refused.returncode != 0
    assert "Docker's own package source cannot be reached" in refused.stderr
    assert "--no-docker" in refused.stderr
    assert machine.ask("ls /etc/apt/sources.list.d /etc/apt/keyrings | grep docker") == ""
    machine.run("apt-get update")


def test_it_is_installed_and_measures(machine):
    said = machine.run("/srv/project/install.sh --yes --no-docker").stdout
    assert "meters found: 1" in said
    wait_for_state(machine, "meter1", "alive")
    assert "Nothing to do" in machine.run("/srv/project/install.sh --no-docker").stdout


def test_its_systemd_knows_every_word_of_the_units(machine):
    machine.run("touch /usr/bin/docker && chmod +x /usr/bin/docker")
    units = "$(ls /etc/systemd/system/energy-monitor-*.{service,timer})"
    said = machine.run(f"systemd-analyze verify --man=no {units}; rm /usr/bin/docker")
    assert said.stdout + said.stderr == ""
    machine.run(f"systemd-analyze security --no-pager --threshold=20 {COLLECTOR}.service")


def test_killed_or_rebooted_it_is_back(machine):
    machine.run(f"systemctl kill --signal=KILL {COLLECTOR}")
    wait_for_state(machine, "meter1", "alive")
    machine.reboot()
    wait_for_state(machine, "meter1", "alive")
