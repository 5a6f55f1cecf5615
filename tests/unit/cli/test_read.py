"""``energy-monitor read`` and ``status`` beside a running service, and without one."""

import json

from tests.fakes.running import collector, configure, energy_monitor, wait_for_reads

HOUSE = "  house: {type: simulated}\n"
GONE = "  gone: {type: modbus, line: /dev/does-not-exist, model: orno-we-515}\n"


def test_read_prints_what_the_running_service_has_read(tmp_path):
    file = configure(tmp_path, HOUSE + GONE)
    with collector(file):
        status = wait_for_reads(tmp_path, "house", 2)
        shown = energy_monitor("read", "house", "--json", "--config", file)
        first = json.loads(shown.stdout.splitlines()[0])
        assert first["device"] in status["sources"]["house"]["latest"]
        gone = energy_monitor("read", "gone", "--config", file)
        assert gone.returncode == 1
        assert "/dev/does-not-exist is not there" in gone.stderr
        status = energy_monitor("status", "--config", file).stdout
        assert "active_power" in status
    alone = energy_monitor("read", "house", "--json", "--config", file)
    assert json.loads(alone.stdout.splitlines()[0])["device"] == first["device"]


def test_a_source_that_the_service_does_not_know_yet_is_read_by_itself(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file):
        wait_for_reads(tmp_path, "house")
        configure(tmp_path, f"{HOUSE}  pi: {{type: host}}\n")
        shown = energy_monitor("read", "pi", "--config", file)
        assert "disk_free" in shown.stdout
