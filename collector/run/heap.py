"""One heap for all threads.

By default each thread of the C library has a heap of its own and keeps what it once needed. Python
runs one of them at a time, so they never wait for each other, and the memory is only lost.
"""

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8  # of mallopt(3)


def share() -> None:
    """Let all threads share a heap, where the C library can; before the first is begun."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
