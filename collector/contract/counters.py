"""Kinds of readings that stand beside a meter under its own name, and repeat its counters.

``energy`` has them corrected, so that they never fall; the others tell of decisions about them and
of what the owner said of the meter. Who tells devices apart by name alone must not mix them with
what the meter says.
"""

ENERGY = "energy"
DECISION = "counter_event"
REPLACED_RECORD, UNDO_RECORD = "meter_replaced", "meter_undo"
REPEATING = frozenset({ENERGY, DECISION, REPLACED_RECORD, UNDO_RECORD})
BEGINNINGS = tuple(f"{kind},".encode() for kind in sorted(REPEATING))


def repeats(line: bytes) -> bool:
    """Tell of an encoded reading whether it repeats a meter's counters."""
    return line.startswith(BEGINNINGS)
