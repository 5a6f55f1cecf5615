"""The planner: reads that hold all that is wanted, in the least time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.modbus.plan import (
    Block,
    Split,
    Wire,
    best_split,
    block_ms,
    cost_ms,
    plan,
    unlike,
)
from collector.sources.modbus.rtu import Shape

WIRE = Wire(character_ms=1.146, silence_ms=4.01, answer_ms=8)
NO_SPLITS: frozenset[Split] = frozenset()


def blocks(*pairs, function=3):
    return frozenset(Block(function, address, words) for address, words in pairs)


def partitions(items):
    """Yield every way to part *items* into groups."""
    if not items:
        yield []
        return
    first, *rest = items
    for parted in partitions(rest):
        yield [[first], *parted]
        for number in range(len(parted)):
            yield [*parted[:number], [first, *parted[number]], *parted[number + 1 :]]


def cheapest(wanted, wire, most, splits):
    """Try everything: the least time in which *wanted* can be read."""

    def read_of(group):
        start = min(each.address for each in group)
        return Block(group[0].function, start, max(each.end for each in group) - start)

    def allowed(group):
        read = read_of(group)
        if any(each.function != read.function for each in group):
            return False
        crossed = any(
            split.function == read.function and read.address < split.address < read.end
            for split in splits
        )
        return read in group or (read.words <= most and not crossed)

    return min(
        cost_ms([read_of(group) for group in groups], wire)
        for groups in partitions(sorted(wanted))
        if all(allowed(group) for group in groups)
    )


registers = st.builds(Block, st.sampled_from([3, 4]), st.integers(0, 60), st.integers(1, 4))
wires = st.builds(
    Wire,
    character_ms=st.sampled_from([0.1, 1.0, 4.0]),
    silence_ms=st.sampled_from([2.0, 4.0]),
    answer_ms=st.sampled_from([0.0, 8.0, 40.0]),
)
places = st.builds(Split, st.sampled_from([3, 4]), st.integers(0, 64))


@given(st.frozensets(registers, min_size=1, max_size=7), wires, st.integers(1, 40))
def test_nothing_is_cheaper_than_the_plan(wanted, wire, most):
    reads = plan(wanted, wire, most, NO_SPLITS)
    assert cost_ms(reads, wire) == pytest.approx(cheapest(wanted, wire, most, NO_SPLITS))


@given(
    st.frozensets(registers, min_size=1, max_size=6),
    wires,
    st.integers(4, 40),
    st.frozensets(places, max_size=4),
)
def test_nothing_that_heeds_the_splits_is_cheaper(wanted, wire, most, splits):
    reads = plan(wanted, wire, most, splits)
    # a split inside a register cannot be heeded, and may be heeded by a neighbour or not
    if not any(
        block.address < split.address < block.end and block.function == split.function
        for block in wanted
        for split in splits
    ):
        assert cost_ms(reads, wire) == pytest.approx(cheapest(wanted, wire, most, splits))


@given(
    st.frozensets(registers, min_size=1, max_size=30),
    wires,
    st.integers(4, 40),
    st.frozensets(places, max_size=5),
)
def test_all_that_is_wanted_is_read_within_the_limits(wanted, wire, most, splits):
    reads = plan(wanted, wire, most, splits)
    assert all(any(read.holds(block) for read in reads) for block in wanted)
    assert all(read.words <= most for read in reads)
    assert list(reads) == sorted(reads)
    for read in reads:
        for split in splits:
            crossed = split.function == read.function and read.address < split.address < read.end
            assert not crossed or read in wanted


def test_nothing_wanted_is_nothing_read():
    assert plan(frozenset(), WIRE, 60, NO_SPLITS) == ()


def test_a_gap_is_read_across_as_far_as_that_is_cheaper():
    # a request costs 13 characters, 8 ms and the silence; a register costs 2 characters
    widest = int((13 * 1.146 + 8 + 4.01) / (2 * 1.146))
    near = plan(blocks((0, 2), (2 + widest, 2)), WIRE, 125, NO_SPLITS)
    assert near == (Block(3, 0, 4 + widest),)
    far = plan(blocks((0, 2), (3 + widest, 2)), WIRE, 125, NO_SPLITS)
    assert far == (Block(3, 0, 2), Block(3, 3 + widest, 2))


def test_a_slower_device_is_asked_for_longer_blocks():
    wanted = blocks((0, 2), (20, 2))
    assert len(plan(wanted, WIRE, 125, NO_SPLITS)) == 2
    assert len(plan(wanted, WIRE._replace(answer_ms=40), 125, NO_SPLITS)) == 1


def test_functions_are_never_mixed():
    wanted = blocks((0, 2), (2, 2)) | blocks((4, 2), function=4)
    assert plan(wanted, WIRE, 125, NO_SPLITS) == (Block(3, 0, 4), Block(4, 4, 2))


def test_the_cost_is_that_of_the_bytes_the_answers_and_the_silences():
    # 8 bytes out, 5 + 2·10 in, at 1 ms each; then 8 ms and 4 ms
    assert block_ms(Block(3, 0, 10), Wire(1, 4, 8)) == 8 + 25 + 8 + 4
    assert cost_ms([Block(3, 0, 10)] * 2, Wire(1, 4, 8)) == 90


def test_a_whole_sdm630_fits_into_a_second_at_9600_baud():
    wanted = blocks(*[(address, 2) for address in [*range(0, 108, 2), 200, 202, 204, 206, 224]])
    spent_ms = cost_ms(plan(wanted, WIRE, 80, NO_SPLITS), WIRE)
    assert spent_ms < 400
    assert sum(block_ms(block, WIRE) for block in wanted) > 1800


def test_a_refused_block_is_parted_at_its_widest_gap():
    assert best_split(blocks((0, 2), (2, 2), (10, 2), (13, 2))) == Split(3, 10)


def test_a_refused_block_without_gaps_is_parted_in_the_middle():
    assert best_split(blocks((0, 2), (2, 2), (4, 2), (6, 2))) == Split(3, 4)


@given(st.frozensets(registers, min_size=1, max_size=12), st.data())
def test_a_greeting_is_unlike_all_that_is_owed(known, data):
    shapes = st.builds(Shape, st.just(1), st.sampled_from([3, 4]), st.integers(1, 20))
    owed = tuple(data.draw(st.lists(shapes, min_size=1, max_size=19)))
    read = unlike(known, 20, NO_SPLITS, owed)
    assert Shape(1, read.function, read.words) not in owed
    assert read.words <= 20


def test_a_greeting_reads_known_registers_while_it_can():
    known = blocks((0x130, 1), (0x131, 1), (0x139, 2))
    assert unlike(known, 60, NO_SPLITS, (Shape(1, 3, 60),)) == Block(3, 0x130, 1)
    assert unlike(known, 60, NO_SPLITS, (Shape(1, 3, 1),)).words == 2
    assert unlike(known, 60, NO_SPLITS, (Shape(1, 3, 1), Shape(1, 3, 2))) == Block(3, 0x131, 10)


def test_where_every_length_is_owed_the_last_one_is_asked_for_again():
    owed = (Shape(1, 3, 1), Shape(1, 3, 3), Shape(1, 3, 2))
    assert unlike(blocks((0, 1)), 3, NO_SPLITS, owed) == Block(3, 0, 2)
