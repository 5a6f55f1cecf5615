"""What draws pages, loaded when the first browser comes: it takes memory, and many need none."""

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.page.assets import Asset

FILES = ("/icon.svg", "/manifest.webmanifest")


def render() -> ModuleType:
    from collector.page import render as found  # noqa: PLC0415  as said above

    return found


def asset(path: str) -> "Asset | None":
    """Return the file at *path* that pages bring along; None where there is none."""
    if not path.startswith("/static/") and path not in FILES:
        return None
    from collector.page.assets import assets  # noqa: PLC0415  as said above

    return assets().get(path)
