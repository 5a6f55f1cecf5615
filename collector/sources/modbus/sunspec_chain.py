"""What a SunSpec device says of itself: which models it shows, and who made it.

At one of three places stands "SunS". From there on model follows model, each with its number and
its length, until the number 0xFFFF.
(SunSpec Device Information Model Specification V1.1, 6)
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged
from collector.sources.modbus.registers import ADDRESSES

BASES = (40000, 50000, 0)
MARK = (0x5375, 0x6E53)  # "SunS"
COMMON, END = 1, 0xFFFF
NO_MODEL = (0, END)  # some of Kostal end with 0 (sunspec/models, issue 44)
NO_REGISTERS = (1, 2, 3, 4)  # reasons for a refusal; others, such as 6 (busy), may not last
MOST_MODELS = 100  # the longest chain that was seen has some 30
LONGEST_WALK_S = 15.0
INVERTERS = {"101", "102", "103", "111", "112", "113", "701"}
TEXTS = {"maker": (2, 16), "model": (18, 16), "version": (42, 8), "serial": (50, 16)}

Read = Callable[[int, int], Sequence[int]]


class Model(NamedTuple):
    """A model in a device: its number stands at *address*, *length* registers follow the length."""

    number: int
    address: int
    length: int


def find(read: Read, who: str) -> int:
    """Return where "SunS" stands. Raise ReadFault, DeviceRefused where it stands nowhere.

    Some devices do not answer where they have no registers. Each place is asked for another number
    of registers, so that on a serial line a late answer is not taken for the next one.
    """
    silence: DeviceSilent | None = None
    for more, base in enumerate(BASES):
        try:
            if tuple(read(base, 2 + more)[:2]) == MARK:
                return base
        except DeviceRefused as refusal:
            if refusal.code not in NO_REGISTERS:
                raise
        except DeviceSilent as error:
            silence = silence or error
    if silence:
        raise silence
    places = ", ".join(map(str, BASES))
    raise DeviceRefused(f"{who} is not a SunSpec device: at none of {places} stands 'SunS'")


def walk(read: Read, who: str = "it") -> list[Model]:
    """Return the models of the device *who*. Raise ReadFault: FrameDamaged for an endless chain."""
    base = find(read, who)
    address, models = base + 2, list[Model]()
    begun_s = time.monotonic()
    while len(models) < MOST_MODELS and address + 2 <= ADDRESSES:
        if time.monotonic() - begun_s > LONGEST_WALK_S:
            raise DeviceSilent(
                f"{who} told {len(models)} models in {LONGEST_WALK_S:.0f} s, and no end"
            )
        number, length = head(read, base, address)
        if number in NO_MODEL:
            return models
        models.append(Model(number, address, length))
        address += 2 + length
    raise FrameDamaged(f"{who} tells a chain of models without an end: {len(models)} came")


def head(read: Read, base: int, address: int) -> Sequence[int]:
    """Return number and length of the model at *address*. Raise ReadFault.

    Some devices leave out the last number, and refuse it or say nothing. Silence counts as the end
    where the device still answers at *base*. Three registers are asked for there, so that on a
    serial line a late answer is not taken for that one.
    """
    try:
        return read(address, 2)
    except DeviceRefused as refusal:
        if refusal.code not in NO_REGISTERS:
            raise
    except DeviceSilent:
        read(base, 3)
        with suppress(DeviceSilent, DeviceRefused):
            return read(address, 2)
    return END, 0


def identity(models: Sequence[Model], read: Read) -> Mapping[str, str]:
    """Return maker, model, version and serial number, as far as the device tells. Raise ReadFault.

    They are words of a stranger: what cannot be printed is left out.
    """
    end = max(offset + size for offset, size in TEXTS.values())
    common = next((each for each in models if each.number == COMMON), None)
    if common is None or common.length + 2 < end:
        return dict.fromkeys(TEXTS, "")
    words = read(common.address, end)
    return {name: text(words[offset : offset + size]) for name, (offset, size) in TEXTS.items()}


def text(words: Sequence[int]) -> str:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    shown = (chr(byte) for byte in data.partition(b"\0")[0])
    return "".join(each for each in shown if each.isascii() and each.isprintable()).strip()


def is_inverter(text: str) -> bool:
    """Tell whether what ``described`` says of a device has a model of inverters."""
    numbers = text.rpartition(", models ")[2].split(", ")
    return any(each in INVERTERS for each in numbers)


def described(models: Sequence[Model], told: Mapping[str, str]) -> str:
    """Say what a device is: its maker, model, version, serial number, and models."""
    name = f"{told['maker']} {told['model']}".strip() or "SunSpec device"
    numbers = ", ".join(str(each.number) for each in models)
    version = f", version {told['version']}" if told["version"] else ""
    serial = f", serial number {told['serial']}" if told["serial"] else ""
    return f"{name}{version}{serial}, models {numbers}"
