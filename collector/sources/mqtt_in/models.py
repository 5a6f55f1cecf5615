"""What well-known devices say over MQTT: a file of plain data per kind, in ``devices/mqtt``.

brand: Acme
model: plugs
document: "https://acme.example/mqtt"
roots: [acme/+]                  # what their topics begin with; '+' is the device's name
availability: online             # ROOT/online says whether it is there
messages:
  - topic: state                 # ROOT/state
    quantities: {active_power: power, active_energy: total}
    units: {active_energy: kWh}
proofs:
  - {topic: acme/plug1/state, payload: '{"power": 5, "total": 1.5}',
     values: {active_power: 5, active_energy: 1500}}
"""

from dataclasses import dataclass
from importlib.resources import files

from collector.contract import BadOption
from collector.decode.fields import Mapped
from collector.errors import ConfigFault
from collector.options import Faults, Place, option, read_options
from collector.options import parse as parse_file
from collector.scalars import did_you_mean

FOLDER = files("collector").joinpath("devices", "mqtt")


@dataclass(frozen=True, kw_only=True)
class Message(Mapped):
    """Messages of one form.

    Where it has *channels*, ``{}`` in its topic and fields is what stands for each of them.
    """

    topic: str = option("what follows the root in their topic", example="SENSOR", default="")
    needs: tuple[str, ...] = option(
        "fields without any of which a message is of another form", default=()
    )
    lacks: tuple[str, ...] = option(
        "fields with any of which a message is of another form", default=()
    )
    partial: bool = option("what a message leaves out has not changed", default=False)
    channels: dict[str, str] = option(
        "what stands for each channel of a device, by the name that follows that of the device; "
        "'' is the device itself",
        example={"": "0", "1": "1"},
        default={},
    )
    exporting: dict[str, str] = option(
        "field of a quantity that says 'producing' where its value flows out",
        example={"active_power": "energy_flow"},
        default={},
    )


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A message as a device sends it, and what it means."""

    topic: str = option("its topic", example="tele/plug/SENSOR")
    payload: str = option("its text", example='{"ENERGY": {"Power": 5}}')
    channel: str = option("whose values follow; '' is the device itself", default="")
    values: dict[str, float] = option("value of each quantity", example={"active_power": 5})


@dataclass(frozen=True, kw_only=True)
class Model:
    """What stands in the file of a kind of devices."""

    brand: str = option("who makes them", example="Acme")
    model: str = option("which ones", example="plugs")
    document: str = option("where their messages are described")
    roots: tuple[str, ...] = option(
        "what their topics begin with; '+' is the name of the device, '#' one of several words",
        example=["tele/+"],
    )
    by_field: bool = option(
        "each field may also come in a topic of its own, which ends in its name", default=False
    )
    availability: str = option("what follows the root where a device says if it is there")
    messages: tuple[Message, ...] = option("what they say")
    proofs: tuple[Proof, ...] = option("examples that are decoded rightly")


@dataclass(frozen=True, kw_only=True)
class Device(Mapped):
    """What one device says, or all whose topics differ in one word."""

    model: str = option(
        "known model: tasmota, shelly-plus, shelly-gen1, shelly-em, shelly-3em, zigbee2mqtt; it "
        "defines the fields",
        example="tasmota",
        default="",
    )
    topic: str = option(
        "with 'model': its name in its topics, also of several words such as 'kitchen/plug' "
        "(default: all devices of the model); otherwise its topic. '+' matches any word, and each "
        "device is then named NAME.WORD",
        example="washer",
        default="",
    )
    root: str = option(
        "with 'model': what its topics begin with, if not as delivered, with '+' for the device: "
        "'home/+/tele' for Tasmota's full topic home/%topic%/%prefix%/, or with '#' for a name of "
        "several words: 'house/zigbee/#' for Zigbee2MQTT's base topic house/zigbee",
        example="home/+/tele",
        default="",
    )
    partial: bool = option(
        "its messages contain only what has changed; earlier values stay valid",
        example=True,
        default=False,
    )


def names() -> list[str]:
    return sorted(
        each.name.removesuffix(".yaml") for each in FOLDER.iterdir() if each.name.endswith(".yaml")
    )


def load(name: str) -> Model:
    """Read the model *name*. Raise BadOption where there is none, ConfigFault for its mistakes."""
    if name not in names():
        hint = did_you_mean(name, names())
        raise BadOption("model", f"no model named {name!r}; known: {', '.join(names())}{hint}")
    file = FOLDER.joinpath(f"{name}.yaml")
    faults = Faults()
    root = parse_file(file, faults)
    model: Model | None = None
    if root is not None:
        model = read_options(Model, root, Place(str(file), ""), faults)
    if model is None:
        raise ConfigFault(faults.found)
    return model
