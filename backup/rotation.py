"""Which backups stay: a pure function of their names, the policy, and what each of them holds.

The time of day makes none go: a Pi that starts with a wrong clock removes nothing for it, and after
a winter without power the last seven days are the last seven with backups. Days are UTC's.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from backup.chosen import lacking
from backup.latest import of_the_future
from backup.manifest import Manifest, time_of
from backup.stores.folder import Folder
from collector.backup_options import KeepOptions, read_runs
from collector.errors import Damaged

PERIODS: dict[str, Callable[[str], str]] = {
    "daily": lambda each: each[:8],
    "weekly": lambda each: f"{time_of(each):%G-%V}",
    "monthly": lambda each: each[:6],
}


def kept(
    ids: Collection[str],
    keep: KeepOptions,
    proved: Collection[str] = (),
    holding: Mapping[str, Collection[str]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return the backups that stay, oldest first, each with the reasons.

    The newest of all, the newest of those *proved*, and the newest that holds what others lack
    stay whatever the policy says; *holding* tells what each one holds, such as grafana.
    """
    newest_first = sorted(ids, reverse=True)
    reasons: dict[str, list[str]] = {}

    def stays(chosen: Sequence[str], reason: str) -> None:
        for each in chosen:
            reasons.setdefault(each, []).append(reason)

    stays(newest_first[: max(keep.hourly, 1)], "hourly")
    for name, period in PERIODS.items():
        last = {period(each): each for each in reversed(newest_first)}
        stays([last[each] for each in sorted(last, reverse=True)[: getattr(keep, name)]], name)
    stays([each for each in newest_first if each in proved][:1], "newest proved")
    held = holding or {}
    for part in sorted({part for parts in held.values() for part in parts}):
        newest = next(each for each in newest_first if part in held.get(each, ()))
        if newest != newest_first[0]:
            stays([newest], f"newest with {part}")
    return {each: tuple(reasons[each]) for each in sorted(reasons)}


def parts_of(manifest: Manifest) -> set[str]:
    """Return what a backup holds: influxdb, config, grafana …"""
    return {path.partition("/")[0] for path in manifest.files}


def plan(store: Folder, keep: KeepOptions, now: datetime | None) -> dict[str, tuple[str, ...]]:
    """Return which backups of a folder stay, and why.

    One that is damaged or has lost an object takes no other one's place, and the newest that is
    whole stays. One of the future stays: whose clock is wrong isn't known.
    """
    ids, there = store.ids(), store.sizes("")
    future = of_the_future(ids, now)
    holding: dict[str, set[str]] = {each: set() for each in ids if each not in future}
    whole = []
    for each in holding:
        with suppress(Damaged):
            manifest = store.manifest(each)
            if not lacking(manifest, there):
                holding[each] = parts_of(manifest)
                whole.append(each)
    rehearsed = read_runs(store.folder).get("rehearsal")
    proved = [rehearsed.id] if rehearsed and rehearsed.id else []
    stay = kept(holding, keep, proved, holding)
    stay |= kept(whole, keep, proved, {each: holding[each] for each in whole})
    if whole and whole[-1] != max(stay):
        stay[whole[-1]] += ("newest that is whole",)
    stay |= dict.fromkeys(future, ("dated later than now",))
    return dict(sorted(stay.items()))


@dataclass(frozen=True)
class Rotated:
    """What a rotation removed: backups, and bytes of objects that none needs any more."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    freed: int


def rotate(store: Folder, keep: KeepOptions, now: datetime | None) -> Rotated:
    """Remove what newer backups replace. Raise BackupFault while another command is at work."""
    with store.alone():
        stay = plan(store, keep, now)
        removed = [each for each in store.ids() if each not in stay]
        for each in removed:
            store.remove(each)
        return Rotated(tuple(removed), tuple(stay), store.sweep())
