"""What ``energy-monitor backup list`` and ``verify`` print."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from collector import text

if TYPE_CHECKING:
    from backup.verify import Verified

# ruff: noqa: PLC0415  see cli.backup


def entry(backup_id: str, store: Any, seen: set[str], runs: dict[str, Any]) -> dict[str, Any]:
    """Tell of one backup; *seen* are the objects of older ones, which it adds its own to."""
    from backup.manifest import time_of
    from collector.errors import Damaged, Untrusted

    age_s = (datetime.now(UTC) - time_of(backup_id)).total_seconds()
    proofs = {"rehearsal": "restored", "verify": "verified", "upload": "uploaded"}
    proved = [word for task, word in proofs.items() if task in runs and runs[task].id == backup_id]
    told = {"id": backup_id, "age_s": round(age_s), "proved": proved}
    try:
        manifest = store.manifest(backup_id)
    except Untrusted as error:
        return told | {"untrusted": str(error)}
    except Damaged as error:
        return told | {"damaged": str(error)}
    new = sum(size for name, size in manifest.objects.items() if name not in seen)
    seen.update(manifest.objects)
    return told | {
        "size": manifest.stored,
        "new": new,
        "files": len(manifest.files),
        "encrypted": bool(manifest.encrypted_to),
        "notes": list(manifest.notes),
    }


def word_for(entry: dict[str, Any]) -> str:
    return "not trusted" if "untrusted" in entry else "damaged"


def listed(entries: list[dict[str, Any]]) -> str:
    rows = [
        [
            each["id"],
            text.duration(each["age_s"]),
            text.amount(each["size"]) if "size" in each else word_for(each),
            text.amount(each["new"]) if "new" in each else "",
            ", ".join(each["proved"]),
            ", ".join(each["kept"]),
        ]
        for each in entries
    ]
    return text.table(["BACKUP", "AGE", "SIZE", "NEW", "PROVED", "KEPT AS"], rows, right=(1, 2, 3))


def verdict(found: "Verified") -> str:
    size = f"{text.counted(found.files, 'file')}, {text.amount(found.size)}"
    if not found.damaged:
        how = "" if found.opened else " (their contents need the private key: --identity)"
        return click.style(f"backup {found.id}: no damage in {size}{how}", fg="green")
    lines = [f"{path}: {why}" for path, why in sorted(found.damaged.items())]
    lines.append(click.style(f"backup {found.id}: {len(lines)} of {size} are damaged", fg="red"))
    if found.without:
        lines.append(f"the newest backup without this damage: {found.without}")
    else:
        lines.append(
            "no other backup is without this damage; the next backup stores these files again"
        )
    return "\n".join(lines)
