"""Who may import whom, by folder: left never knows right, and nobody knows the rooms beside him.

A module's room is its folder; the modules at the root of ``collector/`` and those of its contract
are the words, which all may import. In ``sources/`` and ``outputs/`` every family is a room.
"""

import ast
import re
import tomllib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MOST_LINES = 320
MOST_AT_THE_ROOT = 15
IMPORTED_AS = {"paho-mqtt": "paho", "pyserial": "serial", "pyyaml": "yaml"}
WORDS = {"contract"}  # a folder of words
BELOW = {"words", "lines", "decode", "journal", "ledger", "sources", "outputs", "derive", "run"}
LAW = {
    "words": set(),
    "lines": {"words"},
    "decode": {"words"},
    "journal": {"words"},
    "ledger": {"words"},
    "sources": {"decode", "lines", "words"},
    "outputs": {"lines", "words"},
    "derive": {"ledger", "words"},
    "run": {"journal", "ledger", "lines", "page", "words"},
    "page": {"derive", "journal", "ledger", "words"},
    "scan": {"sources", "lines", "words"},
    "import_config": BELOW,
    "dashboards": {"words"},
    "demo": BELOW,
    "doctor": BELOW,
    "cli": {*BELOW, "dashboards", "scan", "import_config", "demo", "doctor", "backup"},
    "backup": {"lines", "words"},
}


@cache
def modules():
    """Return every module's file by its dotted name; a package goes by its folder's."""
    files = [each for top in ("collector", "backup") for each in (ROOT / top).rglob("*.py")]
    return {
        ".".join(each.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): each
        for each in files
    }


def room_of(module):
    """Return the room of a module: ``sources.nut`` or ``words``, ``backup`` for all of backup."""
    top, *inner = module.split(".")
    if top == "backup":
        return top
    name = ".".join(inner)
    is_package = modules()[module].name == "__init__.py"
    folders = inner if is_package else inner[:-1]
    if folders and folders[0] in {"sources", "outputs", "derive"}:
        return name if is_package or len(folders) == 1 else ".".join(folders[:2])
    return folders[0] if folders and folders[0] not in WORDS else "words"


def imported(module):
    """Yield the modules of ours that a module imports anywhere in it, also inside functions."""
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [each if each in modules() else node.module for each in inner]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (each for each in names if each in modules() and each != "collector")


def law_of(room):
    return LAW[room.partition(".")[0]]


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_what_its_room_may(module):
    room = room_of(module)
    for each in imported(module):
        other = room_of(each)
        allowed = other == room or other.partition(".")[0] in law_of(room)
        assert allowed, f"{module} ({room}) imports {each} ({other})"


def circle_in(arrows):
    """Return one circle of *arrows* (name → names), or nothing."""
    done: set[str] = set()
    path: list[str] = []

    def walk(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        path.append(name)
        for each in sorted(arrows[name]):
            if found := walk(each):
                return found
        done.add(path.pop())
        return []

    return next((found for name in sorted(arrows) if (found := walk(name))), [])


def test_no_module_imports_itself_by_a_circle():
    arrows = {each: set(imported(each)) - {each} for each in modules()}
    assert circle_in(arrows) == []


def test_the_law_allows_no_circle_of_rooms():
    assert circle_in(LAW) == []


def test_no_module_is_too_long_to_be_read_at_once():
    lengths = {each: len(file.read_text().splitlines()) for each, file in modules().items()}
    assert {each: lines for each, lines in lengths.items() if lines > MOST_LINES} == {}


def test_the_words_at_the_root_are_few():
    assert len(list((ROOT / "collector").glob("*.py"))) <= MOST_AT_THE_ROOT


def test_only_the_store_reaches_into_its_folder():
    reaching = {each for each, file in modules().items() if '"objects"' in file.read_text()}
    assert reaching == {"backup.stores.folder", "backup.stores.sftp"}  # the same on two computers


def test_outputs_never_ask_the_clock():
    for module, file in modules().items():
        if module.startswith("collector.outputs"):
            text = file.read_text()
            assert not re.search(r"\btime\.time\b|datetime\.now|collector\.clock", text), module


def test_what_the_appliance_installs_is_imported_and_the_same_in_both_files():
    pipfile = tomllib.loads((ROOT / "Pipfile").read_text())["packages"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {*project["dependencies"], "setuptools>=77"}  # which builds the project itself
    assert {f"{name}{version}" for name, version in pipfile.items()} == wanted
    text = "\n".join(file.read_text() for file in modules().values())
    for name in pipfile.keys() - {"setuptools"}:
        module = IMPORTED_AS.get(name, name.replace("-", "_"))
        assert re.search(rf"^ *(import|from) {module}\b", text, re.MULTILINE), name


def test_the_installed_entry_points_are_those_of_the_project_file():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group, wanted in project["entry-points"].items():
        installed = {each.name: each.value for each in entry_points(group=group)}
        missing = {name: value for name, value in wanted.items() if installed.get(name) != value}
        assert not missing, f"not installed: {missing}; run: rm .venv/ready && make .venv/ready"
