"""Words of a far side reach log and status without secrets and without control characters."""

import base64
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.run.health import OutputHealth, SourceHealth
from collector.run.status import output_status, source_status
from collector.safe_text import LONGEST, SafeFormatter, escape, safe
from collector.secrets import Secret

TOKEN = "Zx9-s3cr3t/T with=='\"odd&more"
ESCAPES = "\x1b[2J\x07\u202e\r\n<2>forged"


@pytest.fixture(autouse=True)
def known(tmp_path):
    """Read a secret, as an output does that is opened."""
    (tmp_path / "token").write_text(TOKEN)
    assert Secret("token", tmp_path).value() == TOKEN


SPELLED = [TOKEN, quote(TOKEN, safe=""), repr(TOKEN), base64.b64encode(TOKEN.encode()).decode()]


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_secret_that_is_echoed_is_in_neither_log_nor_status(spelled):
    text = f"refused: {spelled}{ESCAPES}"
    shown = [
        source_status(SourceHealth(last_error=text), 0, 0).last_error,
        output_status(OutputHealth(last_error=text), 0, 0).last_error,
        logged(text),
        logged("an internal error", ValueError(text)),
    ]
    for each in shown:
        assert "Zx9" not in each
        assert spelled.strip("'\"")[:12] not in each
        assert "[redacted]" in each
        assert not set(ESCAPES) & set("\x1b\x07\u202e\r") & set(each)
    assert "\n" not in logged(text)


def logged(text, error=None):
    fault = (type(error), error, None) if error else None
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "exc_info": fault})
    return SafeFormatter("%(levelname)s %(message)s").format(record)


@given(st.text())
def test_any_text_becomes_one_line_that_can_be_printed(text):
    shown = safe(text)
    assert shown.isprintable()
    assert len(shown) <= LONGEST
    if text.isprintable() and len(text) < LONGEST:
        assert shown == text
    assert escape(text, keep="\n").replace("\n", "").isprintable()


def test_a_short_secret_hides_no_part_of_a_word(tmp_path):
    (tmp_path / "short").write_text("house")
    Secret("short", tmp_path).value()
    said = safe("energy-house, house2: mqtt://u:house@h, 'house'")
    assert said == "energy-house, house2: mqtt://u:[redacted]@h, '[redacted]'"
