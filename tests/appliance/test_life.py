"""One machine's life, from a fresh Debian to the last trace removed; the tests are its chapters.

No Docker here: see test_stack.py. The meter is the lab's (lab.py says what stands in for what).
"""

import re
import time

import pytest

from tests.appliance.house import (
    bring,
    property_of,
    status,
    stored,
    wait_for_reads,
    wait_for_state,
)
from tests.appliance.lab import BY_ID

COLLECTOR = "energy-monitor-collector"
# Belongs to packages, to the system's own log, or to what runs anyway.
NOT_OURS = re.compile(
    r"/(var/(lib/(dpkg|apt|systemd/timesync)|cache|log|tmp)|root|tmp|etc/.*-)(/|$)"
)


@pytest.fixture(scope="module")
def machine(machine_of):
    with machine_of("life") as made:
        bring(made)
        made.files_before = files(made)
        yield made


def files(machine):
    found = machine.run("find / -xdev ! -path '/srv/*' ! -path '*/__pycache__*'").stdout
    return {each for each in found.splitlines() if not NOT_OURS.match(each)}


def test_a_fresh_debian_becomes_a_measuring_system_with_one_command(machine, tell):
    archives = machine.ask("ls /var/cache/apt/archives/*.deb | wc -l")
    began = time.monotonic()
    said = machine.run("/srv/project/install.sh --yes --no-docker").stdout
    took_s = time.monotonic() - began
    tell(f"installed in {took_s:.0f} s (at most 240; {archives} Debian packages were in the cache)")
    assert took_s < 240
    assert "meters found: 1" in said
    assert "Next: sudo energy-monitor status" in said
    wait_for_state(machine, "meter1", "alive")
    wait_for_state(machine, "pi", "alive")
    assert machine.ask("systemctl is-system-running") == "running"
    assert BY_ID in machine.run("cat /etc/energy-monitor/config.yaml").stdout


def test_a_second_run_changes_nothing_and_says_so(machine):
    before = machine.run(
        "find /opt /etc /usr/local -xdev -printf '%p %m %u %T@ %l\\n' | sort"
    ).stdout
    pid = property_of(machine, COLLECTOR, "MainPID")
    said = machine.run("/srv/project/install.sh --yes --no-docker").stdout
    assert "Nothing to do" in said
    assert (
        machine.run("find /opt /etc /usr/local -xdev -printf '%p %m %u %T@ %l\\n' | sort").stdout
        == before
    )
    assert property_of(machine, COLLECTOR, "MainPID") == pid


def test_units_are_valid_and_tight_where_they_are_installed(machine):
    machine.run("touch /usr/bin/docker && chmod +x /usr/bin/docker")
    units = "$(ls /etc/systemd/system/energy-monitor-*.{service,timer})"
    said = machine.run(f"systemd-analyze verify --man=no {units}; rm /usr/bin/docker")
    assert said.stdout + said.stderr == ""
    for unit, most in (
        (COLLECTOR, 20),
        ("energy-monitor-stack", 30),
        ("energy-monitor-backup", 30),
    ):
        machine.run(f"systemd-analyze security --no-pager --threshold={most} {unit}.service")
    machine.run("udevadm verify /etc/udev/rules.d/60-energy-monitor.rules")


@pytest.mark.parametrize(
    "attempt",
    [
        "cat /etc/energy-monitor/secrets/grafana-admin",
        "ls /etc/energy-monitor/secrets",
        "ls /var/lib/energy-monitor",
        "ls /var/lib/energy-monitor/journal",
        "ls /run/energy-monitor",
        "cat /run/credentials/energy-monitor-collector.service/secrets_grafana-admin",
        "energy-monitor status",
        "energy-monitor journal tail",
        "cat /proc/$(systemctl show -P MainPID energy-monitor-collector)/environ",
    ],
)
def test_a_user_without_rights_gets_at_nothing(machine, attempt):
    machine.run(attempt)
    refused = machine.run(attempt, user="nobody", check=False)
    assert refused.returncode != 0
    assert refused.stdout == ""


def test_the_collector_itself_cannot_read_the_secrets_of_others(machine):
    refused = machine.run(
        "cat /etc/energy-monitor/secrets/grafana-admin", user="energy-monitor", check=False
    )
    assert "Permission denied" in refused.stderr


def test_killed_it_is_back_and_no_reading_is_lost(machine):
    wait_for_reads(machine, "meter1", 3)
    first = stored(machine, "meter1")[0]
    counted = status(machine)["sources"]["meter1"]["reads"]
    machine.run(f"systemctl kill --signal=KILL {COLLECTOR}")
    wait_for_reads(machine, "meter1", 2)
    times = stored(machine, "meter1")
    assert times[0] == first
    assert len(times) >= counted + 2
    assert len(set(times)) == len(times)
    assert property_of(machine, COLLECTOR, "NRestarts") == "1"


