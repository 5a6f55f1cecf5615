"""``config.json`` of the exporter for Lutron HomeWorks QS (jbarwick/homeworks-service)."""

from pathlib import Path

from collector.import_config.draft import Draft
from collector.import_config.foreign import Malformed, read_json

KNOWN = ("address", "port", "username", "password")
WHY = {"log_level": "has no equivalent: what changes is logged, and nothing else"}


def read(file: Path) -> Draft:
    """Turn *file* into a draft. Raise Malformed, OSError."""
    draft = Draft()
    top = read_json(file)
    address, user = top.at("address").text(), top.at("username").text()
    if not address or not user:
        raise Malformed(f"{file}: 'address' and 'username' are needed, as in that exporter's own")
    options = {
        "type": "lutron_qs",
        "line": f"tcp://{address}:{top.at('port').text() or 23}",
        "user": user,
        "password": draft.secret("lutron-password", top.at("password")),
    }
    draft.add_source("lights", options)
    draft.note_others(top.parts(), KNOWN, WHY)
    return draft
