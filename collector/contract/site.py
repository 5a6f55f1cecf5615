"""A place at a far side that several houses share belongs to one installation at a time.

Two houses with one name would become one there, for ever. So an installation leaves its word, and
renews it every five minutes. Who finds the word of another waits until that one is gone.
"""

from collector.errors import OutputAway
from collector.safe_text import safe

LATELY_S = 900  # the word of another counts so long
QUOTED_CHARACTERS = 300


def taken(where: str, others: str, place: str, mend: str) -> OutputAway:
    """Say that *others* write *place*, and what mends it."""
    which = safe(others[:QUOTED_CHARACTERS])
    return OutputAway(
        f"{where}: another installation ({which}) writes {place} there: {mend}. If it was this "
        f"house before, it goes on by itself {LATELY_S // 60}m after the last reading of that one"
    )
