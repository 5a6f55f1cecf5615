import io
import tracemalloc

import pytest

from backup.influxdb.tsm import Summary, check, generation, made_of
from collector.errors import Damaged
from tests.fakes.tsm_file import HEADER, block, hours, packed, raw, run, tsm


def summary(data):
    return check(io.BytesIO(data))


def test_points_are_counted_in_every_way_that_times_are_packed():
    file = tsm(
        {
            b"a": [(100, 4000, run(100, 300, 14)), (5000, 5000, raw(5000, 1))],
            b"b": [(-7, 9, raw(-7, 3))],
            b"c": [(5, 6, packed(5)), (7, 8, packed(7, 0, 1, 2, 13, 15))],
            b"d": [(0, 2**62, run(0, 2**40, 1_000_000))],
        }
    )
    assert summary(file)[0] == 14 + 1 + 3 + 1 + (1 + 240 + 120 + 60 + 3 + 1) + 1_000_000
    assert summary(file)[2:] == (-7, 2**62)


def test_a_file_made_of_others_holds_the_sum_of_them():
    parts = [summary(hours(1, each)) for each in range(8)]
    assert made_of(summary(hours(8)), parts)
    assert made_of(summary(hours(8)), [tuple(each) for each in parts])


@pytest.mark.parametrize(
    "stored",
    [
        [],
        [hours(4)],
        [hours(4), hours(5, 4)],
        [hours(8, key=b"power#!~#other")],
        [hours(8, first=1)],
    ],
    ids=["nothing", "too few", "too many", "of another series", "at another time"],
)
def test_a_file_is_not_made_of(stored):
    assert not made_of(summary(hours(8)), [summary(each) for each in stored])


def test_fingerprints_tell_which_series_has_how_many():
    one = tsm({b"a": [(0, 9, run(0, 1, 10))], b"b": [(0, 9, run(0, 9, 2))]})
    other = tsm({b"a": [(0, 9, run(0, 9, 2))], b"b": [(0, 9, run(0, 1, 10))]})
    assert summary(one)[0] == summary(other)[0]
    assert summary(one) != summary(other)
    assert summary(one).fingerprint < 2**61


def test_every_flipped_bit_is_found_that_a_checksum_or_another_byte_tells():
    file = tsm({b"a": [(0, 9, run(0, 1, 10))], b"mm": [(0, 9, packed(0, 6, 15))]})
    a, mm = file.rindex(b"\0\1a") + 2, file.rindex(b"mm")
    letters = {a, mm, mm + 1}
    last_times = {*range(a + 1 + 3 + 8, a + 1 + 3 + 16), *range(mm + 2 + 3 + 8, mm + 2 + 3 + 16)}
    for at in sorted({*range(len(file))} - letters - last_times):
        for bit in range(8):
            flipped = bytearray(file)
            flipped[at] ^= 1 << bit
            with pytest.raises(Damaged):
                summary(bytes(flipped))


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 40, 100])
def test_a_file_that_ends_early_is_damaged(cut):
    with pytest.raises(Damaged):
        summary(hours(1)[:-cut])


@pytest.mark.parametrize(
    "data", [b"", HEADER, HEADER + bytes(8), b"{}" * 40, HEADER + b"\xff" * 20]
)
def test_what_is_no_tsm_file_is_damaged(data):
    with pytest.raises(Damaged):
        summary(data)


def test_a_block_that_no_key_names_is_found():
    file = hours(1)
    stray = block(run(0, 1, 5))
    at = int.from_bytes(file[-8:])
    with pytest.raises(Damaged, match="does not name the block"):
        summary(file[:at] + stray + file[at:-8] + (at + len(stray)).to_bytes(8))


def test_a_large_file_takes_little_memory(tmp_path):
    many = [(each * 10, each * 10 + 9, run(each * 10, 1, 10)) for each in range(30_000)]
    with (tmp_path / "big.tsm").open("w+b") as file:
        file.write(tsm({b"a": many, b"b": many}))
        tracemalloc.start()
        assert check(file).points == 600_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 6_000_000


def test_names_tell_the_generation():
    assert generation("000000012-000000003.tsm") == 12
    for name in ("12-3.tsm", "000000012-000000003.tombstone", "../000000012-000000003.tsm", "x"):
        with pytest.raises(Damaged):
            generation(name)


def test_a_summary_is_what_a_manifest_keeps():
    assert Summary(1, 2, 3, 4) == (1, 2, 3, 4)
