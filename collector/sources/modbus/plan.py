"""Which block reads fetch a set of registers in the least time.

A read costs a request of 8 bytes, the device's answer time, an answer of 5 bytes and 2 for each
register, and 3.5 characters of silence. So reading on across registers that nobody wants is
cheaper than a new request, up to a gap that depends on the line and on the device.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import chain, pairwise
from operator import attrgetter
from typing import NamedTuple

from collector.sources.modbus.rtu import REQUEST_BYTES, Shape

LAST_ADDRESS = 0xFFFF


class Block(NamedTuple):
    """Registers that lie one after the other: of one value, or all that one request reads."""

    function: int
    address: int
    words: int

    @property
    def end(self) -> int:
        return self.address + self.words

    def holds(self, other: "Block") -> bool:
        inside = self.address <= other.address and other.end <= self.end
        return inside and self.function == other.function


class Split(NamedTuple):
    """No block may reach from below *address* to it or beyond: the device refuses that."""

    function: int
    address: int


class Wire(NamedTuple):
    """How long things take on a line, in milliseconds; *answer_ms* is the device's own time."""

    character_ms: float
    silence_ms: float
    answer_ms: float


def block_ms(block: Block, wire: Wire) -> float:
    shape = Shape(0, block.function, block.words)
    characters = REQUEST_BYTES + shape.answer_bytes
    return characters * wire.character_ms + wire.answer_ms + wire.silence_ms


def cost_ms(blocks: Iterable[Block], wire: Wire) -> float:
    """Return how long *blocks* keep the line busy, in milliseconds."""
    return sum(block_ms(block, wire) for block in blocks)


@lru_cache(maxsize=256)  # a house has some dozens of sets of due registers
def plan(
    wanted: frozenset[Block], wire: Wire, max_registers: int, splits: frozenset[Split]
) -> tuple[Block, ...]:
    """Return the reads that hold every block of *wanted* and together take the least time.

    No read has more than *max_registers* or lies across one of *splits*, unless a wanted block
    does so by itself. Reads come sorted by function and address.
    """
    functions = sorted({block.function for block in wanted})
    return tuple(
        read
        for function in functions
        for read in plan_function(
            outermost(block for block in wanted if block.function == function),
            wire,
            max_registers,
            {split.address for split in splits if split.function == function},
        )
    )


def outermost(blocks: Iterable[Block]) -> list[Block]:
    """Return *blocks* by address, without those that lie inside another."""
    kept: list[Block] = []
    for block in sorted(blocks, key=lambda block: (block.address, -block.end)):
        if not kept or block.end > kept[-1].end:
            kept.append(block)
    return kept


def plan_function(
    blocks: list[Block], wire: Wire, max_registers: int, splits: set[int]
) -> list[Block]:
    """Find the cheapest reads for *blocks* of one function, sorted, none inside another.

    Since their ends are sorted as well, some cheapest set reads neighbours together; so the best
    way to read the first n blocks is a best way for fewer, and one more read.
    """
    best: list[tuple[float, tuple[Block, ...]]] = [(0.0, ())]
    for last, block in enumerate(blocks):
        ways = []
        for first in range(last, -1, -1):
            read = blocks[first]._replace(words=block.end - blocks[first].address)
            crossed = any(read.address < split < read.end for split in splits)
            if first < last and (read.words > max_registers or crossed):
                break
            spent, reads = best[first]
            ways.append((spent + block_ms(read, wire), (*reads, read)))
        best.append(min(ways, key=lambda way: way[0]))
    return list(best[-1][1])


def best_split(blocks: Iterable[Block]) -> Split:
    """Return where to part *blocks*, which the device refused to send together.

    That is the widest gap between two of them, or the middle where there is none: what the
    manual does not list is the likeliest to be refused.
    """
    kept = outermost(blocks)
    middle = len(kept) / 2
    _, _, split = max(
        (after.address - before.end, -abs(number - middle), Split(after.function, after.address))
        for number, (before, after) in enumerate(pairwise(kept), start=1)
    )
    return split


@lru_cache(maxsize=16)
def unlike(
    blocks: frozenset[Block], max_registers: int, splits: frozenset[Split], owed: tuple[Shape, ...]
) -> Block:
    """Return a short read whose answer cannot be taken for one of those still *owed*.

    Reads that begin and end with a known register are preferred. Where every length is owed,
    the one that was asked for last: it at least adds no further doubt.
    """
    taken = [(shape.function, shape.words) for shape in owed]
    runs = sorted(known_runs(blocks, max_registers, splits), key=attrgetter("words"))
    start = runs[0]
    most = min(max_registers, LAST_ADDRESS + 1 - start.address)
    lengths = (start._replace(words=words) for words in range(1, most + 1))
    for read in chain(runs, lengths):
        if (read.function, read.words) not in taken:
            return read
    return start._replace(function=taken[-1][0], words=taken[-1][1])


def known_runs(
    blocks: Collection[Block], max_registers: int, splits: Collection[Split]
) -> Iterator[Block]:
    """Yield each read that begins with one of *blocks* and ends with it or another."""
    for first in blocks:
        for last in blocks:
            read = first._replace(words=last.end - first.address)
            crossed = any(
                split.function == read.function and read.address < split.address < read.end
                for split in splits
            )
            fits = read.words >= first.words and read.words <= max(max_registers, first.words)
            if first.function == last.function and fits and (read == first or not crossed):
                yield read