def test_hung_it_is_restarted_by_the_watchdog(machine):
    sooner = f"/run/systemd/system/{COLLECTOR}.service.d"
    machine.run(f"mkdir -p {sooner}; printf '[Service]\\nWatchdogSec=5s\\n' > {sooner}/lab.conf")
    machine.run(f"systemctl daemon-reload; systemctl restart {COLLECTOR}")
    wait_for_reads(machine, "meter1", 1)
    machine.run(f"kill -STOP $(systemctl show -P MainPID {COLLECTOR})")
    machine.wait_for(lambda: property_of(machine, COLLECTOR, "NRestarts") == "1", "it is restarted")
    wait_for_reads(machine, "meter1", 1)
    assert "Watchdog timeout" in machine.run(f"journalctl -u {COLLECTOR}").stdout
    machine.run(f"rm -r {sooner}; systemctl daemon-reload; systemctl restart {COLLECTOR}")


def test_a_faulty_configuration_stops_it_once_with_every_fault_told(machine):
    file = "/etc/energy-monitor/config.yaml"
    machine.run(f"cp -p {file} /srv/right; echo 'no_such_option: 1' >> {file}")
    machine.run(f"systemctl restart {COLLECTOR}", check=False)
    machine.wait_for(
        lambda: property_of(machine, COLLECTOR, "ActiveState") == "failed", "it gives up"
    )
    assert property_of(machine, COLLECTOR, "ExecMainStatus") == "78"
    log = machine.run("journalctl --boot --no-pager").stdout
    assert "no_such_option" in log
    assert f"{COLLECTOR}.service has failed" in log
    refused = machine.run("/srv/project/install.sh --yes --no-docker", check=False)
    assert refused.returncode != 0
    assert "no_such_option" in refused.stderr
    machine.run(f"cp -p /srv/right {file}; systemctl restart {COLLECTOR}")


def test_a_meter_that_is_pulled_and_put_back_is_read_again(machine):
    wait_for_state(machine, "meter1", "alive")
    machine.run("systemctl stop lab-meter")
    wait_for_state(machine, "meter1", "silent")
    wait_for_state(machine, "pi", "alive")
    machine.run("systemctl start lab-meter")
    wait_for_state(machine, "meter1", "alive")


def test_after_a_reboot_it_reads_by_itself(machine, tell):
    machine.reboot()
    wait_for_state(machine, "meter1", "alive")
    up_s, began_s, uptime_s, now_s = map(
        float,
        machine.run(
            "systemctl show -P ActiveEnterTimestampMonotonic multi-user.target; "
            f"systemctl show -P ExecMainStartTimestampMonotonic {COLLECTOR}; "
            "cut -d' ' -f1 /proc/uptime; date +%s.%N"
        ).stdout.split(),
    )
    booted_s = now_s - uptime_s
    first_s = min(
        each / 1000 - booted_s
        for each in stored(machine, "meter1")
        if each / 1000 > booted_s + began_s / 1e6
    )
    after_s = first_s - up_s / 1e6
    tell(
        f"after a reboot the first reading is {after_s:.1f} s after multi-user.target (at most 10)"
    )
    assert after_s < 10


def test_a_good_release_replaces_the_old_one(machine):
    before = stored(machine, "meter1")
    bring(machine, "good", "0.1.1")
    refused = machine.run("/srv/good/install.sh --yes --no-docker", check=False)
    assert refused.returncode != 0
    assert "--upgrade" in refused.stderr
    said = machine.run("/srv/good/install.sh --upgrade").stdout
    assert "release 0.1.1 works" in said
    assert "0.1.1" in machine.run("energy-monitor --version").stdout
    assert machine.run("ls /opt/energy-monitor/releases").stdout.split() == ["0.1.0", "0.1.1"]
    assert stored(machine, "meter1")[: len(before)] == before
    assert "Nothing to do" in machine.run("/srv/good/install.sh --upgrade").stdout


BROKEN = {
    "collector/sources/modbus/source.py": (
        "\ndef read(*_):\n    raise DeviceRefused('broken on purpose')\n\n\nModbus.read = read\n"
    ),
    "collector/journal/__init__.py": "\nFORMAT = 99\n",
}


def test_a_package_of_the_owner_is_beside_every_release(machine):
    machine.run("cp -r /srv/project/examples/energy-monitor-source-example /etc/energy-monitor/own")
    machine.run("echo ./own > /etc/energy-monitor/packages.txt")
    assert "installed beside it" in machine.run("/srv/good/install.sh --upgrade").stdout
    python = "/opt/energy-monitor/current/venv/bin/python"
    machine.run(f"{python} -m pip show energy-monitor-thermometer")
    wait_for_state(machine, "meter1", "alive")
    assert "Nothing to do" in machine.run("/srv/good/install.sh --upgrade").stdout
    machine.run("rm -r /etc/energy-monitor/packages.txt /etc/energy-monitor/own")


