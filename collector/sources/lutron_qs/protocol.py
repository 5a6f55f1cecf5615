"""Lutron's integration protocol over telnet: lines of text, as its guide 040249 has them.

    ?OUTPUT,17,1            asks for the level of zone 17
    ~OUTPUT,17,1,50.00      answers that, and tells of every change once it is asked to
    ~ERROR,2                answers whatever was asked last

Prompts have no line end, so an answer may stand behind one or several. Only ``#MONITORING``, which
asks for changes, is ever sent of what begins with ``#``: all else of it would switch something.
"""

import re
import time
from collections.abc import Collection
from typing import NamedTuple

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged
from collector.lines.tcp import TcpLine

LOGIN_S = 10.0  # for each prompt; a processor that has just started takes its time
ANSWER_S = 3.0  # a tenth of a second is usual
LONGEST_LINE = 4096  # no line known is longer than 200
MOST_BYTES = 65536  # at once
MOST_PIECES = 64  # in one go, of one that never stops talking

Point = tuple[str | int, ...]  # what can be asked for, such as ("OUTPUT", 17, 1)

CLOCK: Point = ("SYSTEM", 1)
FIRMWARE: Point = ("SYSTEM", 8)
ZONE_LEVELS, LEDS, PROMPTS, ALL_BUT_PROMPTS = 5, 4, 12, 255
ERRORS = {
    1: "wrong number of parameters",
    2: "there is no such object",
    3: "that cannot be queried",
    4: "a parameter is out of range",
    5: "a parameter is malformed",
    6: "not supported",
}

LOGIN = re.compile(rb"login: ?", re.IGNORECASE)
PASSWORD = re.compile(rb"password: ?", re.IGNORECASE)
WELCOME = re.compile(rb"(?P<prompt>[A-Z]NET>)|bad login|login:", re.IGNORECASE)
LINE_END = re.compile(rb"[\r\n]+")
TELNET = re.compile(rb"\xff(?:\xfa.*?\xff\xf0|[\xfb-\xfe].|[^\xfa-\xfe])", re.DOTALL)
PROMPTED = re.compile(r"(?:[A-Z]NET>|[\0\s])+")
REPLY = re.compile(r"~([A-Z]+),((?:[0-9]{1,9},)*)([^,]*)")
ERROR = re.compile(r"~ERROR,([0-9]{1,9})")
REVISION = re.compile(r"OS Firmware Revision = (.+)")
PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,4})?")


class Reply(NamedTuple):
    """What was said of a *point*; *text* is as it came."""

    point: Point
    text: str


class Refusal(NamedTuple):
    """The answer to whatever was asked last."""

    code: int


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole lines of *data*, and what is left behind them. Pure."""
    *lines, rest = LINE_END.split(data)
    return [line for line in lines if line], rest


def decode(line: bytes) -> Reply | Refusal | None:
    """Return what a line says; None for prompts, echoes and what means nothing to us. Pure."""
    text = TELNET.sub(b"", line).decode("ascii", errors="replace")
    prompt = PROMPTED.match(text)
    text = text[prompt.end() :].rstrip("\0 ") if prompt else text.rstrip("\0 ")
    if error := ERROR.fullmatch(text):
        return Refusal(int(error[1]))
    if revision := REVISION.fullmatch(text):
        return Reply(FIRMWARE, revision[1])
    if reply := REPLY.fullmatch(text):
        command, numbers, said = reply.groups()
        return Reply((command, *map(int, numbers.split(",")[:-1])), said)
    return None


def percent(text: str) -> float | None:
    """Return a level from 0 to 100 %; None where *text* is none. Pure."""
    value = float(text) if PERCENT.fullmatch(text) else None
    return value if value is not None and value <= 100 else None  # noqa: PLR2004  in %


def led_state(text: str) -> float | None:
    """Return 0 off, 1 on, 2 and 3 flashing; None where it is not known (255). Pure."""
    return float(text) if text in ("0", "1", "2", "3") else None


class Processor:
    """A logged-in connection. *said* has the newest text of each of the points *watched*."""

    def __init__(self, url: str) -> None:
        self.tcp = TcpLine(url)
        self.watched: Collection[Point] = ()
        self.said: dict[Point, str] = {}
        self.rest = b""

    @property
    def is_open(self) -> bool:
        return self.tcp.connection is not None

    def open(self, user: str, password: str) -> None:
        """Log in and subscribe. Raise ReadFault; DeviceRefused where the login is wrong."""
        self.rest, self.said = b"", {}
        self.tcp.open()
        self.wait_for(LOGIN, "login prompt")
        self.send(user)
        self.wait_for(PASSWORD, "password prompt")
        self.send(password)
        if not self.wait_for(WELCOME, "answer to the login")["prompt"]:
            self.close()
            raise DeviceRefused(f"{self.tcp.url} refuses the login of user {user!r}")
        for kind, on in (PROMPTS, 2), (ALL_BUT_PROMPTS, 2), (ZONE_LEVELS, 1), (LEDS, 1):
            self.send(f"#MONITORING,{kind},{on}")

    def close(self) -> None:
        self.tcp.close()

    def send(self, text: str) -> None:
        self.tcp.send(f"{text}\r\n".encode())

    def wait_for(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Return where *pattern* comes, taking all until its end. Raise ReadFault."""
        until_s = time.monotonic() + LOGIN_S
        while not (found := pattern.search(self.rest)):
            if not self.receive(until_s):
                self.close()
                raise DeviceSilent(
                    f"{self.tcp.url}: no {what} in {LOGIN_S:.0f} s; it takes few logins at a time"
                )
            self.check_length()
        self.rest = self.rest[found.end() :]
        return found

    def receive(self, until_s: float) -> bool:
        """Take what comes before *until_s*; return whether anything did. Raise LineAway."""
        data = self.tcp.receive_some(MOST_BYTES, until_s)
        self.rest += data
        return bool(data)

    def check_length(self) -> None:
        if len(self.rest) > LONGEST_LINE:
            self.close()
            raise FrameDamaged(f"{self.tcp.url}: a line of more than {LONGEST_LINE} characters")

    def hear(self, until_s: float) -> list[Reply | Refusal] | None:
        """Return what the lines say that come next, and remember what is watched.

        None where nothing comes before *until_s*. Raise LineAway, FrameDamaged.
        """
        if not self.receive(until_s):
            return None
        lines, self.rest = split(self.rest)
        self.check_length()
        heard = [each for line in lines if (each := decode(line)) is not None]
        self.said |= {
            each.point: each.text
            for each in heard
            if isinstance(each, Reply) and each.point in self.watched
        }
        return heard

    def listen(self) -> None:
        """Hear what has come already. Raise LineAway, FrameDamaged."""
        for _ in range(MOST_PIECES):
            if self.hear(time.monotonic()) is None:
                return

    def ask(self, point: Point) -> str:
        """Return what is said of *point*. Nothing else is asked before that is answered.

        Raise DeviceRefused with the code of ``~ERROR``, DeviceSilent, LineAway, FrameDamaged.
        """
        self.send("?" + ",".join(map(str, point)))
        until_s = time.monotonic() + ANSWER_S
        while time.monotonic() < until_s:  # also of one that talks on and on
            for each in self.hear(until_s) or ():
                if isinstance(each, Refusal):
                    words = ERRORS.get(each.code, "an error that is not known")
                    raise DeviceRefused(f"{words} (~ERROR,{each.code})", each.code)
                if each.point == point:
                    return each.text
        raise DeviceSilent(f"{self.tcp.url}: no answer in {ANSWER_S:.0f} s")
