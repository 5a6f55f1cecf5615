"""What differs from house to house: the labels of its devices, and a colour for each."""

import copy
import re
from collections.abc import Mapping
from itertools import cycle
from typing import Any

# Twelve that are told apart in light and dark, and none that has a meaning of its own.
COLOURS = (
    *("#E0752D", "#1F78C1", "#BA43A9", "#0A8F83", "#D1495B", "#6C5CE7"),
    *("#3F8E2F", "#B7791F", "#2CB1BC", "#A05195", "#7A8B99", "#C4572B"),
)


def labelled(board: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a dashboard whose curves and bars bear the labels of their devices.

    What follows the name, such as a phase, stays. The colour of a device is the same everywhere.
    """
    made = copy.deepcopy(dict(board))
    renamed = [
        {
            "id": "renameByRegex",
            "options": {"regex": f"^{re.escape(device)}( .*)?$", "renamePattern": f"{label}$1"},
        }
        for device, label in labels.items()
    ]
    coloured = [
        {
            "matcher": {"id": "byName", "options": label},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for label, colour in zip(labels.values(), cycle(COLOURS), strict=False)
    ]
    for panel in made["panels"]:
        if panel.get("targets") and renamed:
            panel["transformations"] = [*panel.get("transformations", []), *renamed]
            if panel["fieldConfig"]["defaults"]["color"]["mode"] != "thresholds":
                panel["fieldConfig"]["overrides"] += copy.deepcopy(coloured)
    return made
