"""A device map says how one model is read: a file of plain data that proves itself.

    brand: Acme
    model: M1
    kind: electricity
    document: "M1 register list v2, p. 7"
    serial: {baudrate: 9600, parity: even}
    function: 4
    word_order: big
    max_registers: 20
    probe:
      - {address: 0x0000, type: float32, within: [80, 300]}                  # voltage
    registers:
      - {quantity: voltage,       address: 0x0000, type: float32}            # V
      - {quantity: active_energy, address: 0x0048, type: uint32, scale: 10}  # Wh, raw 0.01 kWh
    proofs:
      - {address: 0x0000, words: [0x4366, 0x3333], values: {voltage: 230.2}}

A value is the number in its registers times its scale, in the unit of its quantity. Addresses are
those on the wire, counted from 0.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, TypeVar

from collector.errors import ConfigFault, EnergyMonitorError, Fault
from collector.options import Faults, Place, option, parse, read_options
from collector.quantity import catalogue
from collector.scalars import did_you_mean
from collector.sources.modbus.registers import (
    ADDRESSES,
    Cell,
    Function,
    Probe,
    Register,
    WordOrder,
    decode,
)


class MapNotKnown(EnergyMonitorError):
    """No device map has that name; the message lists those there are."""


@dataclass(frozen=True, kw_only=True)
class Serial:
    """How the serial port of a device is set when it is delivered."""

    baudrate: int = option("bits per second", example=9600, low=300, high=1_000_000)
    parity: Literal["none", "even", "odd"] = option("parity bit", example="even")
    stopbits: Literal[1, 2] = option("stop bits", example=1, default=1)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Registers as a device sent them or its document shows them, and what they mean."""

    address: int = option("first register", example="0x0131", low=0, high=ADDRESSES - 1)
    words: tuple[int, ...] = option("the registers", example=[23010], low=0, high=65535)
    values: dict[str, float] = option("value of each quantity", example={"voltage": 230.1})


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """What stands in the file of a device map."""

    brand: str = option("who makes the device", example="Acme")
    model: str = option("what the maker calls it", example="M1")
    kind: str = option("kind of device", example="electricity", pattern="[a-z]+")
    document: str = option("where its registers are described", example="M1 register list v2, p. 7")
    serial: Serial | None = option("serial port as delivered; none with Modbus TCP", default=None)
    address: int = option("address as delivered", example=1, default=1, low=1, high=247)
    function: Function = option("3 reads holding registers, 4 input registers", example=3)
    word_order: WordOrder = option("'big': the high word comes first", example="big")
    max_registers: int = option("most registers in one read", example=20, low=1, high=125)
    probe: tuple[Probe, ...] = option(
        "cells that must all fit; of several maps that fit, the one with the most is the model"
    )
    registers: tuple[Register, ...] = option("what can be read")
    proofs: tuple[Proof, ...] = option("examples that the map decodes rightly")


@dataclass(frozen=True, kw_only=True)
class DeviceMap(MapFile):
    """A device map in which no fault was found. *lines* says where each value stands."""

    name: str
    lines: dict[str, tuple[str, int]] = field(repr=False, compare=False)


def names(own_dirs: Sequence[Path] = ()) -> list[str]:
    """Return the names of all device maps, those in *own_dirs* and ours."""
    return sorted(find_files(own_dirs))


def load(name: str, own_dirs: Sequence[Path] = ()) -> DeviceMap:
    """Read the device map *name*: from the first of *own_dirs* that has it, else from ours.

    Raise MapNotKnown, or ConfigFault with every fault of the file. The proofs of an owner's map
    are checked each time; those of ours by the tests.
    """
    found = find_files(own_dirs)
    if name not in found:
        known = ", ".join(sorted(found))
        msg = f"no device map named {name!r}; known: {known}{did_you_mean(name, found)}"
        raise MapNotKnown(msg)
    faults = Faults()
    root = parse(found[name], faults)
    content: MapFile | None = None
    if root is not None:
        content = read_options(MapFile, root, Place(str(found[name]), ""), faults)
    if content is not None:
        check(content, faults)
    if content is None or faults.found:
        raise ConfigFault(sorted(faults.found, key=lambda fault: fault.line))
    filled = dataclasses.replace(
        content,
        registers=tuple(fill_in(each, content) for each in content.registers),
        probe=tuple(fill_in(each, content) for each in content.probe),
    )
    device_map = DeviceMap(**vars(filled), name=name, lines=faults.lines)
    is_own = bool(own_dirs) and found[name] != find_files(()).get(name)
    if is_own and (wrong := check_proofs(device_map)):
        raise ConfigFault(wrong)
    return device_map


