"""The option 'since': what it means, and what it does not accept."""

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.contract import BadOption
from collector.run.since import since_ms
from tests.fakes.running import configure

NOW_MS = 1_763_654_400_000  # 2025-11-20T16:00Z
HOUSE = "  house: {type: simulated}\n"
HISTORY = "  history: {type: influxdb, url: 'http://localhost:1', bucket: b, token: !secret t%s}\n"


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("newest", None),
        ("beginning", 0),
        ("7d", NOW_MS - 7 * 86_400_000),
        ("1h", NOW_MS - 3_600_000),
        ("2025-11-20T16:00:00+00:00", NOW_MS),
        ("2025-11-20T16:00Z", NOW_MS),
        ("2025-11-20T17:00", NOW_MS),
        ("2025-11-20", NOW_MS - 17 * 3_600_000),
        ("0001-01-01", 0),
    ],
)
def test_a_place_is_a_word_a_duration_or_a_time_in_the_zone_of_the_house(text, at_ms):
    assert since_ms(text, NOW_MS, "Europe/Rome") == at_ms


@pytest.mark.parametrize(
    "text", ["oldest", "7", "7 years", "2025-13-01", "yesterday", "-1d", "9999d"]
)
def test_anything_else_is_refused_with_what_is_accepted(text):
    with pytest.raises(BadOption, match=r"'newest', 'beginning', a duration .* 2026-01-31T") as bad:
        since_ms(text, NOW_MS, "UTC")
    assert bad.value.option == "since"


def check(folder, since=""):
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets" / "t").write_text("x")
    file = configure(folder, HOUSE, HISTORY % since)
    return CliRunner().invoke(main, ["check", "--config", str(file)])


def test_check_names_the_place_of_a_wrong_one(tmp_path):
    done = check(tmp_path, ", since: always")
    assert done.exit_code == 78
    assert "outputs.history.since: 'always' is not accepted" in done.stderr


def test_check_says_where_a_new_output_begins(tmp_path):
    assert "history is new: it begins at the oldest reading kept" in check(tmp_path).stdout
    cursors = tmp_path / "journal" / "cursors"
    cursors.mkdir(parents=True)
    (cursors / ".placed").touch()
    assert "history is new: it begins at the newest reading\n" in check(tmp_path).stdout
    assert "history is new: it begins 7d back" in check(tmp_path, ", since: 7d").stdout
    (cursors / "history").write_bytes(b"7 7 #0\n")
    assert "is new" not in check(tmp_path).stdout
