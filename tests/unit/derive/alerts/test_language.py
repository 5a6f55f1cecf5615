import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.derive.alerts.condition import Age, Comparison, Either, Every, Falls, leaves
from collector.derive.alerts.language import LONGEST, NoCondition, parse

POWER = "mains.active_power"


@pytest.mark.parametrize(
    ("text", "sign", "number"),
    [
        (f"{POWER} > 5 kW", ">", 5000),
        (f"{POWER}>5kW", ">", 5000),
        (f"{POWER} >= 5000", ">=", 5000),
        (f"{POWER} < -0.5 kW", "<", -500),
        ("room.temperature <= -12.5 °C", "<=", -12.5),
        ("collector/history.backlog_age > 1h", ">", 3600),
        ("host/pi.disk_free < 2 GB", "<", 2e9),
        ("host/pi.under_voltage = 1", "=", 1),
        ("battery.state_of_charge < 20 %", "<", 20),
        ("battery.state_of_charge != 20%", "!=", 20),
    ],
)
def test_a_comparison_is_in_the_unit_of_its_quantity(text, sign, number):
    found = parse(text)
    assert isinstance(found, Comparison)
    assert (found.sign, found.limit.number) == (sign, number)


@pytest.mark.parametrize(
    ("text", "of", "number"),
    [
        (f"{POWER} > 95 % of contract", "contract", 0.95),
        ("host/pi.disk_free < 10% of disk_used", "disk_used", 0.1),
        ("b.state_of_charge < discharge_floor", "discharge_floor", 1),
    ],
)
def test_a_limit_may_be_a_part_of_something(text, of, number):
    found = parse(text)
    assert isinstance(found, Comparison)
    assert (found.limit.of, found.limit.number) == (of, number)


def test_and_binds_closer_than_or_and_parentheses_closest():
    found = parse(f"{POWER} > 1 or {POWER} > 2 and {POWER} > 3")
    assert isinstance(found, Either)
    assert isinstance(found.parts[1], Every)
    found = parse(f"({POWER} > 1 or {POWER} > 2) and {POWER} > 3")
    assert isinstance(found, Every)
    assert len(list(leaves(found))) == 3


def test_ages_and_falls():
    found = [*leaves(parse("age of mains > 10 min or shed missing or *.active_energy falls"))]
    assert [type(each) for each in found] == [Age, Age, Falls]
    assert [each.limit.number for each in found[:2] if isinstance(each, Age)] == [600, 600]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a condition is empty"),
        ("mains", "expected DEVICE.QUANTITY"),
        ("mains.activ_power > 5", "not a quantity of the catalogue; did you mean 'active_power'?"),
        (f"{POWER} > 5 kV", "'kV' is not a unit of 'active_power': expected W, or kW"),
        (f"{POWER} > kW", "neither a number nor a quantity"),
        (f"{POWER} > 95 % of voltage", "'voltage' is in V, not in W"),
        (f"{POWER} =< 5", "neither a number"),
        (f"{POWER} > 5 W {POWER} < 3", "'and' or 'or' joins conditions"),
        (f"({POWER} > 5", "a ')' is missing"),
        (f"{POWER} >", "it ends too early"),
        (f"{POWER} > 5 and", "it ends too early"),
        ("age of mains > 10", "number with its unit"),
        ("ma*ns*.active_power > 5", "one '*' at most"),
        (f"{POWER} falls", "is not a counter"),
        ("mains.* > 5", "names quantities in"),
        ("host/pi.disk_free < 5 furlongs", "is not a unit of 'disk_free'"),
        ("a/b/c.active_power > 1", "is not a device"),
        ("m;rm.active_power > 1", "is not a device"),
        ("(" * 30 + f"{POWER} > 1" + ")" * 30, "at most 10 deep"),
        (" or ".join([f"{POWER} > 1"] * 100), "at most 500 characters"),
        ("__import__('os').system('x') > 1", "is not"),
    ],
)
def test_a_mistake_is_a_sentence(text, sentence):
    with pytest.raises(NoCondition) as refused:
        parse(text)
    assert sentence in str(refused.value)


WORDS = st.sampled_from(
    f"{POWER} *.active_energy age of and or ( ) > <= 5 kW 95% missing falls contract 10min * / . "
    "collector/a.silence".split(" ")
)


@given(st.one_of(st.text(max_size=LONGEST + 10), st.lists(WORDS, max_size=40).map(" ".join)))
def test_any_text_is_a_condition_or_a_sentence(text):
    try:
        found = parse(text)
    except NoCondition as error:
        said = str(error)
        assert 10 < len(said) < 2_000
    else:
        assert list(leaves(found))
