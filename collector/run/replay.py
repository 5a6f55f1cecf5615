"""Sends the readings of closed segments of a journal to one output, as at their first delivery.

A reading that is sent twice is the same point, so this may be cut off and done again.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from collector.config import Config
from collector.contract import Context, Output
from collector.contract.registry import find
from collector.errors import OutputAway, ReadingsRefused
from collector.journal import frames
from collector.lines.serial import Lines
from collector.run.selection import Selection

PATIENCE_S = 300  # a database that was just restarted looks through its files first
PAUSE_S = 2


def replay(config: Config, name: str, segments: Iterable[bytes]) -> tuple[int, int]:
    """Write every reading of *segments* to the output *name*.

    Return how many it took, and how many it refused. Raise OutputAway.
    """
    options = config.outputs[name]
    state_dir = config.data_dir / "state" / name
    context = Context(config.main.site, Lines(), config.file.parent, state_dir)
    output: Output = find("outputs", options.type)(name, options, context)
    taken = refused = 0
    selection = Selection(options, output)
    lines = (sent for line in readings(segments) if (sent := selection.apply(line)))
    try:
        while batch := list(islice(lines, output.batch_size)):
            bad = write(output, batch)
            taken, refused = taken + len(batch) - bad, refused + bad
    finally:
        output.close()
    return taken, refused


def readings(segments: Iterable[bytes]) -> Iterator[bytes]:
    for segment in segments:
        for frame in frames.scan(segment):
            yield from frames.inflate(frame)


def write(output: Output, batch: list[bytes]) -> int:
    """Write a batch; return how many of it are refused for ever. Raise OutputAway."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            output.open()
            output.write(batch)
        except ReadingsRefused as error:
            return len(error.reasons)
        except OutputAway as error:
            pause_s = PAUSE_S if error.retry_after_s is None else error.retry_after_s
            if time.monotonic() + pause_s > deadline:
                raise
            time.sleep(pause_s)
        else:
            return 0
