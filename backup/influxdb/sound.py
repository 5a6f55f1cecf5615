"""Whether what a backup has of InfluxDB fits together: files, list of buckets, and counts."""

from backup.influxdb.buckets import SHARDS, Buckets, Shard, listed
from backup.manifest import File, Manifest

BUCKETS = "influxdb/buckets.json"


def at_odds(manifest: Manifest, listing: Buckets) -> dict[str, str]:
    """Return what is wrong by paths: files that nothing lists, and shards that lack points.

    A note on a shard says already what is not in the backup of it.
    """
    shards = {each.folder: each for each in listed(listing)}
    files: dict[str, list[File]] = {folder: [] for folder in shards}
    faults = {}
    for path, file in manifest.files.items():
        folder = path.rpartition("/")[0] + "/"
        if folder in files:
            files[folder].append(file)
        elif path.startswith(f"{SHARDS}/"):
            faults[path] = f"{BUCKETS} lists no such shard"
    for folder, shard in shards.items():
        counted, held = counted_in(manifest, shard), points_in(files[folder])
        told = any(note.startswith(f"{shard}: ") for note in manifest.notes)
        if held is not None and held < counted and not told:
            faults[folder] = f"InfluxDB counted {counted:,} points, and its files hold {held:,}"
    for bucket_id in manifest.counts.keys() - {each.bucket_id for each in shards.values()}:
        faults[f"{SHARDS}/{bucket_id}/"] = f"points were counted, and {BUCKETS} lists no shard"
    return faults


def without_list(manifest: Manifest) -> str | None:
    """Say that a backup has files of InfluxDB, or says so, without a list of buckets."""
    ours = any(path.startswith(f"{SHARDS}/") for path in manifest.files)
    if BUCKETS not in manifest.files and (ours or manifest.influxdb):
        return "the list of buckets is missing, without which InfluxDB's files can't be used"
    return None


def counted_in(manifest: Manifest, shard: Shard) -> int:
    """Return how many points InfluxDB counted in a shard; 0 where others share its days."""
    counts = manifest.counts.get(shard.bucket_id, {})
    return 0 if shard.shares_days else sum(counts.get(day, 0) for day in shard.days)


def points_in(files: list[File]) -> int | None:
    """Return how many points files hold; None where one doesn't tell."""
    summaries = [file.tsm for file in files]
    return sum(each[0] for each in summaries if each) if all(summaries) else None
