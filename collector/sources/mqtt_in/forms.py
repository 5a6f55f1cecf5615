"""The forms of messages that a device sends: their topic, the channel, and what they say."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from collector.contract import BadOption
from collector.decode.fields import Field, decode, fields_of, parse, pick
from collector.sources.mqtt_in.models import Device, Message, Model, load

WORD = "+"  # one word of a topic
WORDS = "#"  # one word or more, also with words after it
MOST_WORDS = 4  # of a device whose topics begin with its name: home/floor1/cellar/meter
CHANNEL = "{}"
OFFLINE = ("offline", "false")
ROOT = "words between '/', of which one is '+' for the device, or '#' for a name of several words"


class Form:
    """Messages of one form, ready to decode. Raise BadOption for a wrong *message*, at *at*.

    *channel* is the part of the device that they are about. One that *is_availability* says
    whether the device is there, and nothing else. *by_field* lets each field come by itself too.
    """

    def __init__(
        self,
        message: Message,
        at: str,
        channel: str = "",
        *,
        is_availability: bool = False,
        by_field: bool = False,
    ) -> None:
        is_whole = re.search(r"[^/][+#]|[+#][^/]", message.topic)
        if not message.topic or is_whole:
            raise BadOption(f"{at}.topic", refusal(message.topic))
        self.message = message
        self.channel = channel
        self.is_availability = is_availability
        self.by_field = by_field
        self.fields: tuple[Field, ...] = tuple(
            replace(each, exporting=message.exporting.get(each.quantity, ""))
            for each in fields_of(message, at)
        )
        self.filters = filters_of(message.topic)
        if by_field and not message.topic.endswith(WORDS):
            self.filters += (f"{message.topic}/{WORD}",)
        shape = re.escape(message.topic).replace(r"\+", "([^/]+)").replace(r"\#", "(.+)")
        self.shape = re.compile(shape, re.DOTALL)

    @property
    def names_one_device(self) -> bool:
        return WORD not in self.message.topic and WORDS not in self.message.topic

    @property
    def paths(self) -> set[str]:
        """The fields that it looks at."""
        message = self.message
        used = (message.quantities.values(), message.exporting.values())
        return {*message.needs, *message.lacks, *(path for each in used for path in each)}

    def names(self, topic: str) -> tuple[str, ...] | None:
        """Return what stands for each '+' in *topic*; None where it is another. Pure."""
        match = self.shape.fullmatch(topic)
        return match.groups() if match else None

    def decode(self, document: Any) -> Mapping[str, float]:
        """Return what a message says; nothing where it is of another form. Pure."""
        needs, lacks = self.message.needs, self.message.lacks
        if needs and all(pick(document, each) is None for each in needs):
            return {}
        if any(pick(document, each) is not None for each in lacks):
            return {}
        return decode(self.fields, document)


def filters_of(topic: str) -> tuple[str, ...]:
    """Return what a broker is asked for to hear *topic*: nothing may follow '#' there. Pure.

    It is never asked for everything that is said in the house.
    """
    begins, several, follows = topic.partition(WORDS)
    if begins or not follows:
        return (begins + several,)
    return tuple("/".join([WORD] * number) + follows for number in range(1, MOST_WORDS + 1))


def refusal(topic: str) -> str:
    form = "words between '/', and '+' in place of one that tells devices apart"
    return f"{topic!r} is not accepted: {form}"


def is_offline(document: Any) -> bool:
    """Does a message about availability say that the device is not there? Pure."""
    said = document.get("state") if isinstance(document, Mapping) else document
    return str(said).strip().lower() in OFFLINE


def expanded(message: Message) -> Iterator[tuple[str, Message]]:
    """Yield channel and message for each channel of *message*. Pure."""
    if not message.channels:
        yield "", message
        return
    for channel, text in message.channels.items():

        def filled(each: str, text: str = text) -> str:
            return each.replace(CHANNEL, text)

        yield (
            channel,
            replace(
                message,
                topic=filled(message.topic),
                needs=tuple(map(filled, message.needs)),
                lacks=tuple(map(filled, message.lacks)),
                quantities={key: filled(path) for key, path in message.quantities.items()},
                exporting={key: filled(path) for key, path in message.exporting.items()},
            ),
        )


def forms_of_model(model: Model, roots: tuple[str, ...], at: str) -> list[Form]:
    """Return what the devices of *model* say under *roots*. Raise BadOption."""
    forms = []
    for root in roots:
        for message in model.messages:
            for channel, each in expanded(message):
                topic = f"{root}/{each.topic}".rstrip("/")
                forms.append(Form(replace(each, topic=topic), at, channel, by_field=model.by_field))
        availability = Message(topic=f"{root}/{model.availability}")
        forms.append(Form(availability, at, is_availability=True))
    return forms


def told(model: Model, topic: str, payload: bytes, channel: str = "") -> dict[str, float]:
    """Return what a message tells of *channel* by *model*, its forms taken together. Pure."""
    document = parse(payload)
    values: dict[str, float] = {}
    for form in forms_of_model(model, model.roots, "messages"):
        if form.channel == channel and form.names(topic) is not None:
            values |= form.decode(document)
    return values


def forms_of(device: Device, at: str) -> list[Form]:
    """Return what the device at the option *at* says. Raise BadOption, ConfigFault."""
    if not device.model:
        return [form_of_own(device, at)]
    if device.quantities or device.units:
        raise BadOption(at, "'model' defines the fields; use either it or 'quantities'")
    try:
        model = load(device.model)
    except BadOption as error:
        raise BadOption(f"{at}.{error.option}", str(error)) from error
    roots = (device.root,) if device.root else model.roots
    words = [each for each in device.root.split("/") if each in (WORD, WORDS)]
    if device.root and (len(words) != 1 or not re.fullmatch(r"[^/]+(/[^/]+)*", device.root)):
        raise BadOption(f"{at}.root", f"{device.root!r} is not accepted: {ROOT}")
    if device.topic:
        roots = tuple(re.sub(r"[+#]", lambda _: device.topic, root, count=1) for root in roots)
    return forms_of_model(model, roots, at)


def form_of_own(device: Device, at: str) -> Form:
    """Return what a device says by its owner's words. Raise BadOption."""
    if device.root:
        raise BadOption(f"{at}.root", "it needs 'model' beside it; otherwise 'topic' says all")
    if WORDS in device.topic:
        raise BadOption(f"{at}.topic", refusal(device.topic))
    message = Message(
        kind=device.kind,
        topic=device.topic,
        quantities=device.quantities,
        units=device.units,
        partial=device.partial,
    )
    if not device.quantities:
        raise BadOption(at, "'model' or 'quantities' is required: it defines the fields")
    return Form(message, at)
