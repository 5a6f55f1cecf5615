"""``check`` finds what is wrong with contracts that can all be read, each with its line."""

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.contract import extras
from collector.derive.cost import check
from collector.derive.cost.holidays import Holidays
from collector.derive.cost.tariffs import read
from collector.errors import ConfigFault
from tests.fakes.ledger_of_a_year import write

KNOWN = check.Known({"spot"}, {"mains": {"t1", "t2"}})


def looked(tmp_path, text, known=KNOWN):
    """Return what is said, as 'line: sentence', faults first."""
    file = tmp_path / "tariffs.yaml"
    file.write_text(f"contracts:\n{text}")
    tariffs = read(file)
    assert tariffs.faults.found == []
    advice = check.look(tariffs, known, Holidays(tmp_path / "holidays.json"))
    faults = [f"{each.line}: {each.message}" for each in tariffs.faults.found]
    return [*faults, *(each.removeprefix(f"{file}:") for each in advice)]


def lines_of(text):
    return f"  - from: 2026-01-01\n    currency: EUR\n{text}"


def test_contracts_that_are_right_are_silent(tmp_path):
    text = lines_of(
        "    holidays: IT\n"
        "    energy:\n"
        "      - {price: 1, hours: 08:00-19:00}\n"
        "      - {price: {source: spot}}\n"
    )
    assert looked(tmp_path, text) == []


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("from: 2026-01-01, until: 2026-03-30", "from: 2026-04-01",
         "3: gap: no contract holds from 2026-03-31 to 2026-03-31"),
        ("from: 2026-01-01, name: old, until: 2026-04-01", "from: 2026-04-01",
         "3: overlap: 'old' holds until 2026-04-01; let it end on 2026-03-31"),
        ("from: 2026-01-01, name: old", "from: 2026-01-01",
         "3: overlap: 'old' also begins on 2026-01-01"),
    ],
)  # fmt: skip
def test_a_gap_or_an_overlap_between_contracts_is_told(tmp_path, one, other, said):
    text = f"  - {{{one}, currency: EUR}}\n  - {{{other}, currency: EUR}}\n"
    assert looked(tmp_path, text) == [said]


def test_contracts_of_two_meters_do_not_overlap(tmp_path):
    text = (
        "  - {from: 2026-01-01, currency: EUR, meter: mains}\n"
        "  - {from: 2026-01-01, currency: EUR, meter: heatpump}\n"
    )
    assert looked(tmp_path, text, check.Known(())) == []


def test_hours_that_nobody_prices_are_told(tmp_path):
    text = lines_of(
        "    energy:\n"
        "      - {price: 1, days: mon-fri}\n"
        "      - {price: 1, days: sat, hours: 00:00-09:30}\n"
        "      - {price: 1, days: sat, hours: 13:00-24:00}\n"
        "      - {price: 1, days: sun}\n"
    )
    (said,) = looked(tmp_path, text)
    assert said.startswith("4: nobody prices sat 09:30-13:00 in jan, of 3.5 hours a week in all")


def test_a_summer_contract_needs_no_prices_for_winter(tmp_path):
    text = (
        "  - {from: 2026-06-01, until: 2026-08-31, currency: EUR, "
        "energy: [{price: 1, months: jun-aug}]}\n"
    )
    assert looked(tmp_path, text) == []


def test_a_currency_that_changes_within_a_billing_month_is_told(tmp_path):
    text = (
        "  - {from: 2025-01-01, currency: BGN, billing_day: 15}\n"
        "  - {from: 2026-01-01, currency: EUR, billing_day: 15}\n"
    )
    assert looked(tmp_path, text) == [
        "3: the currency changes within the billing month from 2025-12-15: it has no bill"
    ]
    assert looked(tmp_path, text.replace("billing_day: 15", "billing_day: 1")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("    energy:\n      - {price: {source: sport}}\n",
         "5: no source of prices has the name 'sport'; did you mean 'spot'?"),
        ("    energy:\n      - {price: 1, register: t3}\n",
         "5: mains has no register 't3' in the ledger; it has t1, t2"),
        ("    energy:\n      - {price: 1, register: t1}\n      - {price: 1}\n",
         "6: the other lines name a register: all do, or none"),
        ("    energy:\n      - {price: 1, register: t1, days: sun}\n",
         "5: a register takes the place of days, hours and months; leave those out"),
        ("    meter: main\n", "4: the ledger has no meter 'main'; did you mean 'mains'?"),
        ("    peak:\n      price: 3/kW/month\n      over: 20m\n",
         "4: a peak is the mean over 15m, 30m or 1h"),
        ("    export: bank\n    energy:\n      - {price: [1, 2 from 10/day]}\n",
         "6: with a bank, prices are fixed or have tiers per month: it is settled by the month"),
        ("    holidays: XQ\n", "4: 'XQ' is not a country or part of one with known holidays"),
        ("    holidays: CA-OM\n", "4: 'CA-OM' is not a country or part of one with known holidays"),
    ],
)  # fmt: skip
def test_what_the_house_does_not_have_is_told_with_its_line(tmp_path, text, said):
    (found,) = looked(tmp_path, lines_of(text))
    assert found.startswith(said)


def test_no_bill_is_made_with_what_cannot_be_meant(tmp_path):
    file = tmp_path / "tariffs.yaml"
    file.write_text("contracts:\n" + lines_of("    peak: {price: 3/kW/month, over: 20m}\n"))
    with pytest.raises(ConfigFault, match="15m, 30m or 1h"):
        check.load(file)


CONFIG = "data_dir: data\nsources: {spot: {type: simulated, part: fridge}}\n"


def checked(tmp_path, status, *more):
    arguments = ["check", "--config", str(tmp_path / "config.yaml"), *more]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == status, done.output
    return done.output


def test_the_command_tells_them_with_the_faults_of_the_configuration(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG + "timezone: Nowhere\n")
    file = tmp_path / "tariffs.yaml"
    file.write_text("contracts:\n" + lines_of("    vat: 10\n"))
    said = checked(tmp_path, 78)
    assert f"{file}:4: contracts.0.vat: '10' is not a percentage such as 10%" in said
    assert "'Nowhere' is not a time zone" in said
    (tmp_path / "config.yaml").write_text(CONFIG)
    write(tmp_path / "data/ledger/ledger.sqlite", ["mains"], days=1)
    file.write_text(
        "contracts:\n"
        "  - {from: 2026-01-01, until: 2026-03-30, name: old, currency: EUR}\n"
        "  - {from: 2026-04-01, name: new, meter: mains, currency: EUR}\n"
    )
    said = checked(tmp_path, 0)
    assert f"advice: {file}:3: gap: no contract holds from 2026-03-31 to 2026-03-31" in said
    assert "  contracts: old, new" in said


def test_a_file_that_is_named_must_be_there_and_needs_its_extra(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text(CONFIG + "tariffs: mine.yaml\n")
    assert "config.yaml:3: tariffs: " in checked(tmp_path, 78)
    (tmp_path / "mine.yaml").write_text("contracts:\n" + lines_of("    holidays: IT\n"))
    monkeypatch.setattr(extras, "is_installed", lambda _: False)
    assert checked(tmp_path, 0, "--extras") == "holidays\n"
    assert "'IT' needs the extra 'holidays'" in checked(tmp_path, 78)
