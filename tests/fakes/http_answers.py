"""An HTTP server that answers as it is told: late, in drops, half, or with any status.

For answers that no real server gives on demand. Everything asked is kept in ``asked``.
"""

import gzip
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.loopback import Loopback


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


class HttpAnswers(Loopback):
    """What is served at *url*: each request goes to *answer*, which may be changed at any time."""

    def __init__(
        self, answer: Callable[[Asked], Reply], port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(port=port, tls=tls)
        self.answer = answer
        self.asked: list[Asked] = []
        self.handler = self.make_handler()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        self.handler(client, client.getpeername(), self)

    def make_handler(self) -> Callable[..., BaseHTTPRequestHandler]:
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


serving = HttpAnswers
