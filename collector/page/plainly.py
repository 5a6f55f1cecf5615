"""Pages without any form, until there are templates."""

import html
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from collector.page.answer import encoded


class Choice(NamedTuple):
    """What the page History is of."""

    device: str = ""
    quantity: str = ""
    range: str = "day"
    at: str = ""
    compare: bool = False


def choice(query: Mapping[str, str], _now: datetime) -> Choice:
    return Choice(
        query.get("device", ""),
        query.get("quantity", ""),
        query.get("range", "day"),
        query.get("at", ""),
        query.get("compare") == "1",
    )


def language_of(_header: str) -> str:
    return "en"


def page(name: str, language: str, _zone: tzinfo, label: str, **views: Any) -> bytes:
    shown = html.escape(encoded(views).decode(), quote=False)
    title = html.escape(f"{label}: {name}")
    text = (
        f'<!doctype html><html lang="{language}"><title>{title}</title>'
        f"<h1>{title}</h1><pre>{shown}</pre></html>"
    )
    return text.encode()
