"""An HTTP server that answers as it is told: late, in drops, half, or with any status.

For answers that no real server gives on demand. Everything asked is kept in ``asked``.
"""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request; *body* is unpacked, *packed* tells whether it came as gzip.

    *query* is what stands after '?', of which *fields* are the parts.
    """

    method: str
    path: str
    query: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    packed: bool
    client: tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """An answer. *pause_s* is waited before each byte, *cut_after* bytes the line is cut.

    The first *at_once* bytes are sent without a pause.
    """

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0
    at_once: int = 0
    cut_after: int | None = None

    def packed(self) -> bytes:
        headers = {"Content-Length": len(self.body), **self.headers}
        head = [f"HTTP/1.1 {self.status} So"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*head, "", ""]).encode() + self.body


class HttpAnswers:
    """What is served at *url*: each request goes to *answer*, which may be changed at any time."""

    def __init__(self, answer: Callable[[Asked], Reply], port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        answers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                packed = self.headers.get("Content-Encoding") == "gzip"
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    parts.path,
                    parts.query,
                    dict(parse_qsl(parts.query, keep_blank_values=True)),
                    dict(self.headers),
                    gzip.decompress(body) if packed else body,
                    packed,
                    self.client_address,
                )
                answers.asked.append(asked)
                self.send(answers.answer(asked))

            do_DELETE = do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815  so http.server finds it

            def send(self, reply: Reply) -> None:
                whole = reply.packed()
                with suppress(OSError):
                    if not reply.pause_s:
                        self.wfile.write(whole[: reply.cut_after])
                    else:
                        self.wfile.write(whole[: reply.at_once])
                        for at in range(reply.at_once, len(whole[: reply.cut_after])):
                            if answers.ended.wait(reply.pause_s):
                                break
                            self.wfile.write(whole[at : at + 1])
                self.close_connection = reply.cut_after is not None

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


@contextmanager
def serving(answer: Callable[[Asked], Reply], port: int = 0) -> Iterator[HttpAnswers]:
    """Serve *answer* on loopback while the block runs."""
    answers = HttpAnswers(answer, port)
    thread = threading.Thread(target=answers.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield answers
    finally:
        answers.ended.set()
        answers.server.shutdown()
        thread.join()
        answers.server.server_close()
