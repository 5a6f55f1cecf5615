"""One Modbus device on a line: fetches what is due in the cheapest reads, and learns from refusals.

A meter that refuses a block (exception 2 or 3) is asked for two smaller ones from then on. An
optional register that it refuses alone is left out. One that does not know function 3 (exception
1), as some OR-WE-525 and 526 don't, is asked with function 4, which names the same registers.
And one that answers other reads but never a certain block is taken to refuse that one in silence.
"""

import logging
from collections.abc import Collection, Mapping

from collector.errors import DeviceRefused, DeviceSilent
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.mbap_line import MbapLine
from collector.sources.modbus.plan import Block, Split, Wire, best_split, cost_ms, plan, unlike
from collector.sources.modbus.registers import Register
from collector.sources.modbus.rtu import Shape
from collector.sources.modbus.rtu_line import RtuLine

log = logging.getLogger(__name__)

HOLDING, INPUT = 3, 4  # the functions that read registers
UNKNOWN_FUNCTION = 1
UNKNOWN_REGISTERS = (2, 3)  # some meters call too long a block an illegal value
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
        self.splits: set[Split] = set()
        self.left_out: set[Block] = set()
        self.answered: set[Block] = set()
        self.unanswered: set[Block] = set()

    def open(self) -> None:
        """Open the line. Raise LineAway."""
        self.bus.open()

    def patience_s(self) -> float:
        """Return how long a read takes at most when no answer comes."""
        known = self.blocks(self.map.registers)
        reads = [self.greeting()] if self.slave.owed else self.plan(known)
        shapes = (Shape(self.address, read.function, read.words) for read in reads)
        return max((self.bus.timeout_s(shape) for shape in shapes), default=0.0)

    def bus_time_ms(self, registers: Collection[Register]) -> float:
        """Return how long reading *registers* keeps the line busy, in milliseconds."""
        return cost_ms(self.plan(self.blocks(registers)), self.wire())

    def fetch(self, registers: Collection[Register]) -> Words:
        """Read *registers*, but for those left out. Raise ReadFault at the first failure."""
        self.get_in_step()
        words: dict[tuple[int, int], int] = {}
        while wanted := frozenset(
            block for block in self.blocks(registers) if not words_of(block, words)
        ):
            read = self.plan(wanted)[0]
            inside = [block for block in wanted if read.holds(block)]
            try:
                words |= self.ask(read)
                self.answered.add(read)
            except DeviceRefused as refusal:
                self.learn(inside, refusal)
            except DeviceSilent:
                self.suspect(read, inside)
                raise
        return words

    def get_in_step(self) -> None:
        """Make sure that an answer that failed to come is not taken for a later one."""
        self.bus.open()
        if self.slave.owed:
            self.bus.reset_input_buffer()  # it may have come meanwhile
        if self.slave.owed:
            self.ask(self.greeting())

    def ask(self, read: Block) -> Words:
        """Read one block. Raise ReadFault."""
        answer = self.bus.ask(Shape(self.address, read.function, read.words), read.address)
        return {(read.function, read.address + i): word for i, word in enumerate(answer)}

    def block(self, register: Register) -> Block:
        function = INPUT if self.uses_input else register.function
        return Block(function, *register.extent)

    def blocks(self, registers: Collection[Register]) -> frozenset[Block]:
        return frozenset(self.block(register) for register in registers) - self.left_out

    def wire(self) -> Wire:
        measured_s = self.slave.answer_time_s
        answer_ms = USUAL_ANSWER_MS if measured_s is None else 1000 * measured_s
        byte_s, silence_s = self.bus.pace(self.address)
        steps_ms = ANSWER_STEP_MS * round(answer_ms / ANSWER_STEP_MS)
        return Wire(1000 * byte_s, 1000 * silence_s, max(steps_ms, LEAST_ANSWER_MS))

    def plan(self, wanted: frozenset[Block]) -> tuple[Block, ...]:
        return plan(wanted, self.wire(), self.map.max_registers, frozenset(self.splits))

    def greeting(self) -> Block:
        """Return a short read whose answer cannot be taken for one that is still owed."""
        known = self.blocks(self.map.registers)
        owed = tuple(self.slave.owed)
        return unlike(known, self.map.max_registers, frozenset(self.splits), owed)

    def learn(self, inside: Collection[Block], refusal: DeviceRefused) -> None:
        """Arrange that what is *inside* a refused read is fetched otherwise, or raise *refusal*."""
        if refusal.code == UNKNOWN_FUNCTION:
            if self.uses_input or self.map.function == INPUT:
                self.uses_input = False
                raise refusal
            log.info("%s: does not know function 3; asked with function 4", self.name)
            self.uses_input = True
        elif refusal.code not in UNKNOWN_REGISTERS:
            raise refusal
        elif len(inside) > 1:
            self.splits.add(best_split(inside))
        else:
            self.leave_out(next(iter(inside)), refusal)

    def suspect(self, read: Block, inside: Collection[Block]) -> None:
        """Part a read that was never answered, at its second time: between, a greeting was."""
        if read in self.unanswered and read not in self.answered and len(inside) > 1:
            log.info(
                "%s: never answers %d registers from 0x%04X", self.name, read.words, read.address
            )
            self.splits.add(best_split(inside))
        self.unanswered.add(read)

    def leave_out(self, block: Block, refusal: DeviceRefused) -> None:
        register = next(each for each in self.map.registers if self.block(each) == block)
        if not register.optional or len(self.blocks(self.map.registers)) == 1:
            raise refusal
        log.info("%s: %s is left out: %s", self.name, register.quantity, refusal)
        self.left_out.add(block)
        self.splits.clear()  # they led to this register, and may be needless without it


def words_of(block: Block, words: Words) -> list[int]:
    """Return the registers of *block* among *words*; none where it was not read."""
    places = [(block.function, address) for address in range(block.address, block.end)]
    return [words[place] for place in places] if words.keys() >= set(places) else []
