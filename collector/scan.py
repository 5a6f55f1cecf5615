"""Finds meters: asks every likely address at every likely setting of the serial ports.

Before that it listens: a port at which a VE.Direct device talks is asked nothing.

It only ever reads. First comes the address that meters are delivered with, at every framing, then
the others. All meters on a line have one framing: where one is found, no other is tried. A meter
is named by the device map whose probes all fit, and of several by the one with the most probes.
Behind ``tcp://`` Modbus units, a heat pump, a lighting processor or UPSs are looked for. What no
map fits is asked whether it describes itself by SunSpec.
"""

import json
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from collector import devicemap, lutron_fetch, luxtronik, luxtronik_map, nut, sunspec
from collector.devicemap import DeviceMap
from collector.errors import DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.line import Framing
from collector.lutron_db import parse
from collector.lutron_readings import summary
from collector.lutron_search import greets
from collector.mbap_line import MbapLine
from collector.meter import Bus
from collector.plan import Block
from collector.recognise import answers, knocks, recognise, sunspec_identity
from collector.rtu_line import RtuLine
from collector.tcp import TcpLine, place
from collector.vedirect_labels import identity, kind_of
from collector.vedirect_line import search

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
UNITS = (*range(1, 11), 71, 100, 126, 240, 247, 255)  # the latter Kostal, Victron, SMA, Fronius
NO_UNIT = 213  # where nobody puts a device: what answers here as well, answers everywhere
KNOCK_S = 0.12  # nearly every meter answers within a tenth of a second
GATEWAY_S = 1.0  # a gateway waits itself, before it says that nobody answers
MODBUS_PORTS = (502, 1502)  # the latter with SolarEdge
OTHER_PORTS = (23, nut.PORT, 8888, 8889)  # Lutron, NUT, Luxtronik: no Modbus device is there


@dataclass(frozen=True)
class Trying:
    """The address that is asked next; *part* of the work at this port is done, from 0 to 1."""

    port: str
    framing: Framing | None
    address: int
    part: float


@dataclass(frozen=True)
class Found:
    """A device that answers, and the device maps that fit it equally well: perhaps none.

    There is no *framing* with Modbus TCP. *told* is what it says of itself by SunSpec.
    """

    port: str
    framing: Framing | None
    address: int
    models: tuple[str, ...]
    told: str = ""


@dataclass(frozen=True)
class FoundHeatPump:
    """A Luxtronik controller that answers, and the version of its firmware."""

    port: str
    firmware: str


@dataclass(frozen=True)
class FoundLights:
    """A Lutron processor, which asks for a login, and what its database says."""

    port: str
    database: str


@dataclass(frozen=True)
class FoundUPSs:
    """A server of Network UPS Tools that answers, and its UPSs: description by name."""

    port: str
    upss: Mapping[str, str]


@dataclass(frozen=True)
class Listening:
    """All *ports* are listened to, for some seconds."""

    ports: Sequence[str]


@dataclass(frozen=True)
class FoundVEDirect:
    """A VE.Direct device that talks, and what it said: text by label."""

    port: str
    said: Mapping[str, str]


@dataclass(frozen=True)
class Unusable:
    """A port that cannot be scanned, and why."""

    port: str
    reason: str


Event = (
    Listening | Trying | Found | FoundVEDirect | FoundHeatPump | FoundLights | FoundUPSs | Unusable
)


def scan(
    ports: Sequence[str], *, thorough: bool = False, own_dirs: Sequence[Path] = ()
) -> Iterator[Event]:
    """Look for devices at *ports* (device files or URLs); *thorough* tries all that may be."""
    every = (devicemap.load(name, own_dirs) for name in devicemap.names(own_dirs))
    maps = list(every)
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


def name(line: Bus, framing: Framing | None, address: int, maps: Sequence[DeviceMap]) -> Found:
    """Name what answers. Raise LineAway."""
    models = recognise(line, address, maps)
    told = "" if models else sunspec_identity(line, address)
    return Found(line.port, framing, address, (sunspec.NAME,) if told else models, told)


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
        numbers = luxtronik.ask(line, luxtronik.CALCULATIONS)
        return FoundHeatPump(port, luxtronik_map.decode_firmware(numbers))
    finally:
        line.close()


def lights(port: str) -> FoundLights:
    """Tell a Lutron processor by its database from all else that asks for a login."""
    url = lutron_fetch.usual_place(port)
    try:
        data = lutron_fetch.read(url, "")
        assert data is not None, "no other is known"
        return FoundLights(port, summary(parse(data)))
    except ReadFault as error:
        raise FrameDamaged(f"{port} asks for a login, but {url} is no Lutron's: {error}") from error


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


def render(found: Sequence[Found | FoundVEDirect | FoundHeatPump | FoundLights | FoundUPSs]) -> str:
    """Return the configuration for what was found, to paste."""
    text = "sources:\n"
    for number, each in enumerate(found, start=1):
        match each:
            case Found():
                text += render_meter(number, each)
            case FoundVEDirect():
                text += render_vedirect(number, each)
            case FoundHeatPump():
                text += render_heat_pump(number, each)
            case FoundLights():
                text += render_lights(number, each)
            case FoundUPSs():
                text += render_upss(number, each)
    return text


def render_meter(number: int, found: Found) -> str:
    framing = found.framing
    if not found.models:
        where = f"{found.port} at {framing}" if framing else found.port
        return f"  # {where}: address {found.address} answers, but no device map fits it\n"
    model, *others = found.models
    remark = found.told or "give it the name of what it measures"
    text = (
        f"  meter{number}:  # {remark}\n"
        f"    type: modbus\n"
        f"    line: {found.port}\n"
        f"    model: {model}{'  # or ' + ', '.join(others) if others else ''}\n"
        f"    address: {found.address}\n"
    )
    if framing is None:
        return text
    return (
        f"{text}    serial: {{baudrate: {framing.baudrate}, parity: {framing.parity}, "
        f"stopbits: {framing.stopbits}}}\n"
    )


def render_heat_pump(number: int, found: FoundHeatPump) -> str:
    return f"  heatpump{number}:\n    type: luxtronik\n    line: {found.port}\n"


def render_lights(number: int, found: FoundLights) -> str:
    return (
        f"  lights{number}:  # {found.database}\n"
        f"    type: lutron_qs\n"
        f"    line: {found.port}\n"
        f"    user: monitor  # a login for integration that nothing else uses\n"
        f"    password: !secret lutron-password\n"
    )


def render_upss(number: int, found: FoundUPSs) -> str:
    text = f"  ups{number}:\n    type: nut\n    line: {found.port}\n"
    if len(found.upss) == 1:
        return f"{text}    ups: {json.dumps(*found.upss)}\n"
    return f"{text}    # its UPSs: {', '.join(found.upss)}; 'ups: NAME' reads one of them\n"


def render_vedirect(number: int, found: FoundVEDirect) -> str:
    said = found.said
    label = "SER#" if "SER#" in said else "PID"
    return (
        f"  {kind_of(said)}{number}:  # {identity(said)}\n"
        f"    type: vedirect\n"
        f"    line: {found.port}  # or auto, which finds the port by what is expected\n"
        f"    expect: {{{label}: {json.dumps(said[label])}}}\n"
    )
