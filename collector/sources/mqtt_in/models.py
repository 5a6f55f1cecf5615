"""What well-known devices say over MQTT: a file of plain data per kind, in ``devices/mqtt``.

brand: Acme
model: plugs
document: "https://acme.example/mqtt"
messages:
  - topic: acme/+/state
    quantities: {active_power: power, active_energy: total}
    units: {active_energy: kWh}
proofs:
  - {topic: acme/plug1/state, payload: '{"power": 5, "total": 1.5}',
     values: {active_power: 5, active_energy: 1500}}
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from collector.contract import BadOption
from collector.decode.fields import Field, Mapped, decode, fields_of, parse, pick
from collector.errors import ConfigFault
from collector.options import Faults, Place, option, read_options
from collector.options import parse as parse_file
from collector.scalars import did_you_mean

FOLDER = files("collector").joinpath("devices", "mqtt")


@dataclass(frozen=True, kw_only=True)
class Message(Mapped):
    """Messages of one form."""

    topic: str = option(
        "their topic; '+' stands for what tells devices apart", example="tele/+/SENSOR"
    )
    needs: str = option("field without which a message is of another form", default="")
    partial: bool = option("what a message leaves out has not changed", default=False)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A message as a device sends it, and what it means."""

    topic: str = option("its topic", example="tele/plug/SENSOR")
    payload: str = option("its text", example='{"ENERGY": {"Power": 5}}')
    values: dict[str, float] = option("value of each quantity", example={"active_power": 5})


@dataclass(frozen=True, kw_only=True)
class Model:
    """What stands in the file of a kind of devices."""

    brand: str = option("who makes them", example="Acme")
    model: str = option("which ones", example="plugs")
    document: str = option("where their messages are described")
    messages: tuple[Message, ...] = option("what they say")
    proofs: tuple[Proof, ...] = option("examples that are decoded rightly")


@dataclass(frozen=True, kw_only=True)
class Device(Mapped):
    """What one device says, or all whose topics differ in one word."""

    model: str = option(
        "known model: tasmota, shelly-plus, shelly-gen1, shelly-3em, zigbee2mqtt; it defines "
        "the fields",
        example="tasmota",
        default="",
    )
    topic: str = option(
        "with 'model': the word in its topics that identifies it (default: all devices of the "
        "model); otherwise its topic. '+' matches any word, and each device is then named "
        "NAME.WORD",
        example="washer",
        default="",
    )
    partial: bool = option(
        "its messages contain only what has changed; earlier values stay valid",
        example=True,
        default=False,
    )


class Form:
    """Messages of one form, ready to decode. Raise BadOption for a wrong *message*, at *at*."""

    def __init__(self, message: Message, at: str) -> None:
        if not message.topic or "#" in message.topic or re.search(r"[^/]\+|\+[^/]", message.topic):
            form = "words between '/', and '+' in place of one that tells devices apart"
            raise BadOption(f"{at}.topic", f"{message.topic!r} is not accepted: {form}")
        self.message = message
        self.fields: tuple[Field, ...] = fields_of(message, at)
        shape = re.escape(message.topic).replace(r"\+", "([^/]+)")
        self.shape = re.compile(shape, re.DOTALL)

    @property
    def names_one_device(self) -> bool:
        return "+" not in self.message.topic

    def names(self, topic: str) -> tuple[str, ...] | None:
        """Return what stands for each '+' in *topic*; None where it is another. Pure."""
        match = self.shape.fullmatch(topic)
        return match.groups() if match else None

    def decode(self, document: Any) -> Mapping[str, float]:
        """Return what a message says; nothing where it is of another form. Pure."""
        needed = self.message.needs
        if needed and pick(document, needed) is None:
            return {}
        return decode(self.fields, document)


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


def told(model: Model, topic: str, payload: bytes) -> dict[str, float]:
    """Return what a message tells by *model*, its forms taken together. Pure."""
    document = parse(payload)
    values: dict[str, float] = {}
    for number, message in enumerate(model.messages):
        form = Form(message, f"messages.{number}")
        if form.names(topic) is not None:
            values |= form.decode(document)
    return values


def forms_of(device: Device, at: str) -> list[Form]:
    """Return what the device at the option *at* says. Raise BadOption, ConfigFault."""
    if not device.model:
        message = Message(
            kind=device.kind,
            topic=device.topic,
            quantities=device.quantities,
            units=device.units,
            partial=device.partial,
        )
        if not device.quantities:
            text = "'model' or 'quantities' is required: it defines the fields"
            raise BadOption(at, text)
        return [Form(message, at)]
    if device.quantities or device.units:
        raise BadOption(at, "'model' defines the fields; use either it or 'quantities'")
    try:
        model = load(device.model)
    except BadOption as error:
        raise BadOption(f"{at}.{error.option}", str(error)) from error
    return [
        Form(replace(each, topic=each.topic.replace("+", device.topic or "+", 1)), at)
        for each in model.messages
    ]
