"""What differs from house to house: the labels of its devices, in place of their names."""

import copy
import re
from collections.abc import Mapping
from typing import Any


def labelled(board: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a dashboard whose curves and bars bear the labels of their devices.

    What follows the name, such as a phase, stays.
    """
    made = copy.deepcopy(dict(board))
    renamed = [
        {
            "id": "renameByRegex",
            "options": {"regex": f"^{re.escape(device)}( .*)?$", "renamePattern": f"{label}$1"},
        }
        for device, label in labels.items()
    ]
    for panel in made["panels"]:
        if panel.get("targets") and renamed:
            panel["transformations"] = [*panel.get("transformations", []), *renamed]
    return made
