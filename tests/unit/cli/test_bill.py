"""``energy-monitor bill`` over a ledger of a year."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.reading import Reading, encode
from tests.fakes.ledger_of_a_year import add_gap, write

CONFIG = """
timezone: Europe/Brussels
data_dir: data
sources: {mains: {type: simulated, part: fridge}}
"""
TARIFFS = """
contracts:
  - from: 2024-01-01
    name: Trend
    currency: EUR
    vat: 10%
    standing: 0.42/day
    energy:
      - {name: F1, price: 0.1450, days: mon-fri, hours: 08:00-19:00}
      - {name: F3, price: 0.1180}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "tariffs.yaml").write_text(TARIFFS)
    return tmp_path


def ledger(folder, *meters):
    return write(folder / "data/ledger/ledger.sqlite", meters, 2025, 60)


def bill(folder, *arguments, status=0):
    done = CliRunner().invoke(main, ["bill", "--config", str(folder / "config.yaml"), *arguments])
    assert done.exit_code == status, done.output
    return done.output


def test_a_bill_has_a_line_for_each_name_and_says_how_much_was_measured(folder):
    file = ledger(folder, "mains")
    begin, end = datetime(2025, 2, 10, 8), datetime(2025, 2, 10, 12, 10)  # noqa: DTZ001  UTC
    add_gap(file, "mains", begin, end, 2_100_000_000)
    assert bill(folder, "--month", "2025-02").splitlines() == [
        "mains, 2025-02-01 to 2025-02-28, EUR",
        "",
        "NAME               QUANTITY         PRICE  AMOUNT",
        "F1                  130.606  kWh   0.1450   18.94",
        "F3                  267.201  kWh   0.1180   31.53",
        "standing charge          28  days  0.4200   11.76",
        "net                                         62.23",
        "VAT 10 % of 62.23                            6.22",
        "total                                       68.45",
        "",
        (
            "measured 99.4 % of the time; gaps 4 h 10 min: 2.1 kWh booked by the counter, "
            "not by hour (shared over each gap by time)"
        ),
    ]


def test_a_bill_for_programs_has_its_amounts_as_text(folder):
    ledger(folder, "mains")
    found = json.loads(bill(folder, "--day", "2025-02-10", "--json"))["bills"][0]
    assert (found["first"], found["last"], found["currency"]) == ("2025-02-10", "2025-02-10", "EUR")
    assert [(each["name"], each["amount"]) for each in found["rows"]][2] == (
        "standing charge",
        "0.42",
    )
    assert (found["measured"], found["gap_s"], found["notes"]) == (1, 0, [])


def test_other_contracts_are_compared_over_the_same_past(folder):
    ledger(folder, "mains")
    (folder / "other.yaml").write_text(TARIFFS.replace("0.42/day", "0.32/day"))
    text = bill(folder, "--month", "2025-02", "--with", str(folder / "other.yaml"))
    assert text.splitlines()[-1] == "other.yaml would have cost 3.08 EUR less"


def test_which_meter_is_billed_must_be_clear(folder):
    ledger(folder, "heatpump", "mains")
    assert "The ledger has heatpump, mains; name one with --meter" in bill(folder, status=1)
    assert "did you mean 'mains'?" in bill(folder, "--meter", "main", status=1)
    assert bill(folder, "--month", "2025-02", "--meter", "mains").startswith("mains, ")


def test_what_is_missing_is_told(folder):
    assert "there is no ledger yet" in bill(folder, status=1)
    (folder / "tariffs.yaml").unlink()
    assert "tariffs.yaml is not there: it holds your contracts" in bill(folder, status=1)


def test_a_month_is_written_as_one(folder):
    assert "'2026-1' is not a month; write 2026-10" in bill(folder, "--month", "2026-1", status=2)
    assert "exclude each other" in bill(folder, "--day", "2026-01-01", "--year", "2026", status=2)


BEGIN_MS = round(datetime(2025, 2, 10, 11, tzinfo=UTC).timestamp() * 1000)


def booked(folder, *readings):
    """Book *readings*, as the service does."""
    ledger, book = create(folder / "data/ledger/ledger.sqlite"), Book()
    for each in readings:
        book.take(encode(each))
    with ledger.transaction():
        book.write(ledger)
    ledger.close()


def spot(price):
    values = {"price": price, "price_length": 3600.0, "currency": 978.0}
    return Reading("price", "spot", BEGIN_MS, values)


def energy(**values):
    first = Reading("energy", "mains", BEGIN_MS, dict.fromkeys(values, 1000.0))
    last = {name: 1000.0 + value for name, value in values.items()}
    return first, Reading("energy", "mains", BEGIN_MS + 120_000, last)


def amounts(folder):
    (found,) = json.loads(bill(folder, "--day", "2025-02-10", "--json"))["bills"]
    return {each["name"]: each["amount"] for each in found["rows"]}


def test_a_price_that_is_corrected_later_changes_the_day_that_it_is_for(folder):
    line = "  - {from: 2025-01-01, currency: EUR, energy: [{name: spot, price: {source: spot}}]}\n"
    (folder / "tariffs.yaml").write_text(f"contracts:\n{line}")
    booked(folder, *energy(active_energy_import=10_000.0), spot(0.2))
    assert amounts(folder) == {"spot": "2.00"}
    booked(folder, spot(-0.1))
    assert amounts(folder) == {"spot": "-1.00"}


def test_registers_and_export_are_those_that_the_meter_counts(folder):
    (folder / "tariffs.yaml").write_text(
        "contracts:\n"
        "  - from: 2025-01-01\n"
        "    currency: EUR\n"
        "    energy:\n"
        "      - {name: low, price: 0.10, register: t1}\n"
        "      - {name: high, price: 0.20, register: t2}\n"
        "    export: 0.05\n"
    )
    counted = {"active_energy_import": 30_000.0, "active_energy_export": 40_000.0}
    registers = {"active_energy_import_t1": 10_000.0, "active_energy_import_t2": 20_000.0}
    booked(folder, *energy(**counted, **registers))
    assert amounts(folder) == {"low": "1.00", "high": "4.00", "export": "-2.00"}
