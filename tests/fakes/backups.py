"""Backups made by hand, for what doesn't care what is in them."""

import gzip
import hashlib

from backup.manifest import File, Manifest


def object_in(folder, content):
    """Write *content* as an object beside *folder*; return its name and its file."""
    packed = gzip.compress(content, mtime=0)
    name = hashlib.sha256(packed).hexdigest()
    file = folder / f"spool-{name}"
    file.write_bytes(packed)
    return name, file


def keep_backup(store, spool, backup_id, files):
    """Put a backup that holds *files*, {path: bytes}, into a store; return its manifest."""
    kept = {}
    for path, content in files.items():
        name, file = object_in(spool, content)
        store.put(backup_id, name, file)
        size, stored = len(content), file.stat().st_size
        kept[path] = File(size, hashlib.sha256(content).hexdigest(), name, stored)
    manifest = Manifest(
        backup_id, None, "2026-11-20T12:00:00+00:00", "energy-monitor 1", "home", files=kept
    )
    store.put_manifest(manifest)
    return manifest
