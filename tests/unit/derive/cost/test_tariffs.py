"""``tariffs.yaml``: how contracts are written, and the sentence for each mistake."""

import re
from datetime import date
from pathlib import Path

import pytest

from collector.derive.cost.check import load
from collector.derive.cost.tariffs import read
from collector.errors import ConfigFault
from tests.unit.derive.cost.house import contracts_of

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/tariffs.md").read_text()
EXAMPLES = re.findall(r"^## (.+?)\n.*?```yaml\n(.+?)```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_example_of_the_page_can_be_read():
    assert len(EXAMPLES) == 7
    for _, text in EXAMPLES:
        assert contracts_of(text)


def one(text):
    (contract,) = contracts_of(f"contracts:\n  - {{from: 2026-01-01, currency: EUR, {text}}}")
    return contract


def test_hours_days_and_months_may_go_over_their_end():
    (line,) = one(
        "energy: [{price: 1, hours: '22:00-06:00, 12:15-12:45', days: sat-mon, months: nov-feb}]"
    ).energy
    assert line.hours == {*range(88, 96), *range(24), 49, 50}
    assert line.days == {5, 6, 0}
    assert line.months == {11, 12, 1, 2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vat: 0.1", "'0.1' is not a percentage such as 10%"),
        ("currency: Euro", "'Euro' is not a currency of ISO 4217 such as EUR"),
        ("standing: 12.80", "'12.80' is not accepted: such as 0.42/day, 12.80/month or 150/year"),
        ("peak: {price: 3/kW/day}", "a peak has a price per month or year"),
        ("peak: {price: 3/month}", "'3/month' is not accepted: such as 3.39/kW/month"),
        ("energy: [{price: '0,1450'}]", "'0,1450' is not a number such as 0.1450"),
        ("energy: [{price: cheap}]", "'cheap' is not a number such as 0.1450"),
        ("energy: [{price: 1e9999}]", "'1e9999' is not a number"),
        ("energy: [{price: [0.18, 0.24 from 20/day, 0.31 from 10/day]}]",
         "tiers must rise: '0.31 from 10/day' does not begin above 20 kWh"),
        ("energy: [{price: [0.18, 0.24 from 20/day, 0.31 from 30/month]}]",
         "all tiers of a list are per day or none"),
        ("energy: [{price: [0.18, 0.24]}]", "'0.24' is not a tier such as '0.24 from 10/day'"),
        ("energy: [{price: {source: spot, time: 1}}]", "unknown option; did you mean 'times'?"),
        ("energy: [{price: 1, days: mon-fry}]",
         "'fry' is not a day: one of mon, tue, wed, thu, fri, sat, sun; did you mean 'fri'?"),
        ("energy: [{price: 1, hours: 8-19}]", "'8' is not a time such as 08:00"),
        ("energy: [{price: 1, hours: 08:10-19:00}]", "full quarter hours, such as 08:15"),
        ("energy: [{price: 1, hours: 24:15-19:00}]", "'24:15' is not a time such as 08:00"),
        ("energy: [{price: 1, hours: 08:00-08:00}]", "is no time at all"),
        ("energy: [{price: 1, register: t5}]", "'t5' is not accepted: one of"),
        ("export: bnak", "'bnak' is not a number such as 0.1450 .*; or 'bank'"),
        ("export: {bank: true, true_up: 02-30}", "'02-30' is not a day of the year"),
        ("holidays: Italy", "'Italy' is not a country such as IT or CA-ON"),
        ("holidays: [2026-02-30]", "'2026-02-30' is not a day such as 2026-01-31"),
        ("billing_day: 31", "from 1 to 28"),
        ("untill: 2026-12-31", "unknown option; did you mean 'until'?"),
    ],
)  # fmt: skip
def test_a_mistake_has_a_sentence_that_says_what_is_accepted(text, sentence):
    text = text if text.startswith("currency") else f"currency: EUR, {text}"
    with pytest.raises(ConfigFault, match=sentence):
        contracts_of(f"contracts:\n  - {{from: 2026-01-01, {text}}}")


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    file = tmp_path / "tariffs.yaml"
    file.write_text(
        "contracts:\n"
        "  - from: 2026-13-01\n"
        "    currency: EUR\n"
        "    energy:\n"
        "      - {name: a, price: 0.1, days: mon-fry}\n"
        "      - {name: b, prise: 0.1}\n"
        "    standing:\n"
        "      - {amount: 3}\n"
    )
    with pytest.raises(ConfigFault) as raised:
        load(file)
    assert [(each.line, each.path) for each in raised.value.faults] == [
        (2, "contracts.0.from"),
        (5, "contracts.0.energy.0.days"),
        (6, "contracts.0.energy.1.prise"),
        (6, "contracts.0.energy.1"),
        (8, "contracts.0.standing.0.amount"),
    ]


def test_a_contract_ends_the_day_before_the_next_begins_meter_by_meter(tmp_path):
    file = tmp_path / "tariffs.yaml"
    file.write_text(
        "contracts:\n"
        "  - {from: 2026-06-01, currency: EUR, name: second, meter: mains}\n"
        "  - {from: 2026-01-01, currency: EUR, name: first, meter: mains}\n"
        "  - {from: 2026-03-01, currency: EUR, name: other, meter: heatpump}\n"
    )
    tariffs = read(file)
    assert tariffs.meters() == ["mains", "heatpump"]
    assert [(each.name, each.last) for each in tariffs.of("mains")] == [
        ("first", date(2026, 5, 31)),
        ("second", date.max),
    ]


def test_a_file_without_contracts_is_told(tmp_path):
    file = tmp_path / "tariffs.yaml"
    file.write_text("contracts: []\n")
    with pytest.raises(ConfigFault, match="no contract, no bill"):
        load(file)
