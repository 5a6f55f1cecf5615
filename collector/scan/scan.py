"""Finds meters: asks every likely address at every likely setting of the serial ports.

Before that it listens: a port at which a VE.Direct device talks is asked nothing.

It only ever reads. First comes the address that meters are delivered with, at every framing, then
the others. All meters on a line have one framing: where one is found, no other is tried. A meter
is named by the device map whose probes all fit, and of several by the one with the most probes.
Behind ``tcp://`` Modbus units, a heat pump, a lighting processor or UPSs are looked for. What no
map fits is asked whether it describes itself by SunSpec.
"""

import termios
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from collector.errors import LineAway, ReadFault
from collector.lines.serial import Framing
from collector.scan.found import Event, FoundVEDirect, Listening, Trying, Unusable
from collector.scan.network import scan_network
from collector.sources.modbus import devicemap
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.recognise import answers, knocks, name
from collector.sources.modbus.rtu_line import RtuLine
from collector.sources.vedirect.listener import search

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


def scan(
    ports: Sequence[str], *, thorough: bool = False, own_dirs: Sequence[Path] = ()
) -> Iterator[Event]:
    """Look for devices at *ports* (device files or URLs); *thorough* tries all that may be."""
    maps, faults = devicemap.load_every(own_dirs)
    yield from (Unusable(fault.file, f"{fault}; this map is left out") for fault in faults)
    talking = set()
    serial = [port for port in ports if not port.startswith("tcp:")]
    yield Listening(serial)
    for listener in search(serial):
        listener.close()
        talking.add(listener.line.port)
        yield FoundVEDirect(listener.line.port, listener.said)
    for port in (each for each in ports if each not in talking):
        try:
            if port.startswith("tcp:"):
                yield from scan_network(port, maps, thorough=thorough)
            else:
                with_serial = [each for each in maps if each.serial is not None]
                yield from scan_port(port, with_serial, thorough=thorough)
        except ReadFault as error:
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
            if answers(line, address, questions, KNOCK_S):
                yield name(line, line.framing, address, maps)
    finally:
        line.close()
