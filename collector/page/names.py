"""Names of quantities, and of the states that some of them stand for, in the reader's language."""

from collector.contract.views import Figure
from collector.page.figures import Writer

# What the catalogue adds to a name; see ``quantities.yaml``.
ENDINGS = ("import", "export", "l1", "l2", "l3", "t1", "t2", "t3", "t4", "avg", "min", "max")
STATES = {"relay", "load_on", "on_battery", "battery_low", "replace_battery", "overload"}
ON_OFF = "on_off"


def name_of(writer: Writer, quantity: str, otherwise: str) -> str:
    """Return the name of a quantity; *otherwise*, in English, where the language has none."""
    said = writer.words
    name, endings = split(writer, quantity)
    if name:
        return ", ".join([said(f"quantity.{name}"), *(said(f"ending.{each}") for each in endings)])
    text = otherwise.partition(";")[0]
    if not text or text.startswith(("1 when", "bits of")):  # it explains values, and is no name
        text = quantity.replace("_", " ")
    return text[:1].upper() + text[1:]


def is_named(writer: Writer, quantity: str) -> bool:
    """Return whether the language has a name for a quantity itself, without endings."""
    return f"quantity.{quantity}" in writer.words.messages


def split(writer: Writer, quantity: str) -> tuple[str, list[str]]:
    """Return the longest start of a quantity that has a name, and the endings behind it."""
    name, endings = quantity, list[str]()
    while name and f"quantity.{name}" not in writer.words.messages:
        name, _, ending = name.rpartition("_")
        if ending not in ENDINGS:
            return "", []
        endings = [ending, *endings]
    return name, endings


def states_of(writer: Writer, quantity: str) -> dict[str, str]:
    """Return what the values of a quantity stand for: '0' is heating; nothing for a number."""
    is_switch = quantity.endswith("_on") or quantity in STATES
    found = writer.words.below(f"value.{ON_OFF if is_switch else quantity}")
    return {key.removeprefix("v"): text for key, text in found.items()}


def shown(writer: Writer, figure: Figure) -> str:
    """Write the value of a figure, a state as its word."""
    states = states_of(writer, figure.quantity) if figure.value == int(figure.value) else {}
    return states.get(str(int(figure.value))) or str(writer.figure(figure.value, figure.unit))
