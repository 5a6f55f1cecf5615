"""VE.Direct: every whole block of a stream is found, whatever stands between and inside."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vedirect_m8.vedirect import Vedirect

from collector.demo.vedirect import encode
from collector.sources.vedirect.blocks import LONGEST_BLOCK, LONGEST_HEX, Joiner, Parser, fields_of

RECORDINGS = Path(__file__).parents[5] / "shared" / "recordings" / "vedirect"
HEX = b":A501000000000000000000000ED04C6040000000000C200000000000B0000000900C80D120172\n"
FIRST = {"PID": "0x204", "V": "26201", "SOC": "876", "Alarm": "OFF"}
SECOND = {"H1": "-149322", "H18": "8527"}
# CR LF V TAB 1 are 13+10+86+9+49, CR LF Checksum TAB are 13+10+819+9: 1018 = 4·256 - 6 in all.
BY_HAND = b"\r\nV\t1\r\nChecksum\t\x06"

labels = st.text("ABCDEFGHIPSTVabr#0123_", min_size=1, max_size=8).filter(lambda t: t != "Checksum")
texts = st.text([chr(each) for each in range(0x20, 0x7F) if chr(each) != ":"], max_size=32)
forms = st.dictionaries(labels, texts, min_size=1, max_size=12)
hexes = st.text("0123456789ABCDEF", max_size=80).map(lambda text: f":{text}\n".encode())


def block(fields):
    return encode(fields.items())


def whole(data, size=None):
    """Return the whole blocks of *data*, fed at once or by *size* bytes."""
    parser = Parser()
    size = size or len(data) or 1
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [each for piece in pieces for each in parser.feed(piece) if each]


def recording(name):
    if not (RECORDINGS / name).exists():
        pytest.skip("the recordings are not there: see ../shared/recordings/vedirect")
    return (RECORDINGS / name).read_bytes()


# A BlueSolar's 240 plain blocks, 7 behind a HEX message, and 1 behind the last byte of another;
# a BMV's 453 times two.
@pytest.mark.parametrize("size", [None, 1, 7, 64])
@pytest.mark.parametrize(
    ("name", "count", "fields"), [("bluesolar_1.23.dump", 248, 17), ("bvm702.dump", 906, (12, 14))]
)
def test_every_whole_block_of_the_recordings_is_found(name, count, fields, size):
    blocks = whole(recording(name), size)
    assert len(blocks) == count
    assert {len(each) for each in blocks} == set(fields if isinstance(fields, tuple) else [fields])


def test_the_blocks_of_the_recordings_are_those_that_another_parser_finds():
    theirs = Vedirect({"serial_port": "/dev/ttyUSB77"}, auto_start=False, max_packet_blocks=None)
    data = recording("bluesolar_1.23.dump") + recording("bvm702.dump")
    found = []
    for byte in data:
        if theirs.input_read(bytes([byte])) is not None:
            found.append(theirs.dict)
            theirs.dict = {}
    ours = whole(data)
    assert len(found) == 240 + 906  # it loses those behind a HEX message
    assert [each for each in found if each not in ours] == []


def test_a_block_computed_by_hand():
    assert fields_of(BY_HAND) == {"V": "1"}
    assert whole(BY_HAND) == [{"V": "1"}]
    assert encode([("V", "1")]) == BY_HAND


@given(st.binary(max_size=600), st.integers(1, 50))
def test_any_bytes_will_do_and_parcelling_does_not_matter(data, size):
    assert whole(data) == whole(data, size)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_block_or_damaged(data):
    fields = fields_of(data + bytes([-sum(data) % 256]))
    assert all(each.isascii() and each.isprintable() for pair in fields.items() for each in pair)


@given(st.lists(forms, max_size=6), st.integers(1, 300))
def test_what_was_sent_is_what_is_found(sent, size):
    assert whole(b"".join(map(block, sent)), size) == sent


@given(forms, st.dictionaries(st.integers(0, 10**6), hexes, max_size=6), st.integers(1, 90))
def test_hex_messages_anywhere_but_before_the_checksum_byte_cost_nothing(fields, inserted, size):
    data = block(fields)
    places = {at % (len(data) - 1): message for at, message in inserted.items()}
    mixed = b"".join(places.get(at, b"") + data[at : at + 1] for at in range(len(data)))
    assert whole(mixed + block(SECOND), size) == [fields, SECOND]


@pytest.mark.parametrize("at", range(len(block(FIRST)) - 1))
def test_a_real_hex_message_at_any_place_in_a_block_costs_nothing(at):
    data = block(FIRST)
    assert whole(data[:at] + HEX + data[at:] + block(SECOND), 5) == [FIRST, SECOND]


def test_every_value_of_the_checksum_byte_is_taken_as_it_is():
    # five letters from A to t, whose codes come to 256 sums in a row
    sent = [
        {"V": "t" * (each // 51) + chr(0x41 + each % 51) + "A" * (5 - each // 51)}
        for each in range(256)
    ]
    assert {block(each)[-1] for each in sent} == set(range(256))
    assert whole(HEX.join(map(block, sent)), 3) == sent
    assert whole(b"".join(map(block, sent)), 3) == sent


@pytest.mark.parametrize(
    "storm",
    [HEX * 500, b":" * 2000, b":\n" * 500, b":\r" * 500, b":7\r:8\n" * 300],
    ids=["messages", "colons", "empty", "cut by lines", "mixed"],
)
def test_a_storm_of_hex_messages_costs_at_most_the_block_it_tears(storm):
    assert whole(block(FIRST) + storm + b"\n" + block(FIRST) + block(SECOND), 11)[-1] == SECOND


@pytest.mark.parametrize(
    ("said", "count"),
    [(b":4AAAAFD\n:A0920000022\n", 2), (b":4AAAAFE\n", 0), (b":\n:A\n:zz\n", 0), (HEX * 3, 3)],
)
def test_hex_messages_are_counted_by_their_sum(said, count):
    for size in (1, 7, 100):
        parser = Parser()
        for at in range(0, len(said), size):
            list(parser.feed(said[at : at + size]))
        assert parser.hex == count


def test_a_hex_message_without_its_end_costs_no_block():
    assert whole(block(FIRST) + b":A5010" + block(SECOND), 4) == [FIRST, SECOND]


def test_noise_between_blocks_costs_no_block():
    chance = random.Random(1)
    noise = bytes(chance.choice([0, 0x80, 0xFF, 0x41]) for _ in range(100))
    data = noise + block(FIRST) + noise + block(SECOND) + noise
    assert whole(data, 9) == [FIRST, SECOND]


@pytest.mark.parametrize("at", range(len(block(FIRST))))
def test_a_block_with_one_wrong_byte_is_left_out(at):
    data = bytearray(block(FIRST))
    data[at] ^= 0x01
    found = whole(bytes(data) + block(FIRST) + block(SECOND))
    assert found[-1] == SECOND
    assert len(found) <= 2


def test_half_a_block_costs_no_more_than_itself():
    assert whole(block(FIRST)[30:] + block(FIRST)) == [FIRST]
    # the rest of a block that stops is the beginning of the next one's damage
    assert whole(block(FIRST)[:30] + block(FIRST) + block(SECOND)) == [SECOND]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"V\t1",
        b"\r\nV 1",
        b"\r\nV\t1\t2",
        b"\r\n\t1",
        b"\r\nV\t1\n",
        b"\rV\n\t1",
        b"\r\nV\t1\x00",
        b"\r\nV\t\xb5",
    ],
)
def test_a_right_sum_alone_makes_no_block(body):
    body += b"\r\nChecksum\t"
    assert fields_of(body + bytes([-sum(body) % 256])) == {}


@pytest.mark.parametrize("garbage", [b"x", b"\r\n", b"\r\nV\t1", b":", b"\xff\n"])
def test_what_is_kept_of_an_endless_stream_is_bounded(garbage):
    parser = Parser()
    for _ in range(200):
        assert not any(parser.feed(garbage * 50))
        assert len(parser.buffer) <= LONGEST_BLOCK + LONGEST_HEX
    found = [each for each in parser.feed(b"\r\n" + block(FIRST) + block(SECOND)) if each]
    assert found[-1] == SECOND


# The blocks of one reading


def joined(blocks, usual=0):
    joiner = Joiner(lambda _: usual)
    return [each for at_s, fields in blocks if (each := joiner.add(fields, at_s))]


BOTH = FIRST | SECOND
LATER = FIRST | {"V": "26202"}


def test_two_blocks_of_a_monitor_are_one_reading():
    assert joined([(0, FIRST), (0.1, SECOND)], usual=2) == [BOTH]
    assert joined([(0, FIRST), (0.1, SECOND), (1, LATER), (1.1, SECOND)], 2)[-1] == LATER | SECOND


def test_how_many_blocks_make_a_reading_is_learnt():
    blocks = [(0, FIRST), (0.1, SECOND), (1, LATER), (1.1, SECOND)]
    assert joined(blocks, usual=1) == [FIRST, BOTH, LATER | SECOND]
    assert joined([(0, FIRST), (1, LATER), (2, FIRST)], usual=2) == [LATER, FIRST]
    third = {"MON": "0"}
    three = [(0, FIRST), (0.1, SECOND), (0.2, third), (1, FIRST), (1.1, SECOND), (1.2, third)]
    assert joined(three, usual=2) == [BOTH, BOTH | third, BOTH | third]


def test_the_first_reading_has_every_block_also_where_their_number_is_not_known():
    blocks = [(0, FIRST), (0.5, SECOND), (1, LATER), (1.5, SECOND)]
    assert joined(blocks) == [BOTH, LATER | SECOND]
    assert joined([(0, FIRST), (1, LATER), (2, FIRST)]) == [LATER, FIRST]
    assert joined([(0, FIRST), (0.5, {}), (1, LATER)]) == [FIRST]


def test_a_second_block_without_its_first_is_left_out():
    assert joined([(0, SECOND), (1, FIRST), (1.1, SECOND)], usual=2) == [BOTH]
    assert joined([(0, {}), (0.1, SECOND)], usual=2) == []


def test_a_damaged_block_between_parts_them():
    assert joined([(0, FIRST), (0.1, {}), (0.2, SECOND)], usual=2) == [FIRST]


def test_blocks_that_come_far_apart_do_not_belong_together():
    assert joined([(0, FIRST), (1.5, SECOND), (2, LATER), (2.1, SECOND)], 2) == [
        LATER,
        LATER | SECOND,
    ]


def test_every_reading_of_the_recorded_monitor_is_joined():
    readings = joined([(0, each) for each in whole(recording("bvm702.dump"))], usual=2)
    assert len(readings) == 453
    assert {len(each) for each in readings} == {26}
    since_full = [int(each["H9"]) for each in readings]
    assert since_full == sorted(since_full)
