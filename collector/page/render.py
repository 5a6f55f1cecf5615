"""Makes HTML of views: templates, the words of a language, and figures as its people write them.

Nothing is drawn later: the first HTML has every figure, and scripts only keep them up to date.
Values are escaped wherever they stand; there is no script and no style in the HTML itself.
"""

import functools
import json
from datetime import tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from collector.contract.views import DeviceView
from collector.page import assets, compiled
from collector.page.charts import sparkline
from collector.page.choice import Choice, choice
from collector.page.contexts import MAKERS, quantity
from collector.page.families import STEADY, called, is_silent, lamp
from collector.page.figures import Writer
from collector.page.names import name_of, shown, states_of
from collector.page.words import LANGUAGES, Words, language_of, words

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["LANGUAGES", "NAMES", "Choice", "choice", "language_of", "page"]

NAMES = (*MAKERS, "api", "login", "error")


@functools.cache
def environment() -> "Environment":
    made = compiled.environment()
    made.globals.update(asset=assets.path_of, sparkline=sparkline, link=link)
    return made


def page(name: str, language: str, zone: tzinfo, label: str, **views: Any) -> bytes:
    """Return a page as HTML: *views* are those that ``MAKERS`` names for it, and more."""
    said = words(language)
    writer = Writer(said, zone)
    context = {
        "name": name,
        "label": label or "Energy Monitor",
        "title": said(f"{name}.title"),
        "zone": getattr(zone, "key", "UTC"),
        "t": said,
        "w": writer,
        "icon": environment().get_template("icons.html.jinja").module.icon,  # type: ignore[attr-defined]
        "age_text": functools.partial(age_text, writer=writer),
        "called": called,
        "lamp": lamp,
        "is_silent": is_silent,
        "steady": STEADY,
        "name_of": functools.partial(name_of, writer),
        "shown": functools.partial(shown, writer),
        "states_of": functools.partial(states_of, writer),
        "quantity": functools.partial(quantity, writer),
        "live_words": json.dumps(live_words(said), ensure_ascii=False),
    }
    more = MAKERS[name](writer, **views) if name in MAKERS else views
    return environment().get_template(f"{name}.html.jinja").render({**context, **more}).encode()


def link(path: str, **query: str) -> str:
    kept = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def age_text(device: DeviceView, writer: Writer) -> str:
    """Say how old the newest reading is, and in other words where it is too old."""
    if not is_silent(device):
        return writer.ago(device.age_s)
    return writer.words("age.silent", duration=writer.duration(device.age_s))


def live_words(said: Words) -> dict[str, str]:
    """Return the messages that the script needs."""
    keys = ("drawn", "fed_in", "charging", "discharging", "idle", "produces", "unknown")
    return {
        **{key: said(f"flow.{key}") for key in keys},
        **{key: said(f"duration.{key}") for key in ("s", "min", "h", "d")},
        **{key: said(f"age.{key}") for key in ("ago", "silent")},
        "lost": said("nav.lost"),
        "sources": said("now.sources"),
        "draws": said("now.draws"),
    }
