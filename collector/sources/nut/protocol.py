"""Network UPS Tools: how its server (upsd, TCP port 3493) is asked.

After NUT's document net-protocol.txt. Nothing is ever set. A user and a password are only told to
the server, never followed by LOGIN: that would make the UPS's own machine wait for us before it
switches off.
"""

import re
import time

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, ReadFault
from collector.lines.tcp import TcpLine

PORT = 3493
ANSWER_S = 5.0  # upsd answers from memory
CHUNK = 4096
MOST_BYTES = 256_000  # some hundred variables, each of a line that upsd keeps below 1 kB
MOST_UPSS = 100

NAME = r"[^\s\"\\]+"
TEXT = r'"((?:[^"\\]|\\.)*)"'
UPS_LINE = re.compile(rf"UPS ({NAME}) {TEXT}")
VAR_LINE = re.compile(rf"VAR ({NAME}) ({NAME}) {TEXT}")

REFUSALS = {
    "ACCESS-DENIED": "it refuses this machine, or this user and password",
    "DATA-STALE": "its driver has lost the UPS, so its values are old: is the UPS connected?",
    "DRIVER-NOT-CONNECTED": "its driver does not run: see 'systemctl status nut-driver'",
    "UNKNOWN-UPS": "it has no UPS of that name: 'energy-monitor scan' lists its UPSs",
    "UNKNOWN-COMMAND": "it does not know this question: is it a NUT server?",
    "INVALID-USERNAME": "it refuses this user",
    "INVALID-PASSWORD": "it refuses this password",
}


def upss(tcp: TcpLine) -> dict[str, str]:
    """Return the UPSs of the server, each with its description. Raise ReadFault."""
    return decode_upss(ask(tcp, "LIST UPS"))


def variables(tcp: TcpLine, ups: str) -> dict[str, str]:
    """Return what the server knows of one *ups*. Raise ReadFault."""
    return decode_variables(ups, ask(tcp, f"LIST VAR {ups}"))


def log_in(tcp: TcpLine, user: str, password: str) -> None:
    """Tell who asks. Raise ReadFault."""
    for word, value in (("USERNAME", user), ("PASSWORD", password)):
        escaped = re.sub(r'(["\\])', r"\\\1", value)
        if not ask(tcp, f'{word} "{escaped}"').startswith("OK"):
            raise FrameDamaged(f"{tcp.url}: no answer to {word}")


def ask(tcp: TcpLine, question: str) -> str:
    """Return the whole answer to *question*, over a line that is open.

    Raise DeviceRefused where the server will not answer it; after any other ReadFault the line is
    closed, so that the next question cannot get a late answer to this one.
    """
    until_s = time.monotonic() + ANSWER_S
    data = bytearray()
    try:
        tcp.send(f"{question}\n".encode())
        while not is_whole(question, data):
            piece = tcp.receive_some(CHUNK, until_s)
            if not piece:
                raise DeviceSilent(f"{tcp.url}: no complete answer to {kind(question)} in time")
            data += piece
            if len(data) > MOST_BYTES:
                raise FrameDamaged(f"{tcp.url}: {len(data)} bytes are not a complete answer")
    except ReadFault:
        tcp.close()
        raise
    answer = data.decode("utf-8", errors="replace")
    if answer.startswith("ERR "):
        raise refusal(tcp.url, question, answer)
    return answer


def is_whole(question: str, data: bytes | bytearray) -> bool:
    """Has the answer to *question* come to its end? Pure."""
    if not data.endswith(b"\n"):
        return False
    is_list = question.startswith("LIST ") and not data.startswith(b"ERR ")
    return not is_list or data.endswith(f"\nEND {question}\n".encode())


def kind(question: str) -> str:
    """Return *question* without a password."""
    return question.split(" ", 1)[0] if ' "' in question else question


def refusal(url: str, question: str, answer: str) -> DeviceRefused:
    """Return what an answer 'ERR …' to *question* means."""
    code = answer.removeprefix("ERR ").split("\n", 1)[0].strip()
    why = REFUSALS.get(code.split(" ", 1)[0], "see NUT's net-protocol")
    return DeviceRefused(f"{url}: {kind(question)} is answered {code[:100]!r}: {why}")


def decode_upss(answer: str) -> dict[str, str]:
    """Return the description by name from an answer to LIST UPS. Raise FrameDamaged. Pure."""
    found = [matched(UPS_LINE, line) for line in inside("LIST UPS", answer)]
    if len(found) > MOST_UPSS:
        raise FrameDamaged(f"{len(found)} UPSs are more than {MOST_UPSS}")
    return {name: text for name, text in found}  # noqa: C416  mypy sees no pairs in them


def decode_variables(ups: str, answer: str) -> dict[str, str]:
    """Return value by name from an answer to LIST VAR. Raise FrameDamaged. Pure."""
    values = {}
    for line in inside(f"LIST VAR {ups}", answer):
        owner, name, value = matched(VAR_LINE, line)
        if owner != ups:
            raise FrameDamaged(f"asked for {ups!r}, answered is {owner[:100]!r}")
        values[name] = value
    return values


def inside(question: str, answer: str) -> list[str]:
    """Return the lines of a list, which must be the one asked for. Raise FrameDamaged."""
    first, *lines = answer.split("\n")
    if first != f"BEGIN {question}" or lines[-2:] != [f"END {question}", ""]:
        raise FrameDamaged(f"asked {question}, answered is {first[:100]!r}")
    return lines[:-2]


def matched(form: re.Pattern[str], line: str) -> tuple[str, ...]:
    found = form.fullmatch(line)
    if not found:
        raise FrameDamaged(f"not as NUT writes it: {line[:100]!r}")
    *names, text = found.groups()
    return (*names, re.sub(r"\\(.)", r"\1", text))
