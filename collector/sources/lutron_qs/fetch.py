"""Gets a Lutron database from the processor or a file, and keeps a copy of it."""

import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from collector import files
from collector.errors import DeviceSilent, FrameDamaged, LineAway
from collector.lines import http
from collector.lines.http_answer import Answer, Limits
from collector.lines.tcp import place
from collector.sources.lutron_qs.database import Database, exported, parse

LARGEST = 8_000_000  # a house with 190 zones has 1.1 MB
CONNECT_S = 5.0
FETCH_S = 30.0  # for all of it; processors are slow at this
END = b"</Project>"


def usual_place(line: str) -> str:
    """Return where the processor at *line*, ``tcp://HOST:PORT``, serves its database."""
    host = place(line)[0]
    return f"http://{f'[{host}]' if ':' in host else host}/DbXmlInfo.xml"


def read(url: str, known: str) -> bytes | None:
    """Return the database at *url* or in that file; None where it is the one exported at *known*.

    Raise LineAway, FrameDamaged.
    """
    if url.startswith("http://"):
        return fetch(url, known)
    try:
        with files.open_file(Path(url), follow=True) as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise LineAway(f"{url} cannot be read: {error.strerror}") from error
    check_size(data)
    return None if known and exported(data) == known else data


def check_size(data: bytes | bytearray) -> None:
    if len(data) > LARGEST:
        raise FrameDamaged(f"it is larger than {LARGEST / 1e6:.0f} MB")


def fetch(url: str, known: str) -> bytes | None:
    """Get *url*, all of it within ``FETCH_S``, or no more than the head where that is *known*."""
    began_s, parts = time.monotonic(), urlsplit(url)
    limits = Limits(connect_s=CONNECT_S, wait_s=FETCH_S, answer_s=FETCH_S)
    try:
        server = http.Server(f"http://{parts.netloc}", "it", limits)
        answer = server.begin("GET", parts.path, {"Connection": "close"})
        try:
            return take(answer, known, FETCH_S - (time.monotonic() - began_s))
        finally:
            answer.close()
    except (ValueError, LineAway, DeviceSilent) as error:
        raise LineAway(f"{url} cannot be fetched: {error}") from error


def take(answer: Answer, known: str, within_s: float) -> bytes | None:
    """Return the body of *answer*. Some processors neither tell its length nor hang up."""
    if answer.status != HTTPStatus.OK:
        raise LineAway(f"the answer is {answer.status} {answer.response.reason[:100]}")
    began_s, data = time.monotonic(), bytearray()
    for piece in answer.pieces(max(within_s, 0.1)):
        data += piece
        if known and exported(data) == known:
            return None
        if END in data[-len(END) - 8 :]:
            return bytes(data)
        check_size(data)
    took_s = time.monotonic() - began_s
    raise FrameDamaged(f"it ended after {len(data)} bytes in {took_s:.0f} s, before {END.decode()}")


def kept(file: Path) -> Database | None:
    """Return the copy in *file*; None where there is none that is sound."""
    try:
        return parse(files.read(file))
    except (OSError, FrameDamaged):
        return None


def keep(file: Path, data: bytes) -> None:
    """Put *data* into *file*, all or nothing. Raise OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.replace(file, data)
