"""Cursors moved as a delivery moves them."""

from collector.journal.cursor import Cursor
from collector.reading import time_ms


def delivered(journal, output, records, begun=None):
    """Tell *journal* that *output* has *records*, which were taken at the cursor *begun*."""
    begun = begun or journal.cursors[output]
    newest_ms = max(begun.newest_ms, *(time_ms(line) for _, line in records))
    journal.place_cursor(output, begun, Cursor(records[-1][0] + 1, newest_ms))
