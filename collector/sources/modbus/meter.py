"""One Modbus device on a line: fetches what is due in the cheapest reads, and learns from refusals.

A meter that refuses a block (exception 2 or 3) is asked for two smaller ones from then on. A
register that it refuses alone, while it answers others, is left out until the next start. One that
does not know function 3 (exception 1), as some OR-WE-525 and 526 don't, is asked with function 4,
which names the same registers. A block that a device never answers counts as refused where it
answers another one. Before that it is asked again after a pause: some want silence on the line.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter

from collector.errors import DeviceRefused, DeviceSilent, ReadFault
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.mbap_line import MbapLine
from collector.sources.modbus.plan import Block, Split, Wire, best_split, cost_ms, plan, unlike
from collector.sources.modbus.registers import INPUT, Register
from collector.sources.modbus.rtu import Shape
from collector.sources.modbus.rtu_line import RtuLine

log = logging.getLogger(__name__)

UNKNOWN_FUNCTION = 1
# Some meters call too long a block an illegal value, or an unknown register a failure.
UNKNOWN_REGISTERS = (UNKNOWN_FUNCTION, 2, 3, 4)
PAUSES_S = (0.07, 0.2, 0.5)  # that meters want: 50 or 60 ms by their manuals, people report more
USUAL_ANSWER_MS = 10.0  # until measured: mbmd's published figures come to 8 ms
ANSWER_STEP_MS = 5.0  # how much the answer time must change for another plan
LEAST_ANSWER_MS = 1.0  # so that a request never costs nothing, however quick the answers

Words = Mapping[tuple[int, int], int]  # registers by function and address
Bus = RtuLine | MbapLine


class Meter:
    """A slave of *bus* at *address*, with the registers of its map."""

    def __init__(self, name: str, bus: Bus, address: int, device_map: DeviceMap) -> None:
        self.name = name
        self.bus = bus
        self.address = address
        self.map = device_map
        self.slave = bus.slaves[address]
        self.uses_input = False
        self.every: dict[bool, frozenset[Block]] = {}
        self.splits: set[Split] = set()
        self.left_out: set[Block] = set()
        self.answered: set[Block] = set()
        self.unanswered: set[Block] = set()
        self.silent_once: set[Block] = set()
        self.failed_greetings: set[Block] = set()

    def open(self) -> None:
        """Open the line. Raise LineAway."""
        self.bus.open()

    def patience_s(self) -> float:
        """Return how long a read takes at most when no answer comes."""
        reads = [self.greeting()] if self.slave.owed else self.plan(self.known())
        if not reads:
            return 0.0
        longest = max(reads, key=attrgetter("words"))
        return self.bus.timeout_s(Shape(self.address, longest.function, longest.words))

    def bus_time_ms(self, registers: Collection[Register]) -> float:
        """Return how long reading *registers* keeps the line busy, in milliseconds."""
        return cost_ms(self.plan(self.blocks(registers)), self.wire())

    def fetch(self, registers: Collection[Register]) -> Words:
        """Read *registers*, but for those left out. Raise ReadFault where none can be had."""
        self.get_in_step()
        lacking: dict[Block, ReadFault] = {}
        try:
            words = self.fetch_rest(registers, lacking)
        finally:
            self.left_out.difference_update(lacking)
        if lacking and not words:
            raise next(iter(lacking.values()))
        for block, fault in lacking.items():
            self.leave_out(block, fault)
        return words

    def fetch_rest(
        self, registers: Collection[Register], lacking: dict[Block, ReadFault]
    ) -> dict[tuple[int, int], int]:
        """Read what is not left out; add what cannot be read to *lacking*. Raise ReadFault."""
        words: dict[tuple[int, int], int] = {}
        wanted = self.blocks(registers)
        while wanted:
            fault: ReadFault | None = None
            inside: Sequence[Block] = ()
            for read in self.plan(wanted):
                try:
                    words |= self.ask(read)
                    self.answered.add(read)
                    continue
                except DeviceRefused as refusal:
                    inside = lying_in(read, wanted, words)
                    fault = self.learn(inside, refusal)
                except DeviceSilent as silence:
                    if answer := self.ask_again(read):
                        words |= answer
                    else:
                        inside = lying_in(read, wanted, words)
                        fault = self.suspect(read, inside, silence)
                        self.get_in_step()
                break  # what is left is to be planned anew
            else:
                return words
            if fault:
                lacking[inside[0]] = fault
                self.left_out.add(inside[0])
            blocks = self.blocks(registers)  # otherwise than before
            wanted = frozenset(block for block in blocks if not words_of(block, words))
        return words

    def get_in_step(self) -> None:
        """Make sure that an answer that failed to come is not taken for a later one."""
        self.bus.open()
        if self.slave.owed:
            self.bus.reset_input_buffer()  # it may have come meanwhile
        if self.slave.owed:
            greeting = self.greeting()
            try:
                self.ask(greeting)
            except (DeviceSilent, DeviceRefused):
                self.failed_greetings.add(greeting)  # this very register may never be answered
                raise
            self.failed_greetings.clear()

    def ask(self, read: Block) -> Words:
        """Read one block. Raise ReadFault."""
        answer = self.bus.ask(Shape(self.address, read.function, read.words), read.address)
        return dict(zip(places(read), answer, strict=True))

    def block(self, register: Register) -> Block:
        return register.input_block if self.uses_input else register.block

    def blocks(self, registers: Collection[Register]) -> frozenset[Block]:
        return frozenset(map(self.block, registers)) - self.left_out

    def known(self) -> frozenset[Block]:
        """Return what can be read of all registers of the map."""
        if self.uses_input not in self.every:
            self.every[self.uses_input] = frozenset(map(self.block, self.map.registers))
        return self.every[self.uses_input] - self.left_out

    def wire(self) -> Wire:
        measured_s = self.slave.answer_time_s
        answer_ms = USUAL_ANSWER_MS if measured_s is None else 1000 * measured_s
        byte_s, silence_s = self.bus.pace(self.address)
        steps_ms = ANSWER_STEP_MS * round(answer_ms / ANSWER_STEP_MS)
        return Wire(1000 * byte_s, 1000 * silence_s, max(steps_ms, LEAST_ANSWER_MS))

    def plan(self, wanted: frozenset[Block]) -> tuple[Block, ...]:
        return plan(wanted, self.wire(), self.map.max_registers, frozenset(self.splits))

    def greeting(self) -> Block:
        """Return a short read whose answer cannot be taken for one that is still owed.

        One that failed is followed by one of other registers, until each had its turn.
        """
        known = self.known()
        failed = frozenset(block for block in known if holds_any(self.failed_greetings, block))
        doubted = frozenset(block for block in known if holds_any(self.unanswered, block))
        if failed == known:
            self.failed_greetings.clear()
        known = (known - doubted - failed) | self.answered or known - failed or known
        owed = tuple(self.slave.owed)
        return unlike(known, self.map.max_registers, frozenset(self.splits), owed)

    def learn(self, inside: Sequence[Block], refusal: DeviceRefused) -> ReadFault | None:
        """Arrange that what is *inside* a refused read is fetched otherwise, or raise *refusal*.

        Return it where it concerns one register alone.
        """
        if refusal.code == UNKNOWN_FUNCTION and not self.answered:
            if self.uses_input or self.map.function == INPUT:
                self.uses_input = False
                raise refusal
            log.info("%s: does not know function 3; asked with function 4", self.name)
            self.uses_input = True
            return None
        if refusal.code not in UNKNOWN_REGISTERS:
            raise refusal
        if len(inside) == 1:
            return refusal
        self.splits.add(best_split(inside))
        return None

    def ask_again(self, read: Block) -> Words:
        """Ask once more for what was not answered: after a pause where it may want one.

        Return nothing where the device answers another request, but not this one. Raise ReadFault.
        """
        slave, before_s = self.slave, self.slave.pause_s
        pauses: Sequence[float] = (before_s,)
        if slave.is_hasty and not (slave.is_pause_sure or slave.is_pause_given):
            pauses = [each for each in PAUSES_S if each > before_s]
        elif read in self.answered or read in self.unanswered:
            return {}
        self.unanswered.add(read)
        for pause_s in pauses:
            slave.pause_s = pause_s
            try:
                self.get_in_step()
                words = self.ask(read)
            except DeviceSilent:
                slave.pause_s = before_s
                if slave.owed != [Shape(self.address, read.function, read.words)]:
                    raise
                continue
            self.answered.add(read)
            if pause_s != before_s:
                log.info("%s: wants %.0f ms between requests", self.name, 1000 * pause_s)
                self.splits.clear()
            return words
        slave.is_pause_sure = len(pauses) > 1
        return {}

    def suspect(
        self, read: Block, inside: Sequence[Block], silence: DeviceSilent
    ) -> ReadFault | None:
        """Part a read that is never answered by a device that is there, or raise *silence*.

        Return it where it concerns one register alone.
        """
        if read in self.answered or (self.slave.is_pause_given and self.slave.is_hasty):
            raise silence
        if len(inside) == 1:
            return silence
        log.info("%s: never answers %d registers from 0x%04X", self.name, read.words, read.address)
        self.splits.add(best_split(inside))
        return None

    def leave_out(self, block: Block, fault: ReadFault) -> None:
        """Ask no more for a register that was never answered, while others are."""
        if holds_any(self.answered, block):
            return
        if isinstance(fault, DeviceSilent) and block not in self.silent_once:
            self.silent_once.add(block)
            return
        register = next(each for each in self.map.registers if self.block(each) == block)
        log.info("%s: %s is left out: %s", self.name, register.quantity, fault)
        self.left_out.add(block)
        self.splits.clear()  # they led to this register, and may be needless without it


def holds_any(reads: Collection[Block], block: Block) -> bool:
    return any(read.holds(block) for read in reads)


def lying_in(read: Block, wanted: Collection[Block], words: Words) -> Sequence[Block]:
    """Return those of *wanted* that *read* would bring, and that are not among *words*."""
    return [block for block in wanted if read.holds(block) and not words_of(block, words)]


def words_of(block: Block, words: Words) -> Sequence[int]:
    """Return the registers of *block* among *words*; none where it was not read."""
    try:
        return picker(block)(words)
    except KeyError:
        return ()


@lru_cache(maxsize=4096)
def picker(block: Block) -> Callable[[Words], Sequence[int]]:
    """Return what picks the registers of *block* out of words. It raises KeyError."""
    if block.words == 1:
        (place,) = places(block)
        return lambda words: (words[place],)
    return itemgetter(*places(block))


@lru_cache(maxsize=4096)
def places(block: Block) -> Sequence[tuple[int, int]]:
    return [(block.function, address) for address in range(block.address, block.end)]
