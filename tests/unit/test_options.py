"""Files of YAML: whatever stands in one, it is read or refused with a sentence."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collector.options import Faults, parse
from collector.scalars import NotAccepted, read_bytes, read_int, read_text, seconds_of
from collector.syntax import DEEPEST, LARGEST_FILE


def parsed(tmp_path, data):
    """Return the root of a file with *data*, and the faults found in it."""
    file = tmp_path / "a.yaml"
    file.write_bytes(data)
    faults = Faults()
    return parse(file, faults), [str(fault).removeprefix(f"{tmp_path}/") for fault in faults.found]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "a.yaml: is empty"),
        (b"# nothing\n", "a.yaml: is empty"),
        (b"a: \xff", "a.yaml: is not UTF-8 text: byte 3"),
        (b"a: \x00", "a.yaml: is not YAML: control characters are not allowed"),
        (b"a: 1\n---\nb: 2\n", "a.yaml:2: is not YAML: but found another document"),
        (b"a:\n  b:\n\t c: 1\n", "a.yaml:3: is not YAML: the line begins with a tab; use spaces"),
        (b"a:\n  b: 1\n\tc: 1\n", "a.yaml:3: is not YAML: the line begins with a tab; use spaces"),
        (b"a:\tb\nc: [\n", "a.yaml:3: is not YAML: did not find expected node content"),
        (b"\n\na: *b\n", "a.yaml:3: is not YAML: found undefined alias"),
        (b"[" * 200_000, f"a.yaml: cannot be read: it is nested more than {DEEPEST} levels deep"),
        (b"- " * 200_000, f"a.yaml: cannot be read: it is nested more than {DEEPEST} levels deep"),
        (b"{a: " * 60, f"a.yaml: cannot be read: it is nested more than {DEEPEST} levels deep"),
        (b"#" * (LARGEST_FILE + 1), "a.yaml: cannot be read: it is larger than 1 MB"),
    ],
    ids=range(13),
)
def test_a_file_that_cannot_be_parsed_is_one_fault(tmp_path, data, fault):
    root, (found,) = parsed(tmp_path, data)
    assert root is None
    assert found == fault


def test_a_file_without_end_is_read_only_so_far(tmp_path):
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    faults = Faults()
    assert parse(tmp_path / "zero.yaml", faults) is None
    assert "larger than 1 MB" in str(faults.found[0])


def test_as_deep_as_it_may_be_is_read(tmp_path):
    root, faults = parsed(tmp_path, b"[" * DEEPEST + b"]" * DEEPEST)
    assert root is not None
    assert faults == []


@given(data=st.binary(max_size=200) | st.text("[]{}:,-?&*!|>'\"%@` \n#ab\t", max_size=60))
def test_any_bytes_are_parsed_or_refused(tmp_path_factory, data):
    data = data.encode() if isinstance(data, str) else data
    root, faults = parsed(tmp_path_factory.getbasetemp(), data)
    assert (root is None) == bool(faults)


@pytest.mark.parametrize("text", [".s", "1.2.3s", "s", "", "9" * 400 + "s", "-1s", "1e3s", "4000d"])
def test_what_is_no_duration_is_not_accepted(text):
    with pytest.raises(NotAccepted):
        seconds_of(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("1.s", 1), (".5m", 30), ("500ms", 0.5), ("1.5 h", 5400)]
)
def test_durations_are_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_bytes, "9" * 400 + " GB"),
        (read_bytes, ". GB"),
        (read_int, "9" * 5000),
        (read_int, "0x" + "f" * 5000),
        (read_text, "a\0b"),
        (read_text, "x" * 1001),
    ],
)
def test_a_value_that_nothing_can_hold_is_not_accepted(read, text):
    with pytest.raises(NotAccepted) as error:
        read(yaml.ScalarNode("tag:yaml.org,2002:str", text))
    assert len(str(error.value)) < 1200
