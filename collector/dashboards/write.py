"""Dashboards as files."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from collector.dashboards.boards import BOARDS
from collector.dashboards.house import labelled

NO_LABELS: Mapping[str, str] = MappingProxyType({})


def text_of(board: Mapping[str, Any]) -> str:
    return json.dumps(board, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, labels: Mapping[str, str] = NO_LABELS) -> None:
    """Write every dashboard, with *labels* in place of the names of devices. Raise OSError."""
    for name, board in BOARDS.items():
        file = folder / f"{name}.json"
        file.write_text(text_of(labelled(board, labels)), encoding="utf-8")
