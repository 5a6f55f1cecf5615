"""Finds what is behind ``tcp://``: Modbus units, a heat pump, a lighting processor or UPSs."""

from collections.abc import Iterator, Sequence

from collector.errors import DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines.tcp import TcpLine, place
from collector.scan.found import Event, Found, FoundHeatPump, FoundLights, FoundUPSs, Trying
from collector.sources.lutron_qs import fetch
from collector.sources.lutron_qs.database import parse
from collector.sources.lutron_qs.discover import greets
from collector.sources.lutron_qs.readings import summary
from collector.sources.luxtronik import meaning, protocol
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.mbap_line import MbapLine
from collector.sources.modbus.plan import Block
from collector.sources.modbus.recognise import answers, knocks, name
from collector.sources.nut import protocol as nut

UNITS = (*range(1, 11), 71, 100, 126, 240, 247, 255)  # the latter Kostal, Victron, SMA, Fronius
NO_UNIT = 213  # where nobody puts a device: what answers here as well, answers everywhere
GATEWAY_S = 1.0  # a gateway waits itself, before it says that nobody answers
MODBUS_PORTS = (502, 1502)  # the latter with SolarEdge
OTHER_PORTS = (23, nut.PORT, 8888, 8889)  # Lutron, NUT, Luxtronik: no Modbus device is there


def scan_network(port: str, maps: Sequence[DeviceMap], *, thorough: bool) -> Iterator[Event]:
    """Look for what usually is at the port, and elsewhere for Modbus last. Raise ReadFault."""
    _, number = place(port)
    fault: ReadFault | None = None
    if number not in MODBUS_PORTS:
        try:
            yield behind_tcp(port)
        except (DeviceSilent, LineAway) as error:
            if number in OTHER_PORTS:
                raise
            fault = error
        else:
            return
    any_found = False
    for event in scan_units(port, maps, range(256) if thorough else UNITS):
        any_found |= isinstance(event, Found)
        yield event
    if not any_found:
        raise fault or DeviceSilent(f"{port}: no Modbus device answers")


def scan_units(port: str, maps: Sequence[DeviceMap], units: Sequence[int]) -> Iterator[Event]:
    """Ask *units* behind one address. One question will do: Modbus TCP demands some answer."""
    line, question = MbapLine(port), knocks(maps, None)[:1]
    try:
        for number, unit in enumerate(units):
            yield Trying(port, None, unit, number / len(units))
            if knock(line, unit, question):
                yield name(line, None, unit, maps)
                if knock(line, NO_UNIT, question):  # it answers for any unit
                    return
    finally:
        line.close()


def knock(line: MbapLine, unit: int, question: Sequence[Block]) -> bool:
    """Is *unit* there? Raise LineAway where nothing is."""
    line.open()
    try:
        return answers(line, unit, question, GATEWAY_S)
    except LineAway:  # some hang up when asked for another unit
        return False


def behind_tcp(port: str) -> FoundHeatPump | FoundLights | FoundUPSs:
    """Listen, then ask for what only a Luxtronik controller knows. Raise ReadFault.

    At the port of NUT, whose server never speaks first, only its UPSs are asked for.
    """
    line = TcpLine(port)
    line.open()
    try:
        if line.place[1] == nut.PORT:
            return FoundUPSs(port, nut.upss(line))
        if greets(line):
            return lights(port)
        numbers = protocol.ask(line, protocol.CALCULATIONS)
        return FoundHeatPump(port, meaning.decode_firmware(numbers))
    finally:
        line.close()


def lights(port: str) -> FoundLights:
    """Tell a Lutron processor by its database from all else that asks for a login."""
    url = fetch.usual_place(port)
    try:
        data = fetch.read(url, "")
        assert data is not None, "no other is known"
        return FoundLights(port, summary(parse(data)))
    except ReadFault as error:
        raise FrameDamaged(f"{port} asks for a login, but {url} is no Lutron's: {error}") from error
