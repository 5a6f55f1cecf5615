"""Devices that speak Modbus, RTU or TCP, each read as its map says, or as it says by SunSpec.

A read that no sound device could have sent counts as damaged.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collector.contract import BadOption, Context, Manner, SourceOptions
from collector.decode.exact import total
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, ReadFault
from collector.lines import adapter
from collector.lines.serial import ACCEPTED, NETWORK_SCHEMES, Framing, LineConflict, SerialOptions
from collector.lines.tcp import CONNECT_S
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds
from collector.sources.modbus import believable, devicemap, discover, scheme, sunspec, sunspec_chain
from collector.sources.modbus.believable import Counters
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.due import Device, Due
from collector.sources.modbus.mbap_line import MbapLine
from collector.sources.modbus.meter import Bus, Meter, words_of
from collector.sources.modbus.plan import Block
from collector.sources.modbus.registers import Register
from collector.sources.modbus.rtu import Shape
from collector.sources.modbus.rtu_line import RtuLine
from collector.sources.modbus.sunspec import Point

log = logging.getLogger(__name__)

LAST_ADDRESS = 247  # on RS-485 (Modbus over Serial Line V1.02, 2.2)


@dataclass(frozen=True, kw_only=True)
class ModbusOptions(SourceOptions):
    """A meter or inverter that speaks Modbus: on a serial port, or on the network."""

    line: str = option(
        "the serial port, best by its name in /dev/serial/by-id; tcp://HOST:502 for Modbus TCP, "
        "also of a gateway; or, for Modbus RTU through a serial server, socket://HOST:PORT or "
        "rfc2217://HOST:PORT; devices on one line share it",
        example="/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
    )
    model: str = option(
        "name of the device map, or 'sunspec' for an inverter or meter that supports SunSpec; "
        "its strings, meters and battery are then separate devices, such as NAME.string1",
        example="orno-we-515",
    )
    address: int | None = option(
        "Modbus address, the unit id in Modbus TCP (default: as delivered); 0 and 248 to 255 "
        "only in Modbus TCP",
        example=1,
        default=None,
        low=0,
        high=255,
    )
    pause: Seconds | None = option(
        "silence on the line before each request (default: what the device turns out to want)",
        example="60ms",
        default=None,
        low=0,
        high=2,
    )
    serial: SerialOptions = field(
        default_factory=SerialOptions,
        metadata={
            "help": "how the line is set, or with Modbus TCP that behind the gateway, where not "
            "as the meter was delivered"
        },
    )


class Modbus:
    """One device on a line, which it may share with others."""

    Options: ClassVar[type] = ModbusOptions
    manner = Manner(
        "tries", ("/", "tcp:", *(f"{each}:" for each in NETWORK_SCHEMES)), discover.PORTS
    )
    discover = staticmethod(discover.discover)

    def __init__(self, name: str, options: ModbusOptions, context: Context) -> None:
        self.name = name
        self.map = load_map(options.model, context)
        self.framing = framing_of(self.map, options)
        address = self.map.address if options.address is None else options.address
        bus = bus_of(options.line, address, self.framing, context)
        other = bus.claims.setdefault(address, name)
        if other != name:
            msg = f"{address} is the address of {other} already, which is on the same line"
            raise BadOption("address", msg)
        self.meter = Meter(name, bus, address, self.map)
        self.counters = Counters()
        self.last: dict[frozenset[str], dict[Device, dict[str, float]]] = {}
        self.due: dict[tuple[frozenset[str], bool], Due] = {}
        self.scheme_tried = not is_network(options.line)
        if options.pause is not None:
            self.meter.slave.pause_s, self.meter.slave.is_pause_given = options.pause, True

    @property
    def line(self) -> str:
        return self.meter.bus.port

    @property
    def quantities(self) -> Collection[str]:
        if self.map.name == sunspec.NAME:
            return sunspec.quantities()
        return list(dict.fromkeys(register.quantity for register in self.map.registers))

    @property
    def patience_s(self) -> float:
        connect_s = CONNECT_S if is_tcp(self.line) and not self.meter.bus.is_open else 0.0
        return connect_s + self.meter.patience_s()

    def open(self) -> None:
        """Open the line, and find out what a SunSpec device can tell. Raise ReadFault."""
        self.meter.open()
        if self.map.name == sunspec.NAME:
            try:
                self.learn_points()
            except (DeviceSilent, FrameDamaged) as error:
                raise self.explained(error) from error

    def learn_points(self) -> None:
        who = f"address {self.meter.address} on {self.line}"
        self.meter.get_in_step()
        models = sunspec_chain.walk(self.words, who)
        told = sunspec_chain.described(models, sunspec_chain.identity(models, self.words))
        points = list(sunspec.points(models, self.words))
        if not points:
            raise DeviceRefused(f"{who}, {told}: none of these is known")
        found = sunspec.device_map(points)
        if found != self.map:
            log.info("%s: %s", self.name, told)
            self.map = found
            self.due.clear()
            self.meter = Meter(self.name, self.meter.bus, self.meter.address, found)

    def words(self, address: int, count: int) -> Sequence[int]:
        return list(self.meter.ask(Block(3, address, count)).values())

    def close(self) -> None:
        self.meter.bus.close()

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Read what is due; raise at the first block that is not answered."""
        words = self.fetch(self.due_for(quantities).registers)
        due = self.due_for(quantities)  # a refusal may have taught another function
        before, told = self.last.get(quantities, {}), dict[Device, dict[str, float]]()
        every: list[Sequence[int]] = []
        parts_lack = set[tuple[Device, str]]()
        for register, device, pick in due.places:
            try:
                held = pick(words)
            except KeyError:  # it was left out
                if register.adds:
                    parts_lack.add((device, register.quantity))
                continue
            every.append(held)
            value = register.value(held)
            if value is None:
                continue
            quantity = register.quantity
            if not value and self.counters.is_doubtful(device[1], quantity, before.get(device, {})):
                continue
            values = told.setdefault(device, {})
            if register.adds:
                value = total([value, values.get(quantity, 0.0)])
            values[quantity] = value
        for device, quantity in parts_lack:  # a part is not the whole
            told.get(device, {}).pop(quantity, None)
        if self.map.name != sunspec.NAME:
            self.check(told, every, due.quantities)
        self.last[quantities] = told
        return [Reading(kind, device, at_ms, values) for (kind, device), values in told.items()]

    def due_for(self, quantities: frozenset[str]) -> Due:
        key = quantities, self.meter.uses_input
        if key not in self.due:
            registers = self.registers(quantities)
            self.due[key] = Due(registers, self.device_of, self.meter.block)
        return self.due[key]

    def fetch(self, registers: Sequence[Register]) -> Mapping[tuple[int, int], int]:
        """Read *registers*. Raise ReadFault, which names the scheme that is right."""
        try:
            return self.meter.fetch(registers)
        except (DeviceSilent, FrameDamaged) as error:
            raise self.explained(error) from error

    def explained(self, error: ReadFault) -> ReadFault:
        """Return *error*, or one that says what else is spoken there; tried once."""
        if self.scheme_tried or self.meter.bus.has_heard:
            return error
        self.scheme_tried = True
        self.meter.bus.close()
        ask = self.meter.block(self.map.registers[0])
        shape = Shape(self.meter.address, ask.function, ask.words)
        right = scheme.spoken(self.line, shape, ask.address)
        self.meter.open()
        return (
            type(error)(f"{error}; but it answers at {right}: write that as its line")
            if right
            else error
        )

    def check(
        self,
        told: Mapping[Device, Mapping[str, float]],
        every: Sequence[Sequence[int]],
        names: Sequence[str],
    ) -> None:
        """Raise FrameDamaged for what no sound meter could have sent."""
        for values in told.values():
            if why := believable.why_not(values, every, names):
                raise FrameDamaged(f"{self.name}: {why}")

    def device_of(self, register: Register) -> Device:
        """Return kind and name of the device that *register* tells about."""
        if isinstance(register, Point):
            return register.kind, f"{self.name}{register.device}"
        return self.map.kind, self.name

    def read_raw(self) -> list[dict[str, Any]]:
        """Read every register by itself; what is refused has a reason and no words."""
        self.meter.get_in_step()
        return [self.raw_row(register) for register in self.map.registers]

    def raw_row(self, register: Register) -> dict[str, Any]:
        block = self.meter.block(register)
        row: dict[str, Any] = {
            "quantity": register.quantity,
            "address": block.address,
            "function": block.function,
            "type": register.type,
        }
        if isinstance(register, Point):
            row["device"] = self.device_of(register)[1]
        try:
            words = list(words_of(block, self.meter.ask(block)))
        except DeviceRefused as refusal:
            return row | {"words": [], "value": None, "refused": str(refusal)}
        return row | {"words": words, "value": register.value(words)}

    def bus_time_ms(self, quantities: Collection[str]) -> float:
        """Return how long reading *quantities* keeps the line busy, in milliseconds."""
        return self.meter.bus_time_ms(self.registers(quantities))

    def advice(self) -> list[str]:
        """Return what should be changed about the line's adapter, in sentences."""
        parity = self.framing.parity if self.framing else "none"
        return adapter.advice(self.line, parity, is_open=self.meter.bus.is_open)

    def registers(self, quantities: Collection[str]) -> list[Register]:
        return [register for register in self.map.registers if register.quantity in quantities]


