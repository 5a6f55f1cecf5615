"""Meters that speak Modbus RTU, each read as its device map says.

A meter that is fed by the line it measures cannot see 0 V and 0 Hz. An OR-WE-504 was seen to send
just that now and then in a sound frame, so such a read counts as damaged, whatever the model.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collector import adapter, devicemap
from collector.contract import BadOption, Context, SourceOptions
from collector.devicemap import DeviceMap
from collector.errors import DeviceRefused, FrameDamaged
from collector.line import Framing, LineConflict, SerialOptions
from collector.meter import Meter, words_of
from collector.options import option
from collector.reading import Reading
from collector.registers import Register, decode
from collector.rtu_line import RtuLine

VOLTAGES = ("voltage", "voltage_l1", "voltage_l2", "voltage_l3")


@dataclass(frozen=True, kw_only=True)
class ModbusOptions(SourceOptions):
    """A meter that speaks Modbus RTU, on a serial port or behind a serial server."""

    line: str = option(
        "the serial port, best by its name in /dev/serial/by-id; or socket://HOST:PORT, or "
        "rfc2217://HOST:PORT; meters on one line share it",
        example="/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
    )
    model: str = option("name of the meter's device map", example="orno-we-515")
    address: int | None = option(
        "Modbus address of the meter (default: as delivered)",
        example=1,
        default=None,
        low=1,
        high=247,
    )
    serial: SerialOptions = field(
        default_factory=SerialOptions,
        metadata={"help": "how the line is set, where not as the meter was delivered"},
    )


class Modbus:
    """One meter on a line, which it may share with others."""

    Options: ClassVar[type] = ModbusOptions

    def __init__(self, name: str, options: ModbusOptions, context: Context) -> None:
        self.name = name
        self.map = load_map(options.model, context)
        self.framing = framing_of(self.map, options.serial)
        address = options.address or self.map.address
        try:
            bus = context.lines.get(options.line, self.framing, RtuLine)
        except LineConflict as error:
            raise BadOption("line", str(error)) from error
        other = bus.claims.setdefault(address, name)
        if other != name:
            msg = f"{address} is the address of {other} already, which is on the same line"
            raise BadOption("address", msg)
        self.meter = Meter(name, bus, address, self.map)

    @property
    def line(self) -> str:
        return self.meter.bus.port

    @property
    def quantities(self) -> Collection[str]:
        return [register.quantity for register in self.map.registers]

    @property
    def patience_s(self) -> float:
        return self.meter.patience_s()

    def open(self) -> None:
        self.meter.open()

    def close(self) -> None:
        self.meter.bus.close()

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Read what is due; raise at the first block that is not answered."""
        registers = self.registers(quantities)
        words = self.meter.fetch(registers)
        values = {}
        for register in registers:
            held = words_of(self.meter.block(register), words)
            value = decode(register, held) if held else None
            if value is not None:
                values[register.quantity] = value
        if cannot_be(values):
            msg = f"{self.name}: 0 V and 0 Hz: a meter that is fed by its line cannot see that"
            raise FrameDamaged(msg)
        return [Reading(self.map.kind, self.name, at_ms, values)] if values else []

    def read_raw(self) -> list[dict[str, Any]]:
        """Read every register by itself; what is refused has a reason and no words."""
        self.meter.get_in_step()
        return [self.raw_row(register) for register in self.map.registers]

    def raw_row(self, register: Register) -> dict[str, Any]:
        block = self.meter.block(register)
        row = {
            "quantity": register.quantity,
            "address": register.address,
            "function": block.function,
            "type": register.type,
        }
        try:
            words = words_of(block, self.meter.ask(block))
        except DeviceRefused as refusal:
            return row | {"words": [], "value": None, "refused": str(refusal)}
        return row | {"words": words, "value": decode(register, words)}

    def bus_time_ms(self, quantities: Collection[str]) -> float:
        """Return how long reading *quantities* keeps the line busy, in milliseconds."""
        return self.meter.bus_time_ms(self.registers(quantities))

    def advice(self) -> list[str]:
        """Return what should be changed about the line's adapter, in sentences."""
        return adapter.advice(self.line, self.framing.parity, is_open=self.meter.bus.is_open)

    def registers(self, quantities: Collection[str]) -> list[Register]:
        return [register for register in self.map.registers if register.quantity in quantities]


def load_map(model: str, context: Context) -> DeviceMap:
    try:
        return devicemap.load(model, [context.config_dir / "devices"])
    except devicemap.MapNotKnown as error:
        raise BadOption("model", str(error)) from error


def framing_of(device_map: DeviceMap, given: SerialOptions) -> Framing:
    """Return how the line is set: as *given*, and for the rest as the device is delivered."""
    delivered = device_map.serial
    if delivered is None:
        msg = f"{device_map.name} has no serial port: it speaks Modbus TCP, which is not read yet"
        raise BadOption("model", msg)
    return Framing(
        given.baudrate or delivered.baudrate,
        given.parity or delivered.parity,
        given.stopbits or delivered.stopbits,
    )


def cannot_be(values: Mapping[str, float]) -> bool:
    """Do *values* say that there is neither voltage nor frequency, where both were read?"""
    voltages = [values[name] for name in VOLTAGES if name in values]
    return bool(voltages) and not any(voltages) and values.get("frequency") == 0
