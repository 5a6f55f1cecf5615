"""The files that pages bring along: made once, compressed once, with a sum in their name.

A browser may keep a file for ever: another content has another name. Scripts import each other as
``./app.js``, and that name gets its sum too.
"""

import functools
import gzip
import json
import zlib
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
# Each may import those before it.
NAMES = ("app.css", "uplot.js", "app.js", "history.js")
MANIFEST = {
    "name": "Energy Monitor",
    "short_name": "Energy",
    "start_url": "/",
    "display": "standalone",
    "background_color": "#f5f4ef",
    "theme_color": "#0b6e69",
    "icons": [{"src": "/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
}


class Asset(NamedTuple):
    """A file as it is sent. *kept* files never change under their name."""

    content_type: str
    body: bytes
    gzipped: bytes
    kept: bool


@functools.cache
def assets() -> Mapping[str, Asset]:
    """Return every file by its path."""
    return dict(made().values())


@functools.cache
def made() -> Mapping[str, tuple[str, Asset]]:
    """Return the path of every file and the file, by its plain name."""
    found: dict[str, tuple[str, Asset]] = {}
    for name in NAMES:
        body = text_of(name)
        for other, (path, _) in found.items():
            body = body.replace(f"'./{other}'", f"'{path}'")
        start, _, ending = name.rpartition(".")
        digest = f"{zlib.crc32(body.encode()):08x}"
        found[name] = f"/static/{start}.{digest}.{ending}", asset(body, ending, kept=True)
    found["icon.svg"] = "/icon.svg", asset(text_of("icon.svg"), "svg", kept=False)
    manifest = json.dumps(MANIFEST)
    found["manifest"] = "/manifest.webmanifest", asset(manifest, "webmanifest", kept=False)
    return found


def text_of(name: str) -> str:
    folder = files("collector.page").joinpath("static")
    text = folder.joinpath(name).read_text(encoding="utf-8")
    if name == "app.css":  # one file is one request
        text += folder.joinpath("uplot.css").read_text(encoding="utf-8")
    return text


def asset(text: str, ending: str, *, kept: bool) -> Asset:
    body = text.encode()
    return Asset(TYPES[ending], body, compressed(body), kept)


def compressed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


def path_of(name: str) -> str:
    """Return under which path a file is served."""
    return made()[name][0]
