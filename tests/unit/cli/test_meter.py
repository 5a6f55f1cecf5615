"""``energy-monitor meter``: what the owner says comes into the journal, and its effect out."""

import json
from datetime import UTC, datetime

import pytest

from collector.journal.journal import Journal
from collector.ledger.database import create
from collector.reading import encode
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for
from tests.unit.derive.energy.house import BEGIN_MS, MINUTE, counter, series

SILENT = "  pi: {type: host, every: 1h}\n"


def at(duration):
    return datetime.fromtimestamp((BEGIN_MS + duration) / 1000, UTC).isoformat()


@pytest.fixture
def house(tmp_path):
    """A house with a journal in which the meter was replaced by a smaller one."""
    file = configure(tmp_path, SILENT)
    values = [(0, 5000.5), (MINUTE, 5010.5), *[((2 + n) * MINUTE, 700.5 + n) for n in range(40)]]
    journal = Journal(tmp_path / "journal", "boot", [], ["energy"])
    journal.open()
    journal.append([encode(each) for each in series(*values)])
    journal.append([encode(counter(n * MINUTE, n, "active_energy_export")) for n in range(40)])
    journal.close()
    return file


def meter(*words, file):
    return energy_monitor("meter", *words, "--config", file)


def history(file):
    done = meter("history", "mains", "--json", file=file)
    return json.loads(done.stdout) if done.returncode == 0 else []


def test_a_replacement_that_is_told_is_counted_and_can_be_undone(house, tmp_path):
    with collector(house):
        wait_for(lambda: history(house), "the reset is in the ledger")
        words = ["mains", "--old-final", "5.0155", "--new-start", "700Wh", "--at", at(2 * MINUTE)]
        done = meter("replace", *words, file=house)
        assert done.returncode == 1
        assert "give --quantity one of active_energy_export, active_energy_import" in done.stderr
        done = meter("replace", *words, "--quantity", "active_energy_import", file=house)
        assert "noted" in done.stdout, done.stderr
        wait_for(lambda: ask(tmp_path)["derivations"]["energy"]["backlog"] == 0, "it is used")
    first, second = history(house)
    assert (first["number"], first["what"]) == (1, "reset")
    assert (second["number"], second["what"]) == (2, "replaced")
    assert second["values"]["event_correction"] == 5.0 + 0.5 - 700.5
    done = meter("undo", "mains", "1", file=house)
    assert "decision 1 is changed already, by decision 2" in done.stderr
    done = meter("undo", "mains", "2", file=house)
    assert "will be undone" in done.stdout, done.stderr
    with collector(house):
        wait_for(lambda: ask(tmp_path)["derivations"]["energy"]["backlog"] == 0, "it is used")
    assert [each["what"] for each in history(house)] == ["reset", "replaced", "undone"]
    shown = meter("history", "mains", file=house).stdout.splitlines()
    assert len(shown) == 3
    assert "  3  " in shown[2]
    assert shown[2].endswith("decision 2 is undone: -0.0055 kWh booked to its time")


def test_what_can_not_be_is_refused_with_a_sentence(house):
    done = meter("history", "mains", file=house)
    assert "there is no ledger yet" in done.stderr
    create(house.parent / "ledger" / "ledger.sqlite").close()
    words = ("--old-final", "1", "--new-start", "0")
    done = meter("replace", "mains", *words, file=house)
    assert "no counter of 'mains' is known; known: none" in done.stderr
    done = meter("undo", "mains", "7", file=house)
    assert "mains has no decision 7" in done.stderr
    done = meter("replace", "mains", "--old-final", "many", "--new-start", "0", file=house)
    assert "'many' is not an energy; write 12345.6 (kWh) or 300Wh" in done.stderr
    assert "nothing was decided" in meter("history", "mains", file=house).stdout


def test_a_day_to_come_is_refused(house):
    with create(house.parent / "ledger" / "ledger.sqlite").connection as connection:
        connection.execute("INSERT INTO series VALUES (1, 'mains', 'active_energy', 'counter')")
    words = ("--old-final", "1", "--new-start", "0", "--at", "2100-01-01")
    done = meter("replace", "mains", *words, file=house)
    assert "--at lies in the future" in done.stderr
