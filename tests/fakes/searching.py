"""A search with a note of all that it reports."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from collector.contract import Found
from collector.scan.scan import scan


@dataclass
class Scanned:
    found: list[Found] = field(default_factory=list)
    progress: list[tuple[str, float | None]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def devices(self) -> dict[Any, Any]:
        """Where Modbus devices answer, and which model each is; '' where none fits."""
        return {each.options.get("address"): each.options.get("model") for each in self.found}


def only_at(monkeypatch: pytest.MonkeyPatch, ports: list[str]) -> None:
    """Let a search of everything look at *ports* alone, and call nobody."""
    monkeypatch.setattr("collector.lines.adapter.ports", lambda: ports)
    monkeypatch.setattr("collector.sources.luxtronik.discover.call_out", list)
    monkeypatch.setattr("collector.sources.lutron_qs.discover.call_out", list)
    monkeypatch.setattr("collector.sources.nut.discover.HERE", "tcp://127.0.0.1:9")


def scanned(line: str = "", **options: Any) -> Scanned:
    seen = Scanned()
    for each in scan(
        line, lambda *words: seen.progress.append(words), seen.skipped.append, **options
    ):
        seen.found.append(each)
    return seen
