"""What was found becomes configuration, whatever a device says of itself."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import Found
from collector.scan.render import entry, render
from collector.secrets import Secret
from collector.text import plain

HOSTILE = [
    "a\nsources: {}",
    'it\'s "quoted" \\ and # more',
    "\x1b]0;title\x07\x1b[2J",
    "\u202eright to left\u2028",
    "{a: b}",
    "[x",
    "!secret x",
    "yes",
    "0x203",
    "1_000",
    "null",
    "- x",
    "a: b",
    "a #b",
    "",
    "\ud800",
    "*x",
    "&x",
    "%x",
    "@x",
    "`x",
    "=",
    "<<",
]


class Loader(yaml.SafeLoader):
    """Reads ``!secret NAME`` as what it is."""


Loader.add_constructor("!secret", lambda _, node: Secret(node.value))


def reads(text):
    return yaml.load(text, Loader)["sources"]


def test_options_stand_in_order_with_their_remarks():
    options = {
        "line": "tcp://h:1",
        "password": Secret("lamp-password"),
        "serial": {"baudrate": 9600, "parity": "none"},
        "names": ["a", "b c"],
        "raw": True,
        "devices": {"plug": {"model": "tasmota"}, "other": {"model": "x y"}},
    }
    remarks = {"": "the cellar", "line": "or auto", "devices.plug": "power", "devices": "two"}
    text = render([Found("kind", "tcp://h:1", "it", options, "lamp", remarks)])
    assert text == (
        "sources:\n"
        "  lamp1:  # the cellar\n"
        "    type: kind\n"
        "    line: tcp://h:1  # or auto\n"
        "    password: !secret lamp-password\n"
        "    serial: {baudrate: 9600, parity: none}\n"
        '    names: [a, "b c"]\n'
        "    raw: true\n"
        "    devices:  # two\n"
        "      plug: {model: tasmota}  # power\n"
        '      other: {model: "x y"}\n'
    )
    assert reads(text)["lamp1"] == {"type": "kind", **options}


def test_what_has_no_options_is_a_comment():
    text = render([Found("kind", "/dev/a", "answers\nx: y")])
    assert text == "sources:\n  # /dev/a: answers?x: y\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_words_of_a_device_stay_words(text):
    check(text)


@pytest.mark.parametrize(
    "text", ["2026-99-99", "0000-00-00", "0x_", "0b_", "1:2:3e", "-0x_", "._1"]
)
def test_words_that_yaml_cannot_read_are_quoted(text):
    check(text)


@given(st.text())
def test_any_words_of_a_device_stay_words(text):
    check(text)


def check(text):
    nested = {"some": {"x": {"name": text}}, "list": [text], "map": {"y": text}}
    found = Found("kind", text, text, {"line": text, **nested}, "it", {"": text, "line": text})
    shown = render([found, Found("kind", text, text)])
    assert all(each.isprintable() for each in shown.splitlines())
    assert shown.splitlines() == shown.split("\n")[:-1]
    safe = plain(text, 1000)
    assert reads(shown) == {
        "it1": {
            "type": "kind",
            "line": safe,
            "some": {"x": {"name": safe}},
            "list": [safe],
            "map": {"y": safe},
        }
    }
    assert json.loads(json.dumps(entry(found)))["options"]["line"] == text
