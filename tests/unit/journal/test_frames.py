"""Frames prove themselves: damage costs the frames hit and no other."""

from hypothesis import given
from hypothesis import strategies as st

from collector.journal import frames

BODIES = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=30)


def packed(bodies):
    return b"".join(frames.pack(number, body) for number, body in enumerate(bodies, 1))


@given(BODIES)
def test_scan_gives_back_what_was_packed(bodies):
    found = list(frames.scan(packed(bodies)))
    assert [(frame.number, frame.body) for frame in found] == list(enumerate(bodies, 1))


@given(BODIES, st.data())
def test_a_flipped_byte_costs_the_frame_it_hits_and_no_other(bodies, data):
    whole = packed(bodies)
    place = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(whole)
    damaged[place] ^= flip
    hit = next(frame.number for frame in frames.scan(whole) if frame.start <= place < frame.end)
    left = {frame.number: frame.body for frame in frames.scan(bytes(damaged))}
    assert left == {number: body for number, body in enumerate(bodies, 1) if number != hit}


@given(BODIES, st.data())
def test_a_torn_tail_costs_the_frames_it_tears_and_they_are_counted(bodies, data):
    whole = packed(bodies)
    cut = data.draw(st.integers(0, len(whole)))
    found = list(frames.scan(whole[:cut]))
    end = found[-1].end if found else 0
    complete = sum(frame.end <= cut for frame in frames.scan(whole))
    assert len(found) == complete
    assert frames.count_torn(whole[end:cut]) == (1 if cut > end else 0)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_never_more_than_damage(data):
    for frame in frames.scan(data):
        assert frames.pack(frame.number, frame.body) == data[frame.start : frame.end]


@given(
    st.lists(st.binary(min_size=1, max_size=40).filter(lambda body: b"\n" not in body), min_size=1)
)
def test_deflated_blocks_keep_every_record_and_its_number(bodies):
    plain = frames.scan(packed(bodies))
    blocks = frames.scan(b"".join(frames.deflate(plain)))
    records = [
        record for block in blocks for record in enumerate(frames.inflate(block), block.number)
    ]
    assert records == list(enumerate(bodies, 1))


def test_deflating_keeps_a_gap():
    plain = [frame for frame in frames.scan(packed([b"a", b"b", b"c", b"d"])) if frame.number != 2]
    blocks = list(frames.scan(b"".join(frames.deflate(iter(plain)))))
    records = [each for block in blocks for each in enumerate(frames.inflate(block), block.number)]
    assert records == [(1, b"a"), (3, b"c"), (4, b"d")]