def load_every(own_dirs: Sequence[Path] = ()) -> tuple[list[DeviceMap], list[Fault]]:
    """Read every device map. Return those without a fault, and the faults of the others."""
    maps: list[DeviceMap] = []
    faults: list[Fault] = []
    for name in names(own_dirs):
        try:
            maps.append(load(name, own_dirs))
        except ConfigFault as error:
            faults += error.faults
    return maps, faults


def find_files(own_dirs: Sequence[Path]) -> dict[str, Traversable]:
    """Return the file of every map by its name. Raise ConfigFault for a folder without access."""
    ours: Traversable = files("collector").joinpath("devices", "modbus")
    found: dict[str, Traversable] = {}
    for folder in (ours, *reversed(own_dirs)):
        try:
            content = list(folder.iterdir()) if folder.is_dir() else []
        except OSError as error:
            fault = Fault(str(folder), 0, "", f"cannot be read: {error.strerror}")
            raise ConfigFault([fault]) from error
        found |= {
            file.name.removesuffix(".yaml"): file for file in content if file.name.endswith(".yaml")
        }
    return found


def check(content: MapFile, faults: Faults) -> None:
    """Add the faults that no value shows by itself."""
    owners: dict[tuple[Function, int], str] = {}
    for number, register in enumerate(content.registers):
        path, quantity = f"registers.{number}", register.quantity
        check_cell(register, content, path, faults)
        if quantity not in catalogue():
            hint = did_you_mean(quantity, catalogue()) or "; see quantities.yaml"
            faults.add_later(f"{path}.quantity", f"{quantity!r} is not in the catalogue{hint}")
        if register.adds:
            continue
        if quantity in (each.quantity for each in content.registers[:number]):
            faults.add_later(f"{path}.quantity", f"{quantity} already has a register")
        for address in range(register.address, register.address + register.length):
            cell = (register.function or content.function, address)
            owner = owners.setdefault(cell, quantity)
            if owner != quantity:
                faults.add_later(f"{path}.address", f"overlaps the registers of {owner}")
                break
    for number, probe in enumerate(content.probe):
        path = f"probe.{number}"
        check_cell(probe, content, path, faults)
        if len(probe.within) != 2 or probe.within[0] > probe.within[1]:  # noqa: PLR2004  a pair
            faults.add_later(f"{path}.within", "expected two numbers: [lowest, highest]")


def check_cell(cell: Cell, content: MapFile, path: str, faults: Faults) -> None:
    if not cell.scale:
        faults.add_later(f"{path}.scale", f"{cell.scale} is not accepted: a number other than 0")
    if cell.address + cell.length > ADDRESSES:
        faults.add_later(f"{path}.address", f"{cell.type} does not fit below {ADDRESSES}")
    if cell.length > content.max_registers:
        faults.add_later(f"{path}.type", f"{cell.type} is longer than max_registers")


CellT = TypeVar("CellT", bound=Cell)


def fill_in(cell: CellT, content: MapFile) -> CellT:
    return dataclasses.replace(
        cell,
        function=cell.function or content.function,
        word_order=cell.word_order or content.word_order,
    )


def check_proofs(device_map: DeviceMap) -> list[Fault]:
    """Return a fault for every value of a proof that the map does not decode exactly so."""
    faults = Faults()
    faults.lines = device_map.lines
    registers = {register.quantity: register for register in device_map.registers}
    for number, proof in enumerate(device_map.proofs):
        for quantity, value in proof.values.items():
            path = f"proofs.{number}.values.{quantity}"
            if quantity not in registers:
                faults.add_later(path, f"has no register{did_you_mean(quantity, registers)}")
                continue
            register = registers[quantity]
            start = register.address - proof.address
            words = proof.words[start : start + register.length]
            if start < 0 or len(words) < register.length:
                faults.add_later(path, "its registers are not among the words")
            elif decode(register, words) != value:
                faults.add_later(path, f"is {decode(register, words)}, not {value}")
    return faults.found
