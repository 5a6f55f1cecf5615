"""Where pages and their files come from; loaded when the first browser comes, not before."""

import functools
from collections.abc import Mapping
from importlib import import_module
from typing import Any

FILES = ("/icon.svg", "/manifest.webmanifest")


@functools.cache
def render() -> Any:
    """Return what draws pages."""
    try:
        return import_module("collector.page.render")
    except ImportError:
        return import_module("collector.page.plainly")


def asset(path: str) -> Any:
    """Return the file at *path* that pages bring along; None where there is none."""
    if not path.startswith("/static/") and path not in FILES:
        return None
    try:
        found: Mapping[str, Any] = import_module("collector.page.assets").assets()
    except ImportError:
        return None
    return found.get(path)
