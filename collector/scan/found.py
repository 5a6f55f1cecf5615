"""What a search tells as it goes, and the configuration for what it found, to paste."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.lines.serial import Framing
from collector.sources.vedirect.labels import identity, kind_of


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
