"""InfluxDB and Grafana beside the demo: what is missing is said, and the past arrives."""

import socket
from contextlib import closing
from datetime import date

import pytest

from collector.config import load
from collector.demo import stack
from collector.demo.configuration import Place, configure
from collector.demo.household import Household
from collector.demo.upload import upload
from tests.servers import influxd

NETWORKED = ("tcp://127.0.0.1:8889", ("tcp://127.0.0.1:23", "http://127.0.0.1/DbXmlInfo.xml"))
BUILT = date(2026, 11, 26)


def script(folder, text):
    (folder / "docker").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "docker").chmod(0o755)


@pytest.mark.parametrize(
    ("docker", "sentence"),
    [
        ("", "Docker, which is not installed"),
        ('test "$1" != compose', "Compose plugin: sudo apt install"),
        ('test "$1" != info', "daemon does not answer"),
    ],
)
def test_what_grafana_lacks_is_one_sentence(monkeypatch, tmp_path, docker, sentence):
    if docker:
        script(tmp_path, docker)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sentence in stack.why_not()


def test_a_port_that_is_taken_is_said(monkeypatch, tmp_path):
    script(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        port = door.getsockname()[1]
        monkeypatch.setattr(stack, "PORTS", {port: "Grafana"})
        assert f"port {port} for Grafana, which another program has" in stack.why_not()
    assert stack.why_not() == ""


def test_the_past_of_the_house_arrives_in_every_bucket(tmp_path):
    household = Household(1, "Europe/Rome", BUILT)
    until = household.begin + 2 * 86400
    with influxd.running(tmp_path, set_up=False) as server:
        place = Place("Europe/Rome", BUILT, until)
        folder = tmp_path / "demo"
        folder.mkdir()
        file = configure(folder, place, *NETWORKED, stack.outputs(server.url))
        stack.set_up(file)
        upload(load(file), household, until)
        token = (folder / "secrets" / "influxdb-admin-token").read_text().strip()
        where = "where device = 'mains' and site = 'demo'"
        ((_, rows),) = server.query(
            f"select count(active_energy_import) from electricity {where}", "energy", token
        )
        assert rows == 2 * 96 - 1
        ((_, watts),) = server.query(
            f"select count(active_power_mean) from electricity_1h {where}", "energy-1h", token
        )
        assert watts >= 46
        used = server.query(
            f"select active_energy_import_used from energy_1d {where}", "energy-1d", token
        )
        exact = household.house.energy(household.begin, household.begin + 86400)["import"]
        assert used[0][1] == pytest.approx(exact, rel=0.02)
