"""NUT's protocol: answers of any kind, and answers that end in time."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.lines.tcp import TcpLine
from collector.sources.nut import protocol
from tests.fakes.loopback import HANG_UP
from tests.fakes.nut_talker import Talker

# The examples of net-protocol.txt.
UPSS = 'BEGIN LIST UPS\nUPS su700 "Development box"\nEND LIST UPS\n'
VARIABLES = (
    "BEGIN LIST VAR su700\n"
    'VAR su700 ups.mfr "APC"\n'
    'VAR su700 ups.mfr.date "10/17/96"\n'
    "END LIST VAR su700\n"
)

text = st.text(st.characters(codec="utf-8", exclude_characters="\n"))
word = st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True)


def quoted(said):
    return '"' + said.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_the_examples_of_the_document_are_read():
    assert protocol.decode_upss(UPSS) == {"su700": "Development box"}
    assert protocol.decode_variables("su700", VARIABLES) == {
        "ups.mfr": "APC",
        "ups.mfr.date": "10/17/96",
    }


@given(word, st.dictionaries(word, text))
def test_every_text_comes_through_its_quotes(ups, values):
    lines = [f"VAR {ups} {name} {quoted(said)}\n" for name, said in values.items()]
    answer = f"BEGIN LIST VAR {ups}\n{''.join(lines)}END LIST VAR {ups}\n"
    assert protocol.decode_variables(ups, answer) == values
    assert protocol.is_whole(f"LIST VAR {ups}", answer.encode())


@given(st.text() | st.text(alphabet='BEGINDLSTVARUP \n"\\').map(lambda each: VARIABLES + each))
def test_anything_else_is_damaged(answer):
    for decode in (protocol.decode_upss, lambda said: protocol.decode_variables("su700", said)):
        with contextlib.suppress(FrameDamaged):
            assert isinstance(decode(answer), dict)


def test_the_answer_for_another_ups_is_no_answer():
    other = VARIABLES.replace("VAR su700 ups.mfr ", "VAR su900 ups.mfr ")
    for answer in (other, VARIABLES.replace("LIST VAR su700", "LIST VAR su900")):
        with pytest.raises(FrameDamaged, match="su900"):
            protocol.decode_variables("su700", answer)


def test_more_upss_than_can_be_are_refused():
    many = "".join(f'UPS u{number} ""\n' for number in range(101))
    with pytest.raises(FrameDamaged, match="101 UPSs are more than 100"):
        protocol.decode_upss(f"BEGIN LIST UPS\n{many}END LIST UPS\n")


# Over a line


@pytest.fixture
def talking():
    with contextlib.ExitStack() as running:

        def start(*pieces):
            line = TcpLine(running.enter_context(Talker(lambda _: pieces)).line)
            running.callback(line.close)
            line.open()
            return line

        yield start


def test_an_answer_may_come_byte_by_byte(talking):
    line = talking(*(UPSS.encode()[at : at + 1] for at in range(len(UPSS))))
    assert protocol.upss(line) == {"su700": "Development box"}


@pytest.mark.parametrize(
    "pieces", [[1.0], [b"BEGIN LIST UPS\n", 1.0], [b"ERR DATA", 1.0], [b"x", 0.2] * 10]
)
def test_silence_ends_and_the_line_is_closed(talking, monkeypatch, pieces):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.3)
    line = talking(*pieces)
    with pytest.raises(DeviceSilent, match="no complete answer to LIST UPS in time"):
        protocol.upss(line)
    assert line.connection is None


def test_a_cut_answer_is_a_line_that_went_away(talking):
    with pytest.raises(LineAway, match="it hung up"):
        protocol.upss(talking(b"BEGIN LIST UPS\nUPS su7", HANG_UP))


@pytest.mark.parametrize("piece", [b"x" * 10_000, b'UPS u "d"\n' * 1000])
def test_an_answer_without_end_is_given_up(talking, piece):
    line = talking(*itertools.repeat(piece, 1000))
    with pytest.raises(FrameDamaged, match="are not a complete answer"):
        protocol.upss(line)
    assert line.connection is None


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("ACCESS-DENIED", "refuses this machine"),
        ("DATA-STALE", "its values are old"),
        ("UNKNOWN-UPS", "no UPS of that name"),
        ("DRIVER-NOT-CONNECTED", "its driver does not run"),
        ("UNHEARD-OF with more", "see NUT's net-protocol"),
    ],
)
def test_a_refusal_is_a_sentence_and_the_line_stays(talking, code, why):
    line = talking(f"ERR {code}\n".encode())
    with pytest.raises(DeviceRefused, match=f"LIST VAR su700 is answered '{code}': .*{why}"):
        protocol.variables(line, "su700")
    assert line.connection is not None


def test_a_password_is_in_no_message(talking, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.2)
    for pieces in ([b"ERR INVALID-PASSWORD\n"], [0.5], [b"HELLO\n"]):
        with pytest.raises((DeviceRefused, DeviceSilent, FrameDamaged)) as fault:
            protocol.log_in(talking(*pieces), "monitor-user", "open sesame")
        assert "sesame" not in str(fault.value)
        assert "monitor-user" not in str(fault.value)
