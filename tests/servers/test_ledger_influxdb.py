"""A ledger made again from real InfluxDB servers is the one that the journal made."""

from contextlib import closing
from urllib.parse import urlencode

import pytest
import urllib3

from collector.ledger import rebuilt
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.reading import Reading, encode
from tests.fakes.running import configure, energy_monitor
from tests.servers import influxd
from tests.unit.derive.energy.house import BEGIN_MS, MINUTE, derivation
from tests.unit.derive.energy.test_truth import month
from tests.unit.ledger.test_rebuilt import everything

SILENT = "  pi: {type: host, every: 1h}\n"
WRITTEN_AT_ONCE = 5000


@pytest.fixture(scope="module")
def lines():
    """Return a journal: a meter with its energies and events, and a quick gauge."""
    it = derivation()
    readings: list[Reading] = []
    seen = set()
    for each in month(0, MINUTE, 3).readings:
        if each.at_ms in seen or (readings and each.at_ms <= readings[-1].at_ms):
            continue  # a database keeps one point for a time, and the order of times
        seen.add(each.at_ms)
        power = {"active_power": each.at_ms / 7 % 1000, "interval_energy": 5.1}
        length = {"interval_length": 900.0}
        shed = Reading("electricity", "shed", each.at_ms, power | length)
        readings += [*it.derive([each]), each, shed]
    return [encode(each) for each in readings]


def outputs(url, bucket, org):
    return (
        f"  history: {{type: influxdb, url: '{url}', bucket: {bucket}, org: '{org}', "
        "token: !secret t, read_token: !secret t}\n"
    )


def post(url, body, token):
    answer = urllib3.request(
        "POST", url, body=body, headers={"Authorization": f"Token {token}"}, timeout=60
    )
    assert answer.status == 204, answer.data


def house(folder, url, bucket, org, token):
    file = configure(folder, SILENT, outputs(url, bucket, org))
    (folder / "secrets").mkdir(mode=0o700)
    secret = folder / "secrets" / "t"
    secret.write_text(token)
    secret.chmod(0o600)
    return file


def is_the_same(folder, file, lines):
    ledger = folder / "ledger" / "ledger.sqlite"
    with closing(create(ledger)) as made:
        rebuilt.fill(made, enumerate(lines, 1), Book())
    before = everything(ledger)
    ledger.unlink()
    done = energy_monitor("ledger", "rebuild", "--from", "influxdb", "--config", file)
    assert "the ledger is made again from" in done.stdout, done.stderr
    assert everything(ledger)[:3] == before[:3]
    assert before[0][0]
    assert before[0][2]


def site(lines):
    return [line.replace(b" ", b",site=home ", 1) for line in lines]


def test_from_influxdb_1_it_is_the_same_to_the_last_digit(tmp_path, lines):
    server_folder = tmp_path / "server"
    server_folder.mkdir()
    with influxd.running_1(server_folder) as server:
        urllib3.request(
            "POST", f"{server.url}/query?{urlencode({'q': 'CREATE DATABASE energy'})}", timeout=60
        )
        sent = site(lines)
        for first in range(0, len(sent), WRITTEN_AT_ONCE):
            body = b"\n".join(sent[first : first + WRITTEN_AT_ONCE])
            post(f"{server.url}/write?db=energy&precision=ms", body, "x")
        file = house(tmp_path / "house", server.url, "energy/autogen", "home", "user:password")
        is_the_same(tmp_path / "house", file, lines)


def test_from_influxdb_2_it_is_the_same_to_the_last_digit(tmp_path, lines):
    server_folder = tmp_path / "server"
    server_folder.mkdir()
    with influxd.running(server_folder) as server:
        sent = site(lines)
        target = {"org": server.org, "bucket": server.bucket, "precision": "ms"}
        for first in range(0, len(sent), WRITTEN_AT_ONCE):
            body = b"\n".join(sent[first : first + WRITTEN_AT_ONCE])
            post(f"{server.url}/api/v2/write?{urlencode(target)}", body, server.token)
        file = house(tmp_path / "house", server.url, server.bucket, server.org, server.token)
        is_the_same(tmp_path / "house", file, lines)


def test_without_a_server_the_ledger_stays(tmp_path):
    url = f"http://127.0.0.1:{influxd.free_port()}"
    file = house(tmp_path, url, "energy", "home", "token")
    ledger = tmp_path / "ledger" / "ledger.sqlite"
    with closing(create(ledger)) as made:
        line = encode(Reading("energy", "mains", BEGIN_MS, {"active_energy": 1.0}))
        rebuilt.fill(made, [(1, line)], Book())
    before = everything(ledger)
    done = energy_monitor("ledger", "rebuild", "--from", "influxdb", "--config", file)
    assert done.returncode == 1
    assert f"InfluxDB at {url}" in done.stderr
    assert everything(ledger) == before
    assert not rebuilt.is_ready(ledger)