def is_tcp(line: str) -> bool:
    return not line.startswith(("/", *(f"{scheme}:" for scheme in NETWORK_SCHEMES)))


def is_network(line: str) -> bool:
    return is_tcp(line) or line.startswith("socket:")


def bus_of(url: str, address: int, framing: Framing | None, context: Context) -> Bus:
    """Return the line *url*, not yet opened. Raise BadOption."""
    try:
        if not is_tcp(url):
            assert framing, "a device without a serial port was refused before"
            serial: RtuLine = context.lines.get(url, framing, RtuLine)
            return serial
        bus = context.lines.share(url, MbapLine(url))
    except LineConflict as error:
        raise BadOption("line", str(error)) from error
    except ValueError as error:
        raise BadOption(
            "line", f"{url!r} is not a line; write tcp://HOST:PORT, {ACCEPTED}"
        ) from error
    if framing:
        bus.framings[address] = framing
    return bus


def load_map(model: str, context: Context) -> DeviceMap:
    if model == sunspec.NAME:
        return sunspec.device_map([sunspec.MARKED])
    try:
        return devicemap.load(model, [context.config_dir / "devices"])
    except devicemap.MapNotKnown as error:
        raise BadOption("model", str(error)) from error


def framing_of(device_map: DeviceMap, options: ModbusOptions) -> Framing | None:
    """Return how the line is set: as given, and for the rest as the device is delivered.

    None where there is no serial line; with Modbus TCP there is one where a gateway stands before
    a device that has a serial port only. Raise BadOption.
    """
    delivered, given = device_map.serial, options.serial
    if is_tcp(options.line):
        if delivered is None or (device_map.name == sunspec.NAME and given == SerialOptions()):
            return None
    elif delivered is None:
        msg = f"{device_map.name} has no serial port: its line is tcp://HOST:502"
        raise BadOption("model", msg)
    elif options.address is not None and not 1 <= options.address <= LAST_ADDRESS:
        raise BadOption(
            "address", f"{options.address} is not a valid address on a serial line; use 1 to 247"
        )
    return Framing(
        given.baudrate or delivered.baudrate,
        given.parity or delivered.parity,
        given.stopbits or delivered.stopbits,
    )