def test_a_release_whose_python_is_gone_is_built_again(machine):
    machine.run(
        "cd /opt/energy-monitor/current; echo 3.1 > python; mv venv/lib/python3* venv/lib/python3.1"
    )
    refused = machine.run("energy-monitor status", check=False)
    assert "another Python than the system has now" in refused.stderr
    machine.run("$(readlink -f /opt/energy-monitor/current)/install.sh --yes --no-docker")
    wait_for_state(machine, "meter1", "alive")


def test_a_broken_release_is_left_again_with_the_reason(machine):
    before = stored(machine, "meter1")
    bring(machine, "broken", "0.2.0", BROKEN)
    refused = machine.run("/srv/broken/install.sh --upgrade", check=False)
    assert refused.returncode != 0
    assert "does not work: no longer source meter1 alive" in refused.stderr
    assert "broken on purpose" in refused.stderr
    assert "0.1.1" in machine.run("energy-monitor --version").stdout
    wait_for_state(machine, "meter1", "alive")
    assert stored(machine, "meter1")[: len(before)] == before
    assert machine.run("ls /opt/energy-monitor/releases").stdout.split() == ["0.1.0", "0.1.1"]
    assert "journal.newer-than-0.1.1" in machine.run("ls /var/lib/energy-monitor").stdout


def test_a_release_that_does_not_take_the_configuration_is_not_even_tried(machine):
    pid = property_of(machine, COLLECTOR, "MainPID")
    unwilling = (
        "\n\ndef read(file):\n    from collector.errors import ConfigFault, Fault\n"
        "    raise ConfigFault([Fault(str(file), 1, 'site', 'no')])\n"
    )
    bring(machine, "unwilling", "0.3.0", {"collector/config.py": unwilling})
    refused = machine.run("/srv/unwilling/install.sh --upgrade", check=False)
    assert refused.returncode != 0
    assert "does not accept" in refused.stderr
    assert property_of(machine, COLLECTOR, "MainPID") == pid


def test_after_a_power_cut_it_starts_by_itself_and_lacks_only_the_last_seconds(machine):
    wait_for_reads(machine, "meter1", 15)
    synced = stored(machine, "meter1")
    machine.run("sync")
    machine.run("echo not yet on the disk > /srv/unsynced")
    machine.cut_power()
    machine.boot()
    assert machine.ask("cat /srv/unsynced") == ""  # the lab's power cut is one
    wait_for_state(machine, "meter1", "alive")
    assert stored(machine, "meter1")[: len(synced)] == synced


def test_a_power_cut_in_an_upgrade_ends_at_the_release_of_before(machine):
    machine.run("systemd-run --unit=upgrade --setenv=PATH /srv/broken/install.sh --upgrade")
    machine.wait_for(
        lambda: (
            property_of(machine, COLLECTOR, "ActiveState") == "active"
            and "0.2.0" in machine.ask("energy-monitor --version")
        ),
        "the new release is on trial",
    )
    machine.run("sync")
    machine.cut_power()
    machine.boot()
    assert "0.1.1" in machine.run("energy-monitor --version").stdout
    wait_for_state(machine, "meter1", "alive")
    assert machine.ask("systemctl is-system-running") == "running"


def test_uninstalling_keeps_what_was_measured(machine):
    before = stored(machine, "meter1")
    said = machine.run("/opt/energy-monitor/current/install.sh --uninstall").stdout
    assert "Kept: /etc/energy-monitor, /var/lib/energy-monitor" in said
    assert machine.ask("ls -d /opt/energy-monitor /usr/local/bin/energy-monitor") == ""
    assert machine.ask("systemctl list-unit-files --no-legend 'energy-monitor*'") == ""
    machine.run("/srv/project/install.sh --yes --no-docker")
    wait_for_state(machine, "meter1", "alive")
    assert stored(machine, "meter1")[: len(before)] == before


def test_purging_removes_every_trace(machine):
    refused = machine.run("/srv/project/install.sh --uninstall --purge", check=False)
    assert refused.returncode != 0
    assert "add --yes" in refused.stderr
    machine.run("/srv/project/install.sh --uninstall")
    said = machine.run("/srv/project/install.sh --uninstall --purge --yes").stdout
    packages = re.search(r"sudo (apt-get autoremove --purge .*)$", said, re.MULTILINE)
    assert packages, said
    machine.run(f"DEBIAN_FRONTEND=noninteractive {packages[1]} --yes")
    of_packages = machine.run("cat /var/lib/dpkg/info/*.list").stdout.splitlines()
    assert files(machine) - machine.files_before - set(of_packages) == set()
    assert machine.ask("grep energy-monitor /etc/passwd /etc/group /etc/shadow") == ""


def test_a_simulated_house_is_one_word_and_moves_in_again_after_all(machine):
    machine.run("/srv/project/install.sh --yes --no-docker --demo")
    for name in ("house", "heat_pump", "solar", "pi"):
        wait_for_state(machine, name, "alive")
