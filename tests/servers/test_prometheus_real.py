"""A real Prometheus scrapes the real program: the same values, and nothing of what is over."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from tests.bench.lateness import house_words
from tests.fakes.page import PASSWORD, a_house, options_with, serving
from tests.fakes.pty_line import paced_line
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for, wait_for_reads
from tests.servers import prometheus
from tests.servers.influxd import free_port

MAINS = (
    "  mains: {{type: modbus, line: {line}, serial: {{parity: none}}, model: orno-we-515,"
    " address: 1, every: 1s}}\n"
)
EVERY_S = 5  # as long as a value that is read each second lasts
LATE_S = 30


def config(port, every_s=1, more=""):
    return (
        f"global: {{scrape_interval: {every_s}s, scrape_timeout: 1s}}\n"
        f"scrape_configs:\n- job_name: energy-monitor\n{more}"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    )


def until(condition, what, within_s=LATE_S):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {within_s} s in vain until {what}")


def series(name, **labels):
    return tuple(sorted({"__name__": f"energy_monitor_{name}", "site": "home", **labels}.items()))


def scraped(server):
    """Return in how many scrapes there was a voltage."""
    (count,) = server.query("count_over_time(energy_monitor_voltage_volts[5m])").values()
    return count


@pytest.mark.slow
def test_it_has_the_values_of_the_meter_and_none_once_that_is_unplugged(tmp_path):
    prometheus.program("prometheus")
    port, folder = free_port(), tmp_path / "house"
    with contextlib.ExitStack() as house, contextlib.ExitStack() as plug:
        line = plug.enter_context(paced_line({1: house_words()}))
        file = configure(folder, MAINS.format(line=line.path), port=port)
        house.enter_context(collector(file))
        wait_for_reads(folder, "mains", 2)
        server = house.enter_context(prometheus.running(tmp_path, config(port, EVERY_S)))
        found = until(lambda: server.query('{device="mains"}'), "it is scraped")
        wanted = ask(folder)["sources"]["mains"]["latest"]["mains"]["values"]
        assert found[series("voltage_volts", device="mains")] == wanted["voltage"]
        assert found[series("active_power_watts", device="mains")] == wanted["active_power"]
        joules = found[series("active_energy_joules_total", device="mains")]
        assert joules == pytest.approx(wanted["active_energy"] * 3600, rel=1e-15)
        assert server.query("energy_monitor_up") == {series("up", source="mains"): 1}
        plug.close()
        before = scraped(server)
        until(lambda: not server.query("energy_monitor_voltage_volts"), "it is stale")
        assert scraped(server) - before <= 1  # the second scrape has found nothing
        assert server.query("energy_monitor_reading_timestamp_seconds")
        until(lambda: 0 in server.query("energy_monitor_up").values(), "it is down")


def test_a_device_that_is_no_longer_shown_is_stale_with_the_next_scrape(tmp_path):
    devices = a_house(2)
    with (
        serving(show=lambda: devices, kept_s=0) as options,
        prometheus.running(tmp_path, config(options.port)) as server,
    ):
        until(lambda: len(server.query("energy_monitor_voltage_volts")) == 2, "it is scraped")
        devices[1].pop()
        until(lambda: len(server.query("energy_monitor_voltage_volts")) == 1, "one is stale", 5)


def test_it_brings_the_password_that_is_wanted(tmp_path):
    login = f"  basic_auth: {{username: prometheus, password: {PASSWORD}}}\n"
    with (
        serving(options_with(tmp_path)) as options,
        prometheus.running(tmp_path, config(options.port, more=login)) as server,
    ):
        until(lambda: server.query("energy_monitor_up"), "it is let in")


def test_a_taken_port_stops_no_reading_and_is_said_in_status_and_served_when_free(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = configure(tmp_path, "  house: {type: simulated}\n", port=port)
        with collector(file):
            wait_for_reads(tmp_path, "house", 2)
            problem = wait_for(lambda: ask(tmp_path)["problems"], "it is said")
            assert f"port {port} is used by another program" in problem[0]
            shown = energy_monitor("status", "--config", file)
            assert shown.returncode == 1
            assert f"port {port} is used by another program" in shown.stdout
            taken.close()
            wait_for(lambda: ask(tmp_path)["page"]["state"] == "serving", "it is served")
            shown = energy_monitor("status", "--config", file)
            assert (shown.returncode, f"page: http://127.0.0.1:{port}" in shown.stdout) == (
                0,
                True,
            )


def test_an_address_for_all_without_a_password_is_refused_with_what_to_do(tmp_path):
    extra = "page: {port: 9992, address: 0.0.0.0}\n"
    file = configure(tmp_path, "  house: {type: simulated}\n")
    file.write_text(file.read_text().replace("page: {port: 0}\n", extra))
    for word in ("run", "check"):
        ended = energy_monitor(word, "--config", file)
        assert ended.returncode == 78
        assert "page.address" in ended.stderr
        assert "sudo energy-monitor secret set page-password" in ended.stderr


def test_without_a_port_nothing_is_served_and_no_server_is_loaded(tmp_path):
    file = configure(tmp_path, "  house: {type: simulated}\n")
    with collector(file):
        wait_for_reads(tmp_path, "house")
        assert ask(tmp_path)["page"] == {
            "url": "",
            "state": "off",
            "since_ms": 0,
            "last_error": "",
        }
    loads = "import sys, collector.cli.run, collector.run.service; print('waitress' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loads], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
