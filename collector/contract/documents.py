"""Documents in JSON that others send: what one may cost is bounded before it is read."""

import json
from typing import Any

MOST_PARTS = (
    200_000  # objects and lists: up to 230 bytes of memory each; 10 years' manifest: 20,000
)


def parsed(document: str | bytes, **how: Any) -> Any:
    """Return what *document* says, read as ``json.loads`` does. Raise ValueError, nothing else."""
    lists, objects = ("[", "{") if isinstance(document, str) else (b"[", b"{")
    parts = document.count(lists) + document.count(objects)  # type: ignore[arg-type]
    if parts > MOST_PARTS:
        raise ValueError(f"it has {parts:,} parts; at most {MOST_PARTS:,} are read")
    try:
        return json.loads(document, **how)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
