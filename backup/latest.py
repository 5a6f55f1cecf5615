"""Which backup is meant, and which ones are of the future: their names are times of some clock.

A Pi has no clock battery, and one wrong year in a name would else be the newest backup for good.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from backup.manifest import AHEAD, time_of
from backup.stores.folder import Store
from collector.clock import TIMESYNCD_MARK, Clock
from collector.config import Config
from collector.errors import BackupFault, Damaged, Untrusted

MOST_STRANGERS = 100  # who may add to a store can name his forgeries as he likes


def clock_is_right(config: Config | None = None) -> bool:
    """Return whether this machine's clock can be believed, as the timers and the collector do."""
    trust = config.main.clock.trust if config else "synchronised"
    clock = Clock(trust, config.data_dir / "journal" / "trusted-boot" if config else None)
    known = trust == "always" or clock.was_trusted() or TIMESYNCD_MARK.exists()
    return known or clock.synchronised()


def now_if_right(config: Config | None = None) -> datetime | None:
    """Return the time of day; None where this machine's clock can't be believed."""
    return datetime.now(UTC) if clock_is_right(config) else None


def of_the_future(ids: Collection[str], now: datetime | None) -> set[str]:
    """Return those of *ids* that are dated more than a day later than *now*.

    Where the time of day isn't known, it is the newest one, if it is so far ahead of all others.
    """
    if now is not None:
        return {each for each in ids if time_of(each) - now > AHEAD}
    *others, newest = sorted(ids)[-2:] or [""]
    return {newest} if others and time_of(newest) - time_of(others[0]) > AHEAD else set()


def present(ids: Collection[str], now: datetime) -> list[str]:
    """Return those of *ids* that are not of the future, in order; all, where each of them is."""
    future = of_the_future(ids, now)
    return sorted(set(ids) - future) or sorted(ids)


def pick(
    store: Store, wanted: str, now: datetime | None, tell: Callable[[str], None] = lambda _: None
) -> str:
    """Return the id that *wanted* means: an id, the beginning of one, or 'latest'.

    The latest is of no future and of no stranger; *tell* hears of each that is passed over. Raise
    BackupFault with what there is where none is meant, or several.
    """
    ids = store.ids()
    if wanted == "latest" and ids:
        return latest(store, ids, now, tell)
    found = [each for each in ids if each.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    there = f"there are {', '.join(ids[-5:])}" if ids else "there is none"
    msg = f"{store.name}: no single backup is meant by {wanted!r}: {there}"
    raise BackupFault(msg)


def latest(store: Store, ids: list[str], now: datetime | None, tell: Callable[[str], None]) -> str:
    future = of_the_future(ids, now)
    for each in sorted(future):
        than = f"later than now, {now:%Y-%m-%d}" if now else "long after all others"
        tell(f"backup {each} is passed over: it is dated {than}")
    for each in [each for each in reversed(ids) if each not in future][:MOST_STRANGERS]:
        try:
            store.manifest(each)
        except Untrusted as error:
            tell(f"backup {each} is passed over: {error}")
        except Damaged:
            return each  # which is said when it is read
        else:
            return each
    raise BackupFault(
        f"{store.name}: no backup can be taken for the latest: name one by its id, such as "
        f"{ids[-1]}"
    )
