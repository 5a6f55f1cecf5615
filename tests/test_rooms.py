"""Who may import whom: left never knows right, and nobody knows the rooms beside him."""

import ast
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "collector"

WORDS = {"errors", "options", "quantity", "reading", "scalars", "secrets"}
METERS = {"devicemap", "meter", "registers", "rtu_line"}
MAY_IMPORT = {
    "errors": set(),
    "secrets": {"errors"},
    "scalars": {"secrets"},
    "options": {"errors", "scalars", "secrets"},
    "reading": set(),
    "quantity": {"errors", "options", "scalars"},
    "registers": {"options"},
    "devicemap": WORDS | {"registers"},
    "line": {"adapter", "errors", "options"},
    "rtu": {"errors"},
    "mbap": {"rtu"},
    "mbap_line": {"errors", "line", "mbap", "rtu", "tcp"},
    "sunspec": {"devicemap", "errors", "options", "registers", "sunspec_chain"},
    "sunspec_chain": {"errors", "registers"},
    "rtu_line": {"adapter", "errors", "line", "rtu"},
    "adapter": {"line"},
    "plan": {"rtu"},
    "tcp": {"errors"},
    "lutron": {"errors", "tcp"},
    "lutron_db": {"errors"},
    "lutron_fetch": {"errors", "lutron_db", "tcp"},
    "lutron_readings": {"lutron", "lutron_db", "reading"},
    "lutron_search": {"lutron", "tcp"},
    "luxtronik": {"errors", "tcp"},
    "nut": {"errors", "tcp"},
    "fields": {"contract", "options", "quantity", "reading", "scalars"},
    "mqtt_line": {"errors"},
    "mqtt_models": {"contract", "errors", "fields", "options", "scalars"},
    "mqtt_search": {"fields", "mqtt_line", "mqtt_models"},
    "redis_line": {"errors", "tcp"},
    "redis_rows": {"fields", "reading", "redis_line"},
    "open_meteo": {"errors", "reading"},
    "deadline": set(),
    "web": {"deadline", "errors"},
    "backfill": {"reading"},
    "intervals": {"reading"},
    "portal": {"errors", "intervals", "scalars", "web"},
    "espi": {"errors"},
    "green_button": {"errors", "espi", "intervals", "reading"},
    "luxtronik_map": {"errors", "options"},
    "meter": {"devicemap", "errors", "mbap_line", "plan", "registers", "rtu", "rtu_line"},
    "vedirect": set(),
    "vedirect_labels": {"errors", "options"},
    "vedirect_line": {"errors", "line", "vedirect", "vedirect_labels"},
    "contract": WORDS | {"line"},
    "sources": WORDS
    | {"adapter", "contract", "demo", "devicemap", "line", "meter", "registers", "rtu_line"}
    | {"lutron", "lutron_db", "lutron_fetch", "lutron_readings"}
    | {"luxtronik", "luxtronik_map", "tcp", "vedirect", "vedirect_labels", "vedirect_line"}
    | {"mbap_line", "plan", "sunspec", "sunspec_chain"}
    | {"backfill", "nut", "open_meteo", "web"}
    | {"fields", "mqtt_line", "mqtt_models", "redis_line", "redis_rows"}
    | {"green_button", "intervals", "portal"},
    "outputs": WORDS | {"contract", "deadline"},
    "clock": set(),
    "frames": set(),
    "log": {"frames"},
    "records": {"frames", "log"},
    "cursor": set(),
    "notes": {"clock"},
    "losses": {"notes"},
    "journal": {"cursor", "errors", "log", "losses", "notes", "reading", "records"},
    "health": {"reading"},
    "intake": WORDS | {"clock", "contract", "health", "journal"},
    "delivery": WORDS | {"clock", "contract", "health", "journal", "records"},
    "registry": {"errors"},
    "backup_options": {"options", "scalars", "secrets"},
    "config": WORDS | {"backup_options", "registry"},
    "control": {"errors"},
}
# The front door and the tools beside it: they may know everything that is left of them.
FREE = {
    "__main__", "arguments", "checks", "cli", "cli_backup", "cli_doctor", "cli_journal",
    "cli_import", "cli_restore", "cli_secret", "cli_setup", "demo", "doctor", "import_config",
    "found", "once", "recognise", "reference", "replay", "restore_here", "scan", "scan_network",
    "service", "setup_influxdb", "show",
}  # fmt: skip


# What backups may know of the collector.
BACKUP_MAY = {"__version__", "backup_options", "config", "deadline", "errors", "secrets", "show"}


def modules():
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(module):
    return module.parts[0].removesuffix(".py")


def imported(file):
    """Yield the rooms of the collector that a module imports anywhere in it."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "collector":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("collector."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name.split(".")[1] for name in names if name.startswith("collector."))


def test_every_room_is_on_the_plan():
    assert {room_of(module) for module in modules()} == {*MAY_IMPORT, *FREE, "__init__"}


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_room_imports_only_what_is_left_of_it(module):
    room = room_of(module)
    if room in MAY_IMPORT:
        own = {room} if len(module.parts) > 1 else set()
        strangers = set(imported(PACKAGE / module)) - MAY_IMPORT[room] - own
        assert not strangers, f"{module} may not import {', '.join(sorted(strangers))}"


@pytest.mark.parametrize("file", sorted((ROOT / "backup").glob("*.py")), ids=lambda file: file.name)
def test_backups_know_little_of_the_collector(file):
    assert set(imported(file)) <= BACKUP_MAY


@pytest.mark.parametrize("group", ["sources", "outputs"])
def test_sources_and_outputs_do_not_know_one_another(group):
    for module in modules():
        if room_of(module) == group:
            text = (PACKAGE / module).read_text()
            others = set(re.findall(rf"collector\.{group}\.(\w+)", text)) - {module.stem}
            assert not others, f"{module} imports {others}"


def test_outputs_never_ask_the_clock():
    for module in modules():
        if room_of(module) == "outputs":
            text = (PACKAGE / module).read_text()
            assert not re.search(r"\btime\.time\b|datetime\.now|collector\.clock", text), module


def test_the_installed_entry_points_are_those_of_the_project_file():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group, wanted in project["entry-points"].items():
        installed = {each.name: each.value for each in entry_points(group=group)}
        missing = {name: value for name, value in wanted.items() if installed.get(name) != value}
        assert not missing, f"not installed: {missing}; run: rm .venv/ready && make .venv/ready"
