"""What of the readings an output gets, and under which names: ``select`` and ``rename``.

Both work on encoded readings and leave every value as it stands, to the last digit.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from collector.contract import BadOption, KeepingKinds, Output, OutputOptions
from collector.contract.counters import REPEATING, repeats
from collector.contract.rolled import is_rolled, is_rolled_line, quantity_of, rolled
from collector.quantity import QuantityNotKnown, catalogue, matching, wildcard
from collector.reading import NAME, NAME_RULE
from collector.scalars import did_you_mean

DEVICES_REMEMBERED = 4096  # more than a house has; one that makes up names fills no memory
PATTERN = re.compile(r"[A-Za-z0-9_.*-]+")
OWN_TAGS = ("site", "device", "kind", "time")


class Selection:
    """What *options* select and rename, for an *output* that they are of. Raise BadOption.

    What is rolled up, and what repeats a meter's counters, goes only where it is asked for; the
    latter also where the output keeps kinds apart.
    """

    def __init__(self, options: OutputOptions, output: Output | None = None) -> None:
        self.mixes = output is not None and not keeps_kinds(output)
        select, rename = options.select, options.rename
        self.devices = patterns("select.devices", select.devices)
        self.kinds = patterns("select.kinds", select.kinds)
        self.quantities = quantities(select.quantities)
        check_devices(rename.devices)
        check_quantities(rename.quantities)
        check_tags(options.tags)
        self.new_devices = rename.devices
        self.new_names = {old.encode(): new.encode() for old, new in rename.quantities.items()}
        self.changes = any((*vars(select).values(), *vars(rename).values()))
        self.head = lru_cache(DEVICES_REMEMBERED)(self.find_head)

    def apply(self, line: bytes) -> bytes | None:
        """Return an encoded reading as the output gets it; None where it does not."""
        if not self.changes:
            unasked = is_rolled_line(line) or (self.mixes and repeats(line))
            return None if unasked else line
        old_head, fields, time = line.split(b" ")
        head = self.head(old_head)
        if head is None:
            return None
        if self.quantities is not None or self.new_names:
            fields = b",".join(self.choose(fields))
        return b"%s %s %s" % (head, fields, time) if fields else None

    def find_head(self, head: bytes) -> bytes | None:
        """Return kind and device as they are sent; None for those that are not selected."""
        kind, _, device = head.decode("ascii").partition(",device=")
        if not self.kinds and (is_rolled(kind) or (self.mixes and kind in REPEATING)):
            return None
        for names, name in ((self.kinds, kind), (self.devices, device)):
            if names and not any(each.fullmatch(name) for each in names):
                return None
        return f"{kind},device={self.new_devices.get(device, device)}".encode()

    def choose(self, fields: bytes) -> Iterable[bytes]:
        """Yield the selected fields. One whose new name the reading has already keeps its own."""
        pairs = [field.partition(b"=")[::2] for field in fields.split(b",")]
        if self.quantities is not None:
            pairs = [(name, value) for name, value in pairs if name in self.quantities]
        taken = {name for name, _ in pairs if name not in self.new_names}
        while more := {
            name for name, _ in pairs if name not in taken and self.new_names[name] in taken
        }:
            taken |= more  # they keep their names, so others cannot have these
        for name, value in pairs:
            yield b"%s=%s" % (name if name in taken else self.new_names[name], value)


def keeps_kinds(output: Output) -> bool:
    return isinstance(output, KeepingKinds) and output.keeps_kinds


def patterns(option: str, texts: Iterable[str]) -> list[re.Pattern[str]]:
    for text in texts:
        if not PATTERN.fullmatch(text):
            raise BadOption(
                option, f"{text!r} can match no name: {NAME_RULE}, and '*' for anything"
            )
    return [wildcard(text) for text in texts]


def quantities(texts: tuple[str, ...]) -> set[bytes] | None:
    """Return the names that *texts* match; None where there is no choice."""
    names: set[bytes] = set()
    known = [*catalogue(), *rolled()] if texts else []
    for text in texts:
        try:
            names.update(each.encode() for each in matching([text], known))
        except QuantityNotKnown:
            hint = did_you_mean(text.strip("*"), catalogue())
            message = f"{text!r} matches no quantity of the catalogue{hint}"
            raise BadOption("select.quantities", message) from None
    return names if texts else None


def check_devices(rename: Mapping[str, str]) -> None:
    for old, new in rename.items():
        for name in (old, new):
            if NAME.fullmatch(name):
                continue
            raise BadOption(f"rename.devices.{old}", f"{name!r} is not a name: {NAME_RULE}")
    check_distinct("rename.devices", rename)


def check_quantities(rename: Mapping[str, str]) -> None:
    quantities = catalogue()
    for old, new in rename.items():
        for name in (old, new):
            if name not in quantities:
                hint = did_you_mean(name, quantities)
                message = f"{name!r} is not a quantity of the catalogue{hint}"
                raise BadOption(f"rename.quantities.{old}", message)
        unit = quantities[old].unit
        if quantities[new].unit != unit:
            message = f"{new!r} is not a quantity in {unit or 'no unit'}, as {old!r} is"
            raise BadOption(f"rename.quantities.{old}", message)
    check_distinct("rename.quantities", rename)


def check_distinct(option: str, rename: Mapping[str, str]) -> None:
    for old, new in rename.items():
        if list(rename.values()).count(new) > 1:
            raise BadOption(
                f"{option}.{old}", f"{new!r} is the new name of two quantities: one would be lost"
            )


def check_tags(tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        if name in OWN_TAGS or quantity_of(name):
            raise BadOption(
                f"tags.{name}", f"{name!r} has a meaning of its own: choose another name"
            )
        for word in (name, value):
            if not NAME.fullmatch(word):
                raise BadOption(f"tags.{name}", f"{word!r} is not a plain word: {NAME_RULE}")
