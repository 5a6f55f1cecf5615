"""What the settings of every store have in common: which store they are of, and their format."""

from typing import Any

from collector.errors import BackupFault

FORMAT = 1


def checked(document: Any, store: str) -> dict[str, Any]:
    """Return *document* where it has the settings of a *store*. Raise BackupFault."""
    if not isinstance(document, dict) or document.get("store") != store:
        raise BackupFault(
            f'these are not the settings of a store: \'"store": "{store}"\' is missing'
        )
    if document.get("format") != FORMAT:
        raise BackupFault(
            f"these settings have format {document.get('format')!r}, and this program reads "
            f"{FORMAT}: they were made for a newer one; upgrade first"
        )
    return document
