"""What the timers of the backups wait for."""

import pytest

from collector.run import trusted


@pytest.mark.parametrize(
    ("text", "synchronised", "mark", "expected"),
    [
        ("clock: {trust: always}\n", False, False, True),
        ("clock: {trust: synchronised}\n", False, False, False),
        ("clock: {trust: synchronised}\n", True, False, True),
        ("clock: {trust: synchronised}\n", False, True, True),
        ("clock: [\n", False, False, False),
        (None, False, False, False),
    ],
)
def test_the_clock_is_trusted_where_it_is_synchronised_or_its_owner_says_so(
    tmp_path, monkeypatch, text, synchronised, mark, expected
):
    file = tmp_path / "config.yaml"
    if text is not None:
        file.write_text(text)
    if mark:
        (tmp_path / "mark").touch()
    monkeypatch.setattr(trusted, "kernel_synchronised", lambda: synchronised)
    monkeypatch.setattr(trusted, "TIMESYNCD_MARK", tmp_path / "mark")
    assert trusted.is_trusted(file) is expected
