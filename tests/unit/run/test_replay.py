"""Segments of a journal sent to an output once more."""

from typing import ClassVar, Literal

import pytest

from collector.clock import boot_id
from collector.errors import OutputAway, ReadingsRefused
from collector.journal.journal import Journal
from collector.reading import Reading, encode
from collector.run import replay as replaying
from collector.run.replay import readings, write


@pytest.fixture
def segments(tmp_path):
    journal = Journal(tmp_path, boot_id(), ["history"])
    journal.log.segment_bytes = 1000
    journal.open()
    for n in range(100):
        journal.append([encode(Reading("electricity", "a", n * 1000, {"active_power": float(n)}))])
    journal.keep_house(10**9)
    journal.close()
    return [path.read_bytes() for path in sorted((tmp_path / "log").glob("*.z"))]


class Output:
    """Answers each write as it is told."""

    Options: ClassVar[type] = object
    batch_size = 10
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "idempotent"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.batches = []

    def open(self):
        pass

    def newest_ms(self):
        pass

    def close(self):
        pass

    def write(self, batch):
        self.batches.append(batch)
        if self.answers and (answer := self.answers.pop(0)):
            raise answer


def test_every_reading_of_closed_segments_comes_in_order(segments):
    lines = list(readings(segments))
    assert len(segments) > 2
    assert lines == [
        encode(Reading("electricity", "a", n * 1000, {"active_power": float(n)}))
        for n in range(len(lines))
    ]


def test_what_is_refused_is_counted_and_the_rest_goes_on():
    assert write(Output(ReadingsRefused({0: "too old", 2: "too old"})), [b"a", b"b", b"c"]) == 2


def test_an_output_that_is_just_starting_is_waited_for(monkeypatch):
    monkeypatch.setattr(replaying, "PAUSE_S", 0)
    output = Output(OutputAway("starting"), OutputAway("starting", retry_after_s=0), None)
    assert write(output, [b"a"]) == 0
    assert len(output.batches) == 3


def test_an_output_that_stays_away_ends_it(monkeypatch):
    monkeypatch.setattr(replaying, "PATIENCE_S", 0)
    with pytest.raises(OutputAway, match="gone"):
        write(Output(OutputAway("gone", retry_after_s=1)), [b"a"])
