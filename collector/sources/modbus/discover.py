"""Finds Modbus devices: asks every likely address, at every likely setting of the serial ports.

It only ever reads. First comes the address that meters are delivered with, at every framing, then
the others. All meters on a line have one framing: where one is found, no other is tried. A device
is named by the device map whose probes all fit, and of several by the one with the most probes.
What no map fits is asked whether it describes itself by SunSpec.
"""

import termios
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from collector.contract import Found, Search, with_role
from collector.errors import DeviceSilent, LineAway, ReadFault
from collector.lines.serial import Framing
from collector.sources.modbus import devicemap, scheme, sunspec, sunspec_chain
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.mbap_line import MbapLine
from collector.sources.modbus.meter import Bus
from collector.sources.modbus.plan import Block
from collector.sources.modbus.recognise import answers, knocks, recognise, sunspec_identity
from collector.sources.modbus.rtu import Shape
from collector.sources.modbus.rtu_line import RtuLine

PORTS = (502, 1502)  # of Modbus TCP; the latter with SolarEdge

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

# The latter are those of Kostal, Victron, SMA and Fronius (200 on: the meters of a GEN24).
UNITS = (*range(1, 11), 71, 100, 126, *range(200, 204), 240, 247, 255)
NO_UNIT = 213  # where nobody puts a device: what answers here as well, answers everywhere
GATEWAY_S = 1.0  # a gateway waits itself, before it says that nobody answers


def discover(search: Search) -> Iterator[Found]:
    """Yield the devices on every serial port, or behind one TCP port. Raise ReadFault."""
    maps, faults = devicemap.load_every(search.device_dirs)
    for fault in faults:
        search.skipped(f"{fault}; this map is left out")
    if search.line.startswith("tcp:"):
        yield from scan_units(search, maps)
    with_serial = [each for each in maps if each.serial is not None]
    for port in search.ports:
        try:
            yield from scan_port(search, port, with_serial)
        except ReadFault as error:
            search.skipped(str(error))


def scan_port(search: Search, port: str, maps: Sequence[DeviceMap]) -> Iterator[Found]:
    framings: tuple[Framing, ...] = FRAMINGS + RARE_FRAMINGS if search.thorough else FRAMINGS
    rounds = (DELIVERED, LIKELY, OTHER) if search.thorough else (DELIVERED, LIKELY)
    done = 0
    for number, addresses in enumerate(rounds):
        left = len(framings) * sum(len(each) for each in rounds[number:])
        for framing in framings:
            found = False
            for address, device in scan_addresses(RtuLine(port, framing), addresses, maps):
                if device is None:
                    search.progress(f"{port}  {framing}  {address}", done / (done + left))
                    done, left = done + 1, left - 1
                else:
                    found = True
                    yield device
            if found:
                framings = (framing,)
                break


def scan_addresses(
    line: RtuLine, addresses: Sequence[int], maps: Sequence[DeviceMap]
) -> Iterator[tuple[int, Found | None]]:
    """Yield each address before it is asked, and again with what answers there. Raise LineAway."""
    questions = knocks(maps, line.framing)
    try:
        line.open()
    except LineAway as error:
        if isinstance(error.__cause__, termios.error):  # this port cannot do the framing
            return
        raise
    try:
        for address in addresses:
            yield address, None
            if answers(line, address, questions, KNOCK_S):
                yield address, identify(line, line.framing, address, maps)
    finally:
        line.close()


def scan_units(search: Search, maps: Sequence[DeviceMap]) -> Iterator[Found]:
    """Ask the units behind one address. One question will do: Modbus TCP demands some answer."""
    units = range(256) if search.thorough else UNITS
    line, question, any_found = MbapLine(search.line), knocks(maps, None)[:1], False
    try:
        for number, unit in enumerate(units):
            search.progress(f"{search.line}  unit  {unit}", number / len(units))
            if knock(line, unit, question):
                any_found = True
                yield identify(line, None, unit, maps)
                if knock(line, NO_UNIT, question):  # it answers for any unit
                    return
    finally:
        line.close()
    if not any_found:
        ask = question[0]
        right = scheme.spoken(search.line, Shape(1, ask.function, ask.words), ask.address)
        hint = f", but one that speaks RTU: its line is {right}" if right else ""
        raise DeviceSilent(f"{search.line}: no Modbus TCP device answers{hint}")


def knock(line: MbapLine, unit: int, question: Sequence[Block]) -> bool:
    """Is *unit* there? Raise LineAway where nothing is."""
    line.open()
    try:
        return answers(line, unit, question, GATEWAY_S)
    except LineAway:  # some hang up when asked for another unit
        return False


def identify(line: Bus, framing: Framing | None, address: int, maps: Sequence[DeviceMap]) -> Found:
    """Say what answers, and how it is configured. Raise LineAway."""
    models = recognise(line, address, maps)
    identity = "" if models else sunspec_identity(line, address)
    if identity:
        models = (sunspec.NAME,)
    return found(line.port, framing, address, models, identity)


def found(
    port: str, framing: Framing | None, address: int, models: Sequence[str], identity: str = ""
) -> Found:
    """Return what *models* fit equally well, perhaps none; *identity* is by SunSpec. Pure."""
    where = f"{framing}  address {address}" if framing else f"address {address}"
    if not models:
        return Found("modbus", port, f"{where} answers, but no device map matches it")
    options = {"line": port, "model": models[0], "address": address}
    if framing:
        options["serial"] = asdict(framing)
    remark = with_role(identity, "solar" if sunspec_chain.is_inverter(identity) else "")
    remarks = {"": remark or "give it the name of what it measures"}
    if others := models[1:]:
        remarks["model"] = f"or {', '.join(others)}"
    text = f"{where}: {identity or ', '.join(models)}"
    return Found("modbus", port, text, options, "meter", remarks)
