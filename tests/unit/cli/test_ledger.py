"""``energy-monitor ledger``: what it shows of a house, and a ledger made again while it runs."""

import json
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from collector.journal.journal import Journal
from collector.ledger import rebuilt
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.reading import Reading, encode
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for
from tests.unit.derive.energy.house import MINUTE, series
from tests.unit.ledger.test_rebuilt import everything

SILENT = "  pi: {type: host, every: 1h}\n"
ROME = ZoneInfo("Europe/Rome")


def at_ms(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=ROME).timestamp() * 1000)


@pytest.fixture
def house(tmp_path):
    """A house whose meter was read around midnight, and was away from Saturday to Monday."""
    file = configure(tmp_path, SILENT, extra="timezone: Europe/Rome\n")
    times = [at_ms("2026-01-09T23:58") + n * MINUTE for n in range(5)]
    back = [at_ms("2026-01-12T10:00") + n * MINUTE for n in range(3)]
    lines = [
        encode(Reading("energy", "mains", at, {"active_energy": 1000.0 + 30 * n}))
        for n, at in enumerate(times)
    ] + [
        encode(Reading("energy", "mains", at, {"active_energy": 5120.0 + n}))
        for n, at in enumerate(back)
    ]
    lines += [
        encode(Reading("energy", "shed", at, {"active_energy_import": n * 1.5, "from_power": 1.0}))
        for n, at in enumerate(back)
    ]
    with closing(create(tmp_path / "ledger" / "ledger.sqlite")) as made:
        rebuilt.fill(made, enumerate(lines, 1), Book())
    return file


def ledger(*words, file):
    return energy_monitor("ledger", *words, "--config", file)


def test_days_are_those_of_the_house_and_gaps_are_told_beside_them(house):
    done = ledger("show", "--since", "2026-01-09T12:00", "--device", "mains", file=house)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1][:4] == ["2026-01-09", "mains", "active_energy", "0.060"]
    assert lines[2][:4] == ["2026-01-10", "mains", "active_energy", "0.060"]
    assert lines[3][:4] == ["2026-01-12", "mains", "active_energy", "0.002"]
    assert done.stdout.splitlines()[4] == (
        "in no day: 4.000 kWh of mains active_energy, used between 2026-01-10 00:02 and "
        "2026-01-12 10:00"
    )


def test_a_month_holds_its_gaps(house):
    done = ledger("show", "--by", "month", "--since", "2026-01-09", "--json", file=house)
    found = json.loads(done.stdout)
    mains, shed = found["used"]
    assert (mains["wh"], mains["in_gaps_wh"]) == (4122.0, 4000.0)
    assert mains["begin"] == "2026-01-01T00:00:00+01:00"
    assert (shed["wh"], shed["estimated_wh"]) == (3.0, 3.0)
    assert found["gaps"] == []


def test_what_is_not_there_is_said(house):
    done = ledger("show", "--device", "mians", file=house)
    assert "no counter of 'mians' is known; did you mean 'mains'?" in done.stderr
    assert "nothing was counted" in ledger("show", "--since", "2026-06-01", file=house).stdout
    done = ledger("rebuild", "--from", "influxdb", file=house)
    assert "no output is an influxdb" in done.stderr


def test_it_is_made_again_from_the_journal_while_the_service_runs_or_not(tmp_path):
    file = configure(tmp_path, SILENT)
    journal = Journal(tmp_path / "journal", "boot", [], ["energy"])
    journal.open()
    journal.append([encode(each) for each in series(*[(n * MINUTE, n * 7.5) for n in range(300)])])
    journal.close()
    place = tmp_path / "ledger" / "ledger.sqlite"
    with collector(file):
        wait_for(lambda: place.exists() and ask(tmp_path)["derivations"]["energy"]["made"], "made")
        wait_for(lambda: ask(tmp_path)["derivations"]["energy"]["backlog"] == 0, "all is used")
    with closing(create(place)) as whole:
        known = whole.series("mains", "active_energy_import", "counter")
        rows = list(whole.quarters(known, 0, 1 << 40))
    before = everything(place)
    done = ledger("rebuild", "--from", "journal", file=file)
    assert "the ledger is made again from" in done.stdout, done.stderr
    assert everything(place)[0][0] == before[0][0]
    with closing(create(place)) as damaged, damaged.transaction():
        damaged.connection.execute("DELETE FROM days WHERE series = ?", [known.id])
    with collector(file):
        wait_for(lambda: ask(tmp_path), "it runs")
        done = ledger("rebuild", "--from", "journal", file=file)
        assert "the ledger is made again from" in done.stdout, done.stderr
        assert not rebuilt.is_ready(place)
    with closing(create(place)) as again:
        known = again.series("mains", "active_energy_import", "counter")
        assert list(again.quarters(known, 0, 1 << 40)) == rows
