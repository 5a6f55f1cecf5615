"""Whether anything answers at a Modbus address, and which device map fits it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged
from collector.lines.serial import Framing
from collector.sources.modbus import sunspec_chain
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.meter import Bus
from collector.sources.modbus.plan import Block
from collector.sources.modbus.registers import Probe
from collector.sources.modbus.rtu import ALLOWANCE_PER_ANSWER_TIME, Shape, Slave

PROBE_S = 0.5  # nearly every device answers within a tenth of a second; this is for the others
PAUSE_S = 0.07  # some meters answer only after so much silence on the line
NOBODY_THERE = (10, 11)  # says a gateway of what is behind it


def block(probe: Probe) -> Block:
    return Block(probe.function, probe.address, probe.length)


def framing_of(device_map: DeviceMap) -> Framing | None:
    serial = device_map.serial
    return Framing(serial.baudrate, serial.parity, serial.stopbits) if serial else None


def knocks(maps: Sequence[DeviceMap], framing: Framing | None) -> list[Block]:
    """Return what to ask an address to hear whether anything is there.

    That is the commonest probe of each function, since most meters at least refuse what they do
    not have, and a probe of every model that is delivered with *framing*.
    """
    every = Counter(block(probe) for each in maps for probe in each.probe)
    common = {ask.function: ask for ask, _ in reversed(every.most_common())}
    delivered = [block(each.probe[0]) for each in maps if framing_of(each) == framing]
    return list(dict.fromkeys([*common.values(), *delivered]))


def answers(line: Bus, address: int, questions: Sequence[Block], allowance_s: float) -> bool:
    """Is anything there? Raise LineAway."""
    for question in questions:
        try:
            read(line, address, question, allowance_s)
        except DeviceRefused as refusal:
            if refusal.code not in NOBODY_THERE:
                return True
        except (DeviceSilent, FrameDamaged):
            continue
        else:
            return True
    return False


def recognise(line: Bus, address: int, maps: Sequence[DeviceMap]) -> tuple[str, ...]:
    """Return the names of the device maps that fit best what answers. Raise LineAway."""
    heard: dict[Block, Sequence[int]] = {}
    for ask in dict.fromkeys(block(probe) for each in maps for probe in each.probe):
        with suppress(DeviceRefused, DeviceSilent, FrameDamaged):
            heard[ask] = read(line, address, ask, PROBE_S, PAUSE_S)
    fitting = [each for each in maps if fits(each, heard)]
    most = max((len(each.probe) for each in fitting), default=0)
    return tuple(each.name for each in fitting if len(each.probe) == most)


def fits(device_map: DeviceMap, heard: Mapping[Block, Sequence[int]]) -> bool:
    """Do all probes of a map fit, and do they say anything? A device without values sends zeros."""
    if not all(block(each) in heard for each in device_map.probe):
        return False
    found = [tuple(heard[block(each)]) for each in device_map.probe]
    is_empty = not any(word for words in found for word in words)
    is_one_number = len(found) > 1 and len({*found}) == 1
    if is_empty or is_one_number:
        return False
    return all(each.fits(heard[block(each)]) for each in device_map.probe)


def sunspec_identity(line: Bus, address: int) -> str:
    """Return what a device says by SunSpec that it is; '' where it does not. Raise LineAway."""

    def words(start: int, count: int) -> Sequence[int]:
        return read(line, address, Block(3, start, count), PROBE_S, PAUSE_S)

    try:
        models = sunspec_chain.walk(words)
        return sunspec_chain.described(models, sunspec_chain.identity(models, words))
    except (DeviceRefused, DeviceSilent, FrameDamaged):
        return ""


def read(
    line: Bus, address: int, ask: Block, allowance_s: float, pause_s: float = 0.0
) -> Sequence[int]:
    """Read one block, as if nothing had been asked before. Raise ReadFault."""
    line.open()
    line.slaves[address] = Slave(
        slow_answer_time_s=allowance_s / ALLOWANCE_PER_ANSWER_TIME, pause_s=pause_s
    )
    return line.ask(Shape(address, ask.function, ask.words), ask.address)
