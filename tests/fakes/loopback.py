"""A port on loopback, which the fakes of devices and servers stand on.

What they send goes out in pieces: bytes, seconds of silence, or ``HANG_UP``.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

HANG_UP = object()
Pieces = bytes | Sequence[Any]


def whole(answer):
    return [answer]


def byte_by_byte(answer):
    return [answer[number : number + 1] for number in range(len(answer))]


def send(
    pieces: Pieces, write: Callable[[bytes], object], wait: Callable[[float], object] = time.sleep
) -> None:
    """Write *pieces*. Raise ConnectionResetError where one of them hangs up."""
    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
        if piece is HANG_UP:
            raise ConnectionResetError
        if isinstance(piece, bytes):
            write(piece)
        else:
            wait(piece)


class Loopback:
    """Serves at *port* while the block runs: ``serve`` has a thread for each client.

    Unless it is overridden it sends *greeting*, and nothing more. *connections* counts.
    """

    def __init__(
        self, greeting: Pieces = b"", *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.greeting = greeting
        self.tls = tls
        self.connections = 0
        self.clients: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.ended = threading.Event()
        self.door = socket.create_server(("127.0.0.1", port))
        self.port: int = self.door.getsockname()[1]
        self.line = f"tcp://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        self.send(client, self.greeting)
        while client.recv(4096):
            pass

    def send(self, client: socket.socket, pieces: Pieces) -> None:
        send(pieces, client.sendall, self.ended.wait)

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.door.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self.clients.append(client)
                self.start(self.attend, client)

    def attend(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
                self.clients.append(client)
            with client:
                self.serve(client)

    def start(self, job: Callable[..., None], *arguments: object) -> None:
        self.threads.append(threading.Thread(target=job, args=arguments, daemon=True))
        self.threads[-1].start()

    def hang_up(self) -> None:
        """End every connection there is."""
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Listen no more, and end every connection and thread; a second time does nothing."""
        self.ended.set()
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        self.threads[0].join()
        self.hang_up()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()

    def __enter__(self) -> Self:
        self.start(self.accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def answering_once(answer: bytes) -> Iterator[str]:
    """Serve one client, who gets *answer* after his first bytes, and yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()
