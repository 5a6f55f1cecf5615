"""Documents of far sides: each is read, or refused before it costs memory."""

import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest

from collector.contract.documents import MOST_PARTS, parsed

# What these read was written by this program, by its owner, or has a cap of some kilobytes.
OWN_FILES = {
    "collector/backup_options.py",
    "collector/contract/documents.py",
    "collector/decode/backfill.py",
    "collector/demo/configuration.py",
    "collector/derive/cost/holidays.py",
    "collector/import_config/foreign.py",
    "collector/journal/notes.py",
    "collector/ledger/database.py",
    "collector/outputs/mqtt/memory.py",
    "collector/outputs/notify/apprise_child.py",
    "collector/outputs/notify/memory.py",
    "collector/run/control.py",
    "collector/run/derivation.py",
    "collector/sources/opower/source.py",
    "collector/sources/redis/rows.py",
}


@pytest.mark.parametrize("document", ['{"a": [1.5]}', b'{"a": [1.5]}'])
def test_a_document_is_read(document):
    assert parsed(document, parse_float=Decimal) == {"a": [Decimal("1.5")]}


@pytest.mark.parametrize("piece", ["{},", "[],", '{"a":1},', "{"])
def test_one_of_too_many_parts_is_refused_before_it_costs_anything(piece):
    document = f"[{piece * MOST_PARTS}1]"
    tracemalloc.start()
    try:
        for each in (document, document.encode()):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with pytest.raises(ValueError, match="200,001 parts; at most 200,000 are read"):
                parsed(each)
            assert tracemalloc.get_traced_memory()[1] - before < 10_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("document", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "{", b"\xff"])
def test_what_is_none_raises_nothing_but_a_value_error(document):
    with pytest.raises(ValueError, match=r"."):
        parsed(document)


def test_what_far_sides_send_is_read_here_and_only_files_of_our_own_elsewhere():
    root = Path(__file__).parent.parent.parent
    every = [file for room in ("collector", "backup") for file in (root / room).rglob("*.py")]
    reading = {str(file.relative_to(root)) for file in every if "json.loads" in file.read_text()}
    assert reading == OWN_FILES
