"""What is told of long work: often on a terminal, seldom elsewhere."""

from io import StringIO

from backup.progress import Progress


class Terminal(StringIO):
    def isatty(self):
        return True


def worked(stream, seconds, total=None):
    """Do a second's work of a megabyte, *seconds* times."""
    now_s = [0.0]
    progress = Progress("backup", total, stream, lambda: now_s[0])
    for _ in range(seconds):
        now_s[0] += 1
        progress(1_000_000)
    return progress


def test_a_log_gets_a_line_a_minute():
    stream = StringIO()
    worked(stream, 150, total=300_000_000).end()
    assert stream.getvalue().splitlines() == [
        "backup: 60.0 MB of 300.0 MB, 1.0 MB/s, 4 min to go",
        "backup: 120.0 MB of 300.0 MB, 1.0 MB/s, 3 min to go",
    ]


def test_a_terminal_has_one_line_that_is_cleared_at_the_end():
    stream = Terminal()
    worked(stream, 3).end()
    assert stream.getvalue().count("\r") == 4
    assert "\n" not in stream.getvalue()
    assert "backup: 3.0 MB, 1.0 MB/s" in stream.getvalue()
    assert stream.getvalue().endswith("\r\033[K")


def test_more_than_was_expected_promises_nothing():
    assert str(worked(StringIO(), 5, total=3_000_000)) == "backup: 5.0 MB, 1.0 MB/s"
