"""The journal: how much it holds, what it lost, and what was refused."""

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collector.clock import utc
from collector.doctor.case import AS_ROOT, Case
from collector.doctor.finding import CannotTell, Finding
from collector.journal import notes
from collector.journal.layout import NAME
from collector.text import amount, counted, duration

LOOK_AT_CARD = "sudo dmesg | grep -iE 'mmc|i/o error|ext4'    # and have a spare card"
NEARLY = 0.8  # of ``journal.max_size``
LATELY = timedelta(days=7)
CAUSES = {
    "torn": "A power cut takes what was not on the disk yet: at most 'journal.sync', 10 s as it "
    "comes.",
    "damaged": "The disk returned other bytes than were written: often the first sign of a worn "
    "card.",
    "unreadable": "The disk returned nothing: often the end of a worn card.",
    "disk full": "The oldest readings were dropped so that measuring could continue.",
    "not taken by the disk": "It took nothing for so long that memory was full: often the end of a "
    "worn card.",
    "too much": "The journal may be no larger than 'journal.max_size'.",
    "too old": "An output lacked them for longer than 'journal.keep_undelivered'.",
    "clock never right": "They could not be dated: the machine was started again before its clock "
    "was right.",
}


def folder_of(case: Case) -> Path:
    """Return the journal's folder. Raise CannotTell where it is not there or not ours to see."""
    folder = case.data_dir / "journal"
    try:
        list((folder / "log").iterdir())
    except FileNotFoundError:
        raise CannotTell(f"there is no journal in {folder} yet") from None
    except OSError as error:
        raise CannotTell(f"{folder} cannot be looked into: {error.strerror}", AS_ROOT) from error
    return folder


def size(case: Case) -> Iterator[Finding]:
    """How much is in the journal, and is there room for more?"""
    files = [file for file in (folder_of(case) / "log").iterdir() if NAME.fullmatch(file.name)]
    taken = sum(file.stat().st_size for file in files)
    limit = case.main.journal.max_size
    what = f"{amount(taken)} of at most {amount(limit)}"
    if case.status:
        held = case.status.journal
        span = f" of {duration(held.days * 86_400)}" if held.days else ""
        what = f"{counted(held.readings, 'reading')}{span} in {what}"
    if taken > NEARLY * limit:
        yield Finding(
            "warning",
            what,
            "Beyond that the oldest readings go first, also those that an output still lacks.",
            f"sudoedit {case.file}    # raise 'journal.max_size', or mend the output that is away",
        )
    else:
        yield Finding("ok", what)


def taken(case: Case) -> Iterator[Finding]:
    """Does the disk take what is measured?"""
    if not case.status:
        return
    held = case.status.journal.held
    for place, reason in case.status.journal.faults.items():
        yield Finding(
            "error",
            f"{place}: {reason}",
            f"Measuring and delivery go on. {held:,} readings are only in memory and lost if the "
            "service stops.",
            LOOK_AT_CARD,
        )
    if not case.status.journal.faults:
        yield Finding("ok", "the disk takes every reading")


def losses(case: Case) -> Iterator[Finding]:
    """What was lost, by cause, and when?"""
    folder = folder_of(case)
    written: dict[str, int] = defaultdict(int)
    last: dict[str, str] = {}
    for loss in notes.losses(folder):
        match loss:
            case {"cause": str(cause), "readings": int(readings), "at": str(at)}:
                written[cause] += readings
                last[cause] = at
    # On a full disk they cannot be written down, and only the service knows.
    dropped = case.status.journal.dropped if case.status else {}
    for cause in dict.fromkeys([*written, *dropped]):
        count = max(written[cause], dropped.get(cause, 0))
        yield lost(case, cause, count, last.get(cause, utc(time.time() * 1000)))
    if not written and not dropped:
        yield Finding("ok", "no reading was ever lost")


def lost(case: Case, cause: str, count: int, last: str) -> Finding:
    lately = datetime.now(UTC) - datetime.fromisoformat(last) < LATELY
    return Finding(
        "warning" if lately else "ok",
        f"{count:,} readings were lost: {cause}; last on {minute(last)}",
        CAUSES.get(cause, "What an output refuses is set aside, and the list has a limit."),
        mend_of(cause, case) if lately else "",
    )


def minute(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


def mend_of(cause: str, case: Case) -> str:
    if cause in {"too much", "too old"}:
        return f"sudoedit {case.file}    # 'journal.max_size' or 'journal.keep_undelivered'"
    if cause == "disk full":
        return "sudo du -xh --max-depth=3 / | sort -h | tail -20"
    if cause in {"damaged", "unreadable", "not taken by the disk"}:
        return LOOK_AT_CARD
    return f"tail {case.data_dir / 'journal/losses.jsonl'}"


def dead_letters(case: Case) -> Iterator[Finding]:
    """Which readings did an output refuse for ever?"""
    folder = folder_of(case)
    for name in case.sound().outputs:
        refused: list[dict[str, Any]] = list(notes.dead_letters(folder, name))
        if refused:
            last = refused[-1]
            yield Finding(
                "warning",
                f"{name}: {len(refused):,} readings were refused for ever, the last on "
                f"{minute(str(last.get('at', '?')))}: {last.get('reason', '?')}",
                "They are set aside, so that the others get through.",
                f"energy-monitor journal dead-letters {name}    # --resend when it is mended",
            )


CHECKS = (size, taken, losses, dead_letters)
