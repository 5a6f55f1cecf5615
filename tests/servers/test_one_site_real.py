"""Two installations with one name of a site, at real servers that several houses share."""

import logging
import time

import pytest

from collector.contract import Context
from collector.errors import OutputAway
from collector.lines.serial import Lines
from collector.outputs.influxdb.output import InfluxDB, InfluxDBOptions
from collector.reading import Reading, encode
from collector.secrets import Secret
from tests.fakes.running import wait_for
from tests.servers import influxd, victoria


@pytest.fixture(scope="module", params=["influxdb 2", "victoriametrics"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    if request.param == "victoriametrics":
        with victoria.running(folder) as running:
            yield running.url, "energy", "any"
    else:
        with influxd.shared(folder) as running:
            yield running.url, running.bucket, running.token


@pytest.fixture
def house(server, tmp_path):
    """Make the output of an installation."""
    url, bucket, token = server
    (tmp_path / "token").write_text(token)

    def house(installation, site, *, may_read=True):
        secret = Secret("token", tmp_path)
        options = InfluxDBOptions(
            type="influxdb",
            url=url,
            org=influxd.ORG,
            bucket=bucket,
            token=secret,
            read_token=secret if may_read else None,
        )
        context = Context(site, Lines(), tmp_path, tmp_path, installation=installation)
        return InfluxDB("history", options, context)

    return house


def reading():
    at_ms = int(time.time()) * 1000 - 40_000  # VictoriaMetrics answers half a minute late
    return [encode(Reading("electricity", "mains", at_ms, {"voltage": 230.0}))]


def deliver(output):
    output.open()
    output.write(reading())


def test_a_newcomer_with_the_name_of_another_house_is_refused_and_that_one_goes_on(house):
    first, second = house("a" * 16, "home"), house("b" * 16, "home")
    deliver(first)
    wait_for(lambda: second.marks("15m"), "the mark is seen")
    with pytest.raises(OutputAway, match=r"another installation .aaaaaaaaaaaaaaaa. .*'home'"):
        second.open()
    deliver(first)
    deliver(house("b" * 16, "cabin"))


def test_two_that_know_each_other_too_late_are_both_told(house, caplog):
    first, second = house("a" * 16, "farm"), house("b" * 16, "farm")
    deliver(first)
    second.is_mark_due = True  # both began at the same moment
    second.write(reading())
    wait_for(lambda: len(second.marks("15m") or ()) == 2, "both marks are seen")
    with caplog.at_level(logging.WARNING):
        deliver(first)
        deliver(second)
        deliver(second)
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == 2
    assert all("give one of them another 'site'" in each for each in said)


def test_an_installation_that_may_not_read_leaves_no_mark_and_asks_nothing(house):
    deliver(house("c" * 16, "hut", may_read=False))
    deliver(house("d" * 16, "hut", may_read=False))
    assert not house("e" * 16, "hut").marks("15m")
