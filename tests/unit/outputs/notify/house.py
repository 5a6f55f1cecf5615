"""A target at a service of the tests, used as the service uses it."""

from typing import Any
from zoneinfo import ZoneInfo

import yaml

from collector.contract import Context, registry
from collector.contract.alert import Meaning
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from tests.fakes import notify as fake

OVERLOAD = Meaning(
    text="the power is close to what the contract allows",
    advice="switch something large off",
    unit="W",
    urgent=True,
)
MEANINGS = {"overload": OVERLOAD, "gone": Meaning(text="nothing comes", unit="s")}


def make(folder, kind="webhook", name="it", meanings=MEANINGS, **options):
    """Return a target of *kind*, not yet opened."""
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "token").write_text(fake.TOKEN)
    text = yaml.safe_dump({"type": kind, **options}).replace("'!secret token'", "!secret token")
    cls = registry.find("outputs", kind)
    faults = Faults()
    node: Any = yaml.compose(text)
    read = read_options(cls.Options, node, Place(str(folder / "c.yaml"), ""), faults)
    assert faults.found == []
    context = Context(
        "home", Lines(), folder, folder / "state", ZoneInfo("Europe/Rome"), alerts=meanings
    )
    return cls(name, read, context)
