"""Finds meters: asks every likely address at every likely setting of the serial ports.

It only ever reads. First comes the address that meters are delivered with, at every framing, then
the others. All meters on a line have one framing: where one is found, no other is tried. A meter
is named by the device map whose probes all fit, and of several by the one with the most probes.
"""

import termios
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import minimalmodbus

from collector import devicemap
from collector.devicemap import DeviceMap
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.line import Framing
from collector.plan import Block
from collector.registers import Probe
from collector.rtu import ALLOWANCE_PER_ANSWER_TIME, Slave
from collector.rtu_line import RtuLine

FRAMINGS = (
    Framing(9600, "even"),
    Framing(9600, "none"),
    Framing(9600, "odd"),
    Framing(2400, "none"),
    Framing(19200, "none"),
    Framing(19200, "even"),
)
RARE_FRAMINGS = (
    Framing(2400, "even"),
    Framing(4800, "none"),
    Framing(4800, "even"),
    Framing(9600, "none", 2),
    Framing(38400, "none"),
    Framing(38400, "even"),
    Framing(57600, "none"),
    Framing(115200, "none"),
    Framing(115200, "even"),
)
DELIVERED, LIKELY, OTHER = range(1, 2), range(2, 11), range(11, 248)
KNOCK_S = 0.12  # nearly every meter answers within a tenth of a second
PROBE_S = 0.5  # one that is there is given more time
NOBODY_THERE = (10, 11)  # says a gateway of what is behind it


@dataclass(frozen=True)
class Trying:
    """The address that is asked next; *part* of the work at this port is done, from 0 to 1."""

    port: str
    framing: Framing
    address: int
    part: float


@dataclass(frozen=True)
class Found:
    """A device that answers, and the device maps that fit it equally well: perhaps none."""

    port: str
    framing: Framing
    address: int
    models: tuple[str, ...]


@dataclass(frozen=True)
class Unusable:
    """A port that cannot be scanned, and why."""

    port: str
    reason: str


Event = Trying | Found | Unusable


def scan(
    ports: Sequence[str], *, thorough: bool = False, own_dirs: Sequence[Path] = ()
) -> Iterator[Event]:
    """Look for meters at *ports* (device files or URLs); *thorough* tries all that may be."""
    every = (devicemap.load(name, own_dirs) for name in devicemap.names(own_dirs))
    maps = [each for each in every if each.serial is not None]
    for port in ports:
        try:
            yield from scan_port(port, maps, thorough=thorough)
        except LineAway as error:
            yield Unusable(port, str(error))


def scan_port(port: str, maps: Sequence[DeviceMap], *, thorough: bool) -> Iterator[Event]:
    framings: tuple[Framing, ...] = FRAMINGS + RARE_FRAMINGS if thorough else FRAMINGS
    rounds = (DELIVERED, LIKELY, OTHER) if thorough else (DELIVERED, LIKELY)
    done = 0
    for number, addresses in enumerate(rounds):
        left = len(framings) * sum(len(each) for each in rounds[number:])
        for framing in framings:
            found = False
            for event in scan_addresses(RtuLine(port, framing), addresses, maps):
                if isinstance(event, Trying):
                    yield replace(event, part=done / (done + left))
                    done, left = done + 1, left - 1
                else:
                    yield event
                    found = True
            if found:
                framings = (framing,)
                break


def scan_addresses(
    line: RtuLine, addresses: Sequence[int], maps: Sequence[DeviceMap]
) -> Iterator[Event]:
    questions = knocks(maps, line.framing)
    try:
        line.open()
    except LineAway as error:
        if isinstance(error.__cause__, termios.error):  # this port cannot do the framing
            return
        raise
    try:
        for address in addresses:
            yield Trying(line.port, line.framing, address, 0.0)
            if answers(line, address, questions):
                yield Found(line.port, line.framing, address, recognise(line, address, maps))
    finally:
        line.close()


def knocks(maps: Sequence[DeviceMap], framing: Framing) -> list[Block]:
    """Return what to ask an address to hear whether anything is there.

    That is the commonest probe of each function, since most meters at least refuse what they do
    not have, and a probe of every model that is delivered with *framing*.
    """
    every = Counter(block(probe) for each in maps for probe in each.probe)
    common = {ask.function: ask for ask, _ in reversed(every.most_common())}
    delivered = [block(each.probe[0]) for each in maps if framing_of(each) == framing]
    return list(dict.fromkeys([*common.values(), *delivered]))


def answers(line: RtuLine, address: int, questions: Sequence[Block]) -> bool:
    """Is anything there? Raise LineAway."""
    for question in questions:
        try:
            read(line, address, question, KNOCK_S)
        except DeviceRefused as refusal:
            if refusal.code not in NOBODY_THERE:
                return True
        except (DeviceSilent, FrameDamaged):
            continue
        else:
            return True
    return False


def recognise(line: RtuLine, address: int, maps: Sequence[DeviceMap]) -> tuple[str, ...]:
    """Return the names of the device maps that fit best what answers. Raise LineAway."""
    heard: dict[Block, Sequence[int]] = {}
    for ask in dict.fromkeys(block(probe) for each in maps for probe in each.probe):
        with suppress(DeviceRefused, DeviceSilent, FrameDamaged):
            heard[ask] = read(line, address, ask, PROBE_S)
    fitting = [
        each
        for each in maps
        if all(block(probe) in heard and probe.fits(heard[block(probe)]) for probe in each.probe)
    ]
    most = max((len(each.probe) for each in fitting), default=0)
    return tuple(each.name for each in fitting if len(each.probe) == most)


def read(line: RtuLine, address: int, ask: Block, allowance_s: float) -> Sequence[int]:
    """Read one block, as if nothing had been asked before. Raise ReadFault."""
    line.slaves[address] = Slave(slow_answer_time_s=allowance_s / ALLOWANCE_PER_ANSWER_TIME)
    try:
        meter = minimalmodbus.Instrument(line, address)
        return list(meter.read_registers(ask.address, ask.words, ask.function))
    except minimalmodbus.ModbusException as error:
        raise FrameDamaged(str(error)) from error


def block(probe: Probe) -> Block:
    return Block(probe.function, probe.address, probe.length)


def framing_of(device_map: DeviceMap) -> Framing | None:
    serial = device_map.serial
    return Framing(serial.baudrate, serial.parity, serial.stopbits) if serial else None


def render(found: Sequence[Found]) -> str:
    """Return the configuration for what was found, to paste."""
    text = "sources:\n"
    for number, each in enumerate(found, start=1):
        framing = each.framing
        if not each.models:
            text += (
                f"  # {each.port} at {framing}: address {each.address} answers, "
                "but no device map fits it\n"
            )
            continue
        model, *others = each.models
        text += (
            f"  meter{number}:  # give it the name of what it measures\n"
            f"    type: modbus\n"
            f"    line: {each.port}\n"
            f"    model: {model}{'  # or ' + ', '.join(others) if others else ''}\n"
            f"    address: {each.address}\n"
            f"    serial: {{baudrate: {framing.baudrate}, parity: {framing.parity}, "
            f"stopbits: {framing.stopbits}}}\n"
        )
    return text
