"""Write the dashboards: ``python -m collector.dashboards [FOLDER]``."""

import json
import sys
from pathlib import Path

from collector.dashboards.boards import BOARDS

FOLDER = Path(__file__).parents[2] / "grafana-provisioning/dashboards"


def text_of(board: dict[str, object]) -> str:
    return json.dumps(board, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    for name, board in BOARDS.items():
        (folder / f"{name}.json").write_text(text_of(board), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
