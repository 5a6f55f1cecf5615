"""Our configuration in the making: what goes into it, and what there is to say about it."""

import itertools
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from collector import config
from collector.errors import ConfigFault, Fault
from collector.import_config.foreign import Malformed, Part
from collector.run import wiring
from collector.run.heard import check_heard
from collector.scalars import NotAccepted, label_of
from collector.secrets import Secret

HEAD = """\
# Made by 'energy-monitor import-config'. Set 'timezone' to that of the house, such as Europe/Rome,
# and have it looked at by 'energy-monitor check'.
"""

Options = dict[str, Any]


@dataclass
class Draft:
    """Sources, derivations and outputs with their options by name; *notes* for the owner."""

    sources: dict[str, Options] = field(default_factory=dict)
    derivations: dict[str, Options] = field(default_factory=dict)
    outputs: dict[str, Options] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def groups(self) -> dict[str, dict[str, Options]]:
        return {
            "sources": self.sources,
            "derivations": self.derivations,
            "outputs": self.outputs,
        }

    def note(self, place: str, text: str) -> None:
        self.notes.append(f"{place}: {text}")

    def add_source(self, name: str, options: Options) -> str:
        """Add a source; return the name that it is given."""
        given = unused(name, self.sources)
        self.sources[given] = with_label(name, given, options)
        return given

    def add_derivation(self, name: str, options: Options) -> None:
        """Add a derivation, whose name no source and no output has."""
        given = unused(name, [*self.sources, *self.outputs, *self.derivations])
        self.derivations[given] = with_label(name, given, {}) | options

    def add_output(self, name: str, options: Options) -> None:
        given = unused(name, self.outputs)
        self.outputs[given] = with_label(name, given, options)

    def secret(self, name: str, part: Part) -> Secret:
        """Return a reference in place of the secret at *part*, and say how to store it."""
        name = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        self.note(
            part.place,
            "is a secret and was not copied. Store it with "
            f"'sudo energy-monitor secret set {name}'",
        )
        return Secret(name)

    def note_others(
        self, parts: Mapping[str, Part], known: Iterable[str], why: Mapping[str, str]
    ) -> None:
        """Say of each of *parts* that is not *known* that it has no equivalent, and *why* not."""
        for key in [each for each in parts if each not in known]:
            self.note(parts[key].place, why.get(key, "has no equivalent"))


def with_label(name: str, given: str, options: Options) -> Options:
    """Return *options* with the name of before as label, where it had to be changed to *given*."""
    with suppress(NotAccepted):
        if name != given:
            return options | {"label": str(label_of(name))}
    return options


def unused(name: str, used: Iterable[str]) -> str:
    """Return *name* as it may stand in a configuration, with a number where it is *used*."""
    name = re.sub("[^A-Za-z0-9]+", "_", name).strip("_") or "source"
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(each for each in names if each not in used)


def accepted(draft: Draft) -> str:
    """Return *draft* as a configuration that ``energy-monitor check`` accepts.

    What it would not accept is left out, with a note. Raise Malformed where no source is left.
    """
    if not draft.outputs:
        draft.note("outputs", "there is none: readings stay in the journal until one is added")
    while draft.sources:
        text = as_yaml(draft)
        faults = faults_in(text)
        if not faults:
            return text
        if not leave_out(draft, faults):
            raise Malformed(f"no configuration can be made of it: {faults[0]}")
    raise Malformed("it contains nothing that can be read here")


def leave_out(draft: Draft, faults: Iterable[Fault]) -> bool:
    """Take out of *draft* what has faults; return whether that was anything."""
    left_out = False
    for fault in faults:
        group, _, rest = fault.path.partition(".")
        entries = draft.groups.get(group, {})
        if entries.pop(rest.partition(".")[0], None) is not None:
            draft.note(fault.path, f"is not valid here and is skipped: {fault.message}")
            left_out = True
    return left_out


def faults_in(text: str) -> tuple[Fault, ...]:
    """Return what ``energy-monitor check`` would say of *text*, but for secrets not yet stored."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            loaded = config.load(file)
            check_heard(loaded)
            wiring.build(loaded, wiring.new_health(loaded))
        except ConfigFault as error:
            return error.faults
    return ()


class Dumper(yaml.SafeDumper):
    """Writes secrets by their names."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  an '&id001' is no help to readers
        return True


Dumper.add_representer(
    Secret, lambda dumper, secret: dumper.represent_scalar("!secret", secret.name)
)


def as_yaml(draft: Draft) -> str:
    made = {name: entries for name, entries in draft.groups.items() if entries}
    return HEAD + yaml.dump(
        made, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
