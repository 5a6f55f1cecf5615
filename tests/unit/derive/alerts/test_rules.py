from pathlib import Path

import pytest

from collector import config
from collector.derive.alerts.defaults import project_rules
from collector.derive.alerts.rules import Wrong
from collector.errors import ConfigFault
from collector.run import wiring
from tests.fakes.running import configure
from tests.unit.derive.alerts.house import made_of, options_of

ROOT = Path(__file__).parents[4]
SOURCE = "  mains: {type: simulated}\n"


def test_the_project_has_fourteen_rules_each_with_words_and_advice():
    rules = made_of("").rules
    assert {each.name for each in rules} == project_rules().keys()
    assert len(rules) == 14
    assert all(each.meaning.text and each.meaning.advice for each in rules)
    assert {"overload", "collection-failing"} <= project_rules().keys()


def test_each_rule_is_in_the_documentation():
    text = (ROOT / "docs" / "alerts.md").read_text()
    for name in project_rules():
        assert f"| `{name}` |" in text


def test_a_rule_is_switched_off_or_changed_by_its_name():
    made = made_of("rules: {backlog: {off: true}, overload: {for: 2m, say: 'too much'}}")
    rules = {each.name: each for each in made.rules}
    assert "backlog" not in rules
    assert rules["overload"].times.for_ms == 120_000
    assert rules["overload"].meaning.text == "too much"
    assert rules["overload"].meaning.urgent
    assert made_of("defaults: false").rules == []


def test_a_rule_stands_behind_those_that_silence_it():
    text = "defaults: false, rules: {a: {when: b missing, unless: [c]}, c: {when: d missing}}"
    assert [each.name for each in made_of(text).rules] == ["c", "a"]


@pytest.mark.parametrize(
    ("rules", "option", "sentence"),
    [
        ("a: {when: 'm.active_power > 5 kW', clear: 6 kW}", "a.clear", "is beyond 'when'"),
        ("a: {when: 'm.voltage < 200', clear: 190}", "a.clear", "choose a value above 200 V"),
        ("a: {when: 'm.relay = 1', clear: 0}", "a.clear", "write a condition"),
        ("a: {when: 'm.active_power > 5 kW', clear: nonsense}", "a.clear", "DEVICE.QUANTITY"),
        ("overlaod: {for: 1m}", "overlaod", "did you mean 'overload'"),
        ("a: {when: m missing, unless: [backlogs]}", "a.unless", "did you mean 'backlog'"),
        ("a: {when: '*.voltage > 1 and b*.voltage > 1'}", "a.when", "one name with '*'"),
        ("a: {when: m missing, unless: [b]}, b: {when: m missing, unless: [a]}", "", "in a circle"),
        ("a.b: {when: m missing}", "a.b", "is not a name of a rule"),
    ],
)
def test_a_contradiction_is_refused_with_its_place(rules, option, sentence):
    with pytest.raises(Wrong) as refused:
        options_of(f"{{type: alerts, rules: {{{rules}}}}}").meanings()
    assert option in refused.value.option
    assert sentence in str(refused.value)


def written(folder, rules, outputs="", more=""):
    extra = f"derivations:\n  alerts:\n    type: alerts\n{more}    rules:\n{rules}"
    return configure(folder, SOURCE, outputs, extra=extra)


@pytest.mark.parametrize(
    ("rules", "line", "sentence"),
    [
        ("      hot: {when: mains.activ_power > 5}\n", 9, "did you mean 'active_power'"),
        (
            "      hot:\n        when: mains.active_power > 5 kW\n        clear: 6 kW\n",
            11,
            "beyond",
        ),
        ("      hot: {when: mains missing, to: [phoen]}\n", 9, "did you mean 'phone'"),
        ("      hot: {when: mains missing, to: [files]}\n", 9, "no output that sends messages"),
        ("      hot: {when: mains missing, fro: 1m}\n", 9, "did you mean 'for'"),
    ],
)
def test_check_names_the_line_of_a_mistake(rules, line, sentence, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "t").write_text("topic")
    outputs = (
        f"  phone: {{type: ntfy, topic: !secret t}}\n  files: {{type: file, folder: {tmp_path}}}\n"
    )
    file = written(tmp_path, rules, outputs)
    with pytest.raises(ConfigFault) as refused:
        wiring.check(config.read(file))
    (fault,) = refused.value.faults
    assert sentence in fault.message
    assert fault.line == line


def test_check_advises_where_no_source_has_the_name_of_a_device(tmp_path):
    file = written(tmp_path, "      hot: {when: mians.active_power > 5}\n")
    (said,) = (each for each in wiring.check(config.load(file)) if "rules" in each)
    assert f"{file}:9: derivations.alerts.rules.hot.when" in said
    assert "did you mean 'mains'" in said


def test_check_names_the_secret_that_a_target_lacks(tmp_path):
    file = configure(tmp_path, SOURCE, "  phone: {type: ntfy, topic: !secret phone-topic}\n")
    with pytest.raises(ConfigFault, match="phone-topic"):
        wiring.check(config.load(file))


def test_alerts_run_without_being_named_also_beside_an_output_of_that_name(tmp_path):
    assert list(config.load(configure(tmp_path, SOURCE)).derivations) == ["energy", "alerts"]
    outputs = "  alerts: {type: ntfy, topic: !secret t}\n"
    house = config.load(configure(tmp_path, SOURCE, outputs))
    assert list(house.derivations) == ["energy", "house-alerts"]
