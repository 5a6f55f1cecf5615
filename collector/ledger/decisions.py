"""What may be decided about a counter that does not simply grow: codes and sentences, one table.

A decision is a reading of the kind ``counter_event``. Beside the counter's new value, under its
own quantity, it has the fields that begin with ``event``; ``quantities.yaml`` explains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

FIELD = "event"  # every field of an event begins so; the other is the counter


class Code(IntEnum):
    """What was decided. A number keeps its meaning for ever."""

    SET_ASIDE = 1
    RESET = 2
    RESET_IN_GAP = 3
    RESET_UNCOUNTED = 4
    ROLL_OVER = 5
    JUMP = 6
    REPLACED = 7
    UNDONE = 8
    REFUSED = 9


@dataclass(frozen=True)
class Meaning:
    """What a decision is called, and what is said of it; *can_undo* where energy hangs on it."""

    name: str
    text: str
    can_undo: bool = False


REPLACED_HINT = "if the meter was replaced, tell it with 'energy-monitor meter replace'"
MEANINGS: Mapping[Code, Meaning] = {
    Code.SET_ASIDE: Meaning(
        "set aside",
        "showed {after} after {before}, which cannot be, and then went on as before: {count} set "
        "aside, nothing lost",
    ),
    Code.RESET: Meaning(
        "reset",
        "fell from {before} to {after} and counts on: taken for a reset, {energy} counted; "
        + REPLACED_HINT,
        can_undo=True,
    ),
    Code.RESET_IN_GAP: Meaning(
        "reset in a gap",
        "fell from {before} to {after} while nothing was read: taken for a reset, at least "
        "{energy} were used; " + REPLACED_HINT,
        can_undo=True,
    ),
    Code.RESET_UNCOUNTED: Meaning(
        "new start",
        "fell from {before} to {after}, more than could have been used since: counts on from "
        "there, nothing counted for the step; " + REPLACED_HINT,
    ),
    Code.ROLL_OVER: Meaning(
        "roll-over",
        "rolled over from {before} to {after}: {energy} counted",
        can_undo=True,
    ),
    Code.JUMP: Meaning(
        "jump",
        "jumped from {before} to {after}, more than the fuse allows, and stays there: taken for a "
        "replacement, nothing counted for the step",
        can_undo=True,
    ),
    Code.REPLACED: Meaning(
        "replaced",
        "was replaced: the old meter ended at {before}, the new one now shows {after}; {energy} "
        "counted between",
        can_undo=True,
    ),
    Code.UNDONE: Meaning("undone", "decision {of} is undone: {correction} booked to its time"),
    Code.REFUSED: Meaning(
        "refused",
        "what was said of it does not fit what was read, so nothing was changed",
    ),
}


def energy(value: float) -> str:
    """Return an energy with its unit, all digits of it."""
    return f"{value / 1000:.9f}".rstrip("0").rstrip(".") + " kWh"


def meaning(code: float) -> Meaning:
    try:
        return MEANINGS[Code(int(code))]
    except ValueError:
        return Meaning("unknown", "something was decided that this release does not know")


def sentence(quantity: str, values: Mapping[str, float]) -> str:
    """Say in one plain sentence what was decided about the counter *quantity*."""
    of = values.get("event_of", 0)
    text = meaning(values.get("event", 0)).text.format(
        before=energy(values.get("event_before", 0)),
        after=energy(values.get(quantity, 0)),
        energy=energy(values.get("event_energy", 0)),
        correction=energy(values.get("event_correction", 0)),
        count=f"{values.get('event_count', 1):.0f} readings"
        if values.get("event_count", 1) != 1
        else "1 reading",
        of=f"{of:.0f}",
    )
    more = ""
    if of and values.get("event") == Code.REPLACED:
        more = f"; decision {of:.0f} is corrected by {energy(values.get('event_correction', 0))}"
    return f"{quantity} {text}{more}"
