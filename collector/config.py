"""The configuration: one YAML file, and the files it imports.

``load`` reads it whole and reports every fault at once, each with its file, line, path, what is
accepted and the likely spelling. It touches neither a device nor the network.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from collector.backup_options import folder_of
from collector.contract import (
    DerivationOptions,
    OutputOptions,
    SourceOptions,
    defaults,
    registry,
)
from collector.contract.common import HouseFiles
from collector.contract.house import MainOptions
from collector.contract.roles import imply
from collector.options import Faults, Place, parse, read_anyway, read_given, read_mapping
from collector.reading import NAME, NAME_RULE
from collector.scalars import (
    FilePath,
    NotAccepted,
    check_timezone,
    did_you_mean,
    read_text,
    scalar,
)
from collector.secrets import Secret

DEFAULT_FILE = Path("/etc/energy-monitor/config.yaml")
MOST_FILES = 100
IMPORT_DEPTH = 5
COMMON = {"sources": SourceOptions, "derivations": DerivationOptions, "outputs": OutputOptions}
GROUPS = tuple(COMMON)


@dataclass(frozen=True)
class Config:
    """A configuration in which no fault was found; each of GROUPS maps name to options."""

    file: Path
    main: MainOptions
    sources: dict[str, Any]
    derivations: dict[str, Any]
    outputs: dict[str, Any]
    faults: Faults = field(repr=False)

    @property
    def data_dir(self) -> Path:
        return Path(self.main.data_dir)

    @property
    def backups(self) -> Path:
        return folder_of(self.main.backup, self.main.data_dir)

    @property
    def ledger(self) -> Path:
        return self.data_dir / "ledger" / "ledger.sqlite"

    @property
    def tariffs(self) -> Path:
        return self.file.parent / self.main.tariffs

    @property
    def house_files(self) -> HouseFiles:
        return HouseFiles(self.tariffs, self.ledger, self.data_dir / "holidays.json")

    @property
    def secrets(self) -> Path:
        return self.file.parent / "secrets"

    def moved(self, file: Path) -> "Config":
        """Return this configuration as it will read at *file*: relative paths count from there."""
        main = self.main

        def at(path: FilePath) -> FilePath:
            inside = os.path.relpath(path, self.file.parent)
            return FilePath(str(file.parent / inside)) if path.is_relative else path

        folder = at(main.backup.folder) if main.backup.folder else None
        backup = replace(main.backup, folder=folder, grafana=at(main.backup.grafana))
        data_dir, runtime_dir = at(main.data_dir), at(main.runtime_dir)
        main = replace(main, data_dir=data_dir, runtime_dir=runtime_dir, backup=backup)
        return replace(self, main=replace(main, tariffs=at(self.main.tariffs)))

    def secrets_named(self) -> Iterator[tuple[str, Secret]]:
        """Yield the place and the name of every secret that the collector needs."""
        if self.main.page.password:
            yield "page.password", self.main.page.password
        for group in COMMON:
            for name, options in getattr(self, group).items():
                for option_name, value in vars(options).items():
                    if isinstance(value, Secret):
                        yield f"{group}.{name}.{option_name}", value

    @property
    def socket(self) -> Path:
        return Path(self.main.runtime_dir) / "control.sock"


def load(file: Path) -> Config:
    """Read the configuration *file*. Raise ConfigFault with every fault in it."""
    config = read(file)
    config.faults.raise_found()
    return config


def read(file: Path) -> Config:
    """Read the configuration *file*, with a stand-in for what is wrong; *faults* has what it is.

    With it ``wiring.check`` finds also the faults that only building everything shows.
    """
    faults = Faults()
    entries: dict[str, tuple[Place, yaml.Node]] = {}
    named: dict[str, dict[str, tuple[Place, yaml.Node]]] = {group: {} for group in GROUPS}
    gather(file, entries, named, faults, depth=0)
    main = read_main(entries, faults)
    read = {
        group: {
            name: options
            for name, (place, node) in named[group].items()
            if (options := read_plugin(group, place, node, faults)) is not None
        }
        for group in GROUPS
    }
    imply(read)
    for name in named["derivations"].keys() & named["outputs"].keys():
        place, node = named["derivations"][name]
        faults.add(place, node, "is also the name of an output; 'journal replay' needs two names")
    if not read["sources"] and not faults.found:
        faults.add(
            Place(str(file), "sources"), None, "no source is configured: nothing would be read"
        )
    contracts = (file.parent / main.tariffs).exists()
    read["derivations"] = defaults.derivations(
        read["derivations"], named["outputs"], costs=contracts
    )
    return Config(file, main, faults=faults, **read)


def gather(
    file: Path,
    entries: dict[str, tuple[Place, yaml.Node]],
    named: dict[str, dict[str, tuple[Place, yaml.Node]]],
    faults: Faults,
    depth: int,
) -> None:
    """Collect the keys of *file* and of the files it imports, reporting what stands twice."""
    place = Place(str(file), "")
    root = parse(file, faults, in_part=True)
    if root is None:
        return
    for key, node in read_mapping(root, place, faults).items():
        inner = place.at(key)
        if key in named:
            for name, each in read_mapping(node, inner, faults).items():
                if name in named[key]:
                    other = named[key][name][0].file
                    faults.add(inner.at(name), each, f"also in {other}; a name can be used once")
                elif not NAME.fullmatch(name):
                    faults.add(inner.at(name), each, f"{name!r} is not a valid name: {NAME_RULE}")
                named[key][name] = (inner.at(name), each)
        elif key == "import":
            import_files(file, node, entries, named, faults, depth)
        elif key in entries:
            faults.add(inner, node, f"also in {entries[key][0].file}; keep one")
        else:
            entries[key] = (inner, node)


def import_files(
    file: Path,
    node: yaml.Node,
    entries: dict[str, tuple[Place, yaml.Node]],
    named: dict[str, dict[str, tuple[Place, yaml.Node]]],
    faults: Faults,
    depth: int,
) -> None:
    place = Place(str(file), "import")
    if not isinstance(node, yaml.SequenceNode):
        faults.add(place, node, "expected a list of files, such as [meters.yaml]")
    elif depth >= IMPORT_DEPTH:
        faults.add(place, node, f"files import each other more than {IMPORT_DEPTH} levels deep")
    else:
        for each in node.value:
            try:
                inner = file.parent / read_text(each)
            except NotAccepted as error:
                faults.add(place, each, str(error))
            else:
                if len(faults.files) >= MOST_FILES:
                    faults.add(place, each, f"more than {MOST_FILES} files are imported")
                    return
                gather(inner, entries, named, faults, depth + 1)


def read_main(entries: dict[str, tuple[Place, yaml.Node]], faults: Faults) -> MainOptions:
    """Read what stands at the top of the file, next to sources and outputs."""
    known = {*MainOptions.__dataclass_fields__, *GROUPS, "import"}
    values: dict[str, Any] = {}
    for key, (place, node) in entries.items():
        if key in MainOptions.__dataclass_fields__:
            values |= read_given(MainOptions, {key: node}, Place(place.file, ""), faults)
        else:
            hint = did_you_mean(key, known) or f"; known: {', '.join(sorted(known))}"
            faults.add(place, node, f"unknown option{hint}")
    try:
        check_timezone(values.get("timezone", "UTC"))
    except NotAccepted as error:
        faults.add(*entries["timezone"], str(error))
        del values["timezone"]
    return MainOptions(**values)


def read_plugin(group: str, place: Place, node: yaml.Node, faults: Faults) -> Any:
    """Read the options of one source, derivation or output, by the class of its ``type``.

    Where there is no such class, the options that every class has are read all the same.
    """
    entries = read_mapping(node, place, faults)
    if not isinstance(node, yaml.MappingNode):
        return None
    if "type" not in entries:
        known = ", ".join(registry.names(group))
        faults.add(place, node, f"'type' is missing: one of {known}")
        read_given(COMMON[group], entries, place, faults)
        return None
    try:
        plugin = registry.find(group, scalar(entries["type"]))
    except (registry.NotKnown, NotAccepted) as error:
        faults.add(place.at("type"), entries.pop("type"), str(error))
        read_given(COMMON[group], entries, place, faults)
        return None
    return read_anyway(plugin.Options, node, place, faults)
