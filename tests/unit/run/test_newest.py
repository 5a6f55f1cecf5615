"""The newest reading of each device, out of any number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.reading import Reading, decode, encode
from collector.run import newest as module
from collector.run.newest import Newest

names = st.sampled_from(["voltage", "voltage_l1", "voltage_l2", "current"])
readings = st.builds(
    Reading,
    st.sampled_from(["electricity", "battery"]),
    st.sampled_from(["mains", "bank"]),
    st.integers(1, 9),
    st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), min_size=1),
)


@given(st.lists(st.lists(readings)))
def test_every_quantity_has_its_newest_value_and_every_device_its_last_time(batches):
    newest = Newest()
    values: dict[tuple[str, str], dict[str, tuple[int, float]]] = {}
    for batch in batches:
        newest.take([encode(each) for each in batch])
        for each in batch:
            kept = values.setdefault((each.kind, each.device), {})
            for name, value in each.values.items():
                if name not in kept or each.at_ms >= kept[name][0]:
                    kept[name] = each.at_ms, value
    found = [decode(line) for line in newest.lines()]
    assert {(each.kind, each.device): (each.at_ms, each.values) for each in found} == {
        key: (
            max(at for at, _ in kept.values()),
            {name: value for name, (_, value) in kept.items()},
        )
        for key, kept in values.items()
    }
    assert [each.at_ms for each in found] == sorted(each.at_ms for each in found)


def test_of_one_time_the_last_to_come_counts():
    newest = Newest()
    values = [{"voltage_l2": 0.0}, {"voltage": 0.0, "voltage_l2": 1.0}, {"voltage_l2": 0.0}]
    newest.take([encode(Reading("electricity", "mains", 1, each)) for each in values])
    (line,) = newest.lines()
    assert decode(line).values == {"voltage": 0.0, "voltage_l2": 0.0}


shapes = st.permutations(["voltage", "voltage_l1", "voltage_l2"]).flatmap(
    lambda names: st.integers(1, 3).map(lambda count: names[:count])
)
usual = st.tuples(
    st.sampled_from(["bank", "bank1"]),
    st.integers(1, 99),
    shapes,
    st.sampled_from([1.5, -2.0, 1e22, 1e-7]),
).map(lambda drawn: Reading("battery", drawn[0], drawn[1], dict.fromkeys(drawn[2], drawn[3])))


@given(st.lists(usual, min_size=20), st.integers(1, 3), st.integers(0, 2))
def test_many_alike_at_once_come_to_the_same_as_one_by_one(readings, made_after, most_of_one):
    at_once, one_by_one = Newest(), Newest()
    lines = [encode(each) for each in readings]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MADE_AFTER", made_after)
        patch.setattr(module, "MOST_OF_ONE", most_of_one)
        at_once.take(lines)
    for line in lines:
        one_by_one.take([line])
    assert at_once.devices == one_by_one.devices
