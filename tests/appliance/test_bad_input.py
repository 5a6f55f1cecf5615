"""What install.sh refuses, and what becomes of a run that is cut off: nothing half-done."""

import pytest

from tests.appliance.house import bring, kill_in, steps, wait_for_state

INSTALL = "/srv/project/install.sh --yes --no-docker"
APART = "unshare --mount"  # what is mounted then is seen by that command only
# Each step of an installation, and for how long it is let run before it is killed.
KILLS = [
    ("This machine", 0),
    ("Debian packages", 0.2),
    ("Debian packages", 2),
    ("The user energy-monitor", 0),
    ("Release 0.1.0", 0.2),
    ("Release 0.1.0", 3),
    ("Release 0.1.0", 6),
    ("Secrets", 0),
    ("Configuration", 0),
    ("Configuration", 0.5),
    ("The collector", 0),
    ("The collector", 0.5),
    ("Backups", 0),
    ("Backups", 0.3),
    ("Result", 0),
]


@pytest.fixture(scope="module")
def machine(machine_of):
    with machine_of("wrong") as made:
        bring(made)
        made.run(
            "printf '%s\\n' '#!/bin/sh' 'echo Python 3.9.2' 'exit 1' > /srv/python3; chmod +x /srv/python3"
        )
        made.run(
            "printf '%s\\n' ID=ubuntu VERSION_ID=24.04 'PRETTY_NAME=\"Ubuntu 24.04\"' > /srv/ubuntu"
        )
        made.run(
            "printf '%s\\n' ID=debian VERSION_ID=11 'PRETTY_NAME=\"Debian 11\"' > /srv/debian11"
        )
        yield made


def changed(machine):
    """Return what stands where install.sh writes, but for its log and for what is measured."""
    places = "/opt /etc /usr/local /var/lib /boot"
    others = "! -path '/var/lib/apt*' ! -path '/var/lib/energy-monitor/journal/*'"
    return machine.run(
        f"find {places} -xdev {others} ! -type d -printf '%p %s %T@\\n' | sort"
    ).stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"{INSTALL} --no-such-option", "Unknown option --no-such-option"),
        (f"{INSTALL} --purge", "--purge requires --uninstall"),
        (f"{APART} sh -c 'mount --bind /srv/ubuntu /etc/os-release; {INSTALL}'", "Ubuntu 24.04 is not supported"),
        (f"{APART} sh -c 'mount --bind /srv/debian11 /etc/os-release; {INSTALL}'", "Debian 11 is not supported"),
        (f"PATH=/srv:$PATH {INSTALL}", "python3 is Python 3.9.2"),
        (f"{APART} sh -c 'mount -t tmpfs -o size=50M tmpfs /opt; {INSTALL}'", "50 MB are free in /opt"),
        (f"unshare --net {INSTALL}", "ping debian.org"),
        ("/srv/project/install.sh --upgrade --yes", "Nothing is installed yet"),
        ("rm /srv/project/Pipfile.lock; " + INSTALL, "is incomplete: 'Pipfile.lock' is missing"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_and_changes_nothing(machine, command, words):
    before = changed(machine)
    refused = machine.run(f"cp /lab/project/Pipfile.lock /srv/project; {command}", check=False)
    machine.run("cp /lab/project/Pipfile.lock /srv/project")
    assert refused.returncode != 0
    assert words in refused.stderr
    assert changed(machine) == before


def test_it_needs_root(machine):
    refused = machine.run("/lab/project/install.sh --yes", user="nobody", check=False)
    assert refused.returncode != 0
    assert "sudo" in refused.stderr


def test_a_32_bit_system_is_told_what_it_does_not_get(machine):
    before = changed(machine)
    dpkg = "#!/bin/sh\n[ $1 = --print-architecture ] && echo armhf || exec /usr/bin/dpkg $@\n"
    machine.run(f"mkdir /srv/32; printf '{dpkg}' > /srv/32/dpkg; chmod +x /srv/32/dpkg")
    without_network = "unshare --net /srv/project/install.sh --yes"
    said = machine.run(f"PATH=/srv/32:$PATH {without_network}", check=False)
    assert "InfluxDB 2 and Grafana are not available for it" in said.stdout
    assert "the image influxdb:1.8.10 still runs" in said.stdout
    assert steps(said.stdout)[-1] == "Debian packages"
    assert changed(machine) == before


@pytest.mark.parametrize("port", [8086, 3000])
def test_a_port_that_is_taken_is_named_before_anything_is_done(machine, port):
    before = changed(machine)
    machine.run(f"systemd-run --unit=taken{port} python3 -m http.server --bind 127.0.0.1 {port}")
    machine.wait_for(lambda: machine.ask(f"ss -Hltn sport = :{port}"), "it is taken")
    refused = machine.run("/srv/project/install.sh --yes", check=False)
    machine.run(f"systemctl stop taken{port}")
    assert refused.returncode != 0
    assert f"Port {port} is used" in refused.stderr
    assert changed(machine) == before


def test_killed_at_each_step_and_run_again_it_completes(machine):
    for step, after_s in KILLS:
        kill_in(machine, INSTALL, step, after_s)
        assert machine.ask("find /etc/energy-monitor/config.yaml -empty") == ""
    told = steps(machine.run(INSTALL).stdout)
    assert [each for each in told if each in dict(KILLS)] == list(dict(KILLS))
    wait_for_state(machine, "meter1", "alive")
    assert machine.ask("find /etc /opt /usr/local /var/lib/energy-monitor -name '*.new'") == ""
    assert "Nothing to do" in machine.run(INSTALL).stdout


def test_without_network_a_release_is_not_begun(machine):
    bring(machine, "next", "0.1.1")
    before = changed(machine)
    refused = machine.run("unshare --net /srv/next/install.sh --upgrade", check=False)
    assert refused.returncode != 0
    assert "ping python.org" in refused.stderr
    assert changed(machine) == before
    wait_for_state(machine, "meter1", "alive")


def test_two_at_a_time_do_not_get_into_each_others_way(machine):
    refused = machine.run(f"flock /run/energy-monitor-install.lock {INSTALL}", check=False)
    assert refused.returncode != 0
    assert "Another install.sh is running" in refused.stderr


def test_a_machine_with_little_memory_is_offered_what_helps(machine):
    machine.run(
        "mkdir -p /boot/firmware; echo 'console=tty1 rootwait' > /boot/firmware/cmdline.txt"
    )
    machine.run("printf 'MemTotal:  921600 kB\\nMemAvailable: 500000 kB\\n' > /srv/meminfo")
    on_a_small_pi = f"{APART} sh -c 'mount --bind /srv/meminfo /proc/meminfo; /srv/project/install.sh --no-docker %s'"
    assert "1 GB of memory is little" in machine.run(on_a_small_pi % "").stdout
    assert "cgroup" not in machine.run("cat /boot/firmware/cmdline.txt").stdout
    said = machine.run(on_a_small_pi % "--yes").stdout
    assert "sudo reboot" in said
    assert (
        machine.run("cat /boot/firmware/cmdline.txt").stdout
        == "console=tty1 rootwait cgroup_enable=memory\n"
    )
    assert (
        "[zram0]"
        in machine.run("cat /etc/systemd/zram-generator.conf.d/energy-monitor.conf").stdout
    )
    assert "Nothing to do" in machine.run(on_a_small_pi % "--yes").stdout
    machine.run("/srv/project/install.sh --uninstall --purge --yes")
    assert machine.run("cat /boot/firmware/cmdline.txt").stdout == "console=tty1 rootwait\n"
