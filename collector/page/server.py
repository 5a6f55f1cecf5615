"""The HTTP server: waitress, with bounds so that no client starves another.

A thread moves bytes for all connections, six more make answers: four at most wait for journal and
ledger, so two are left for what is quick. A request that is not whole in time, or an answer that is
not taken, ends its connection. Where there are too many, the oldest that does nothing makes room
for the newest.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from collector.contract.page import PageOptions
from collector.page.app import App

THREADS = 6
MOST_CONNECTIONS = 64
MOST_OF_ONE_ADDRESS = 32  # a proxy brings those of a whole house
DEADLINE_S = 30.0  # from the first byte of a request to the last of its answer
IDLE_S = 130.0  # Prometheus keeps its connection from one scrape to the next: two minutes at most
LOOK_EVERY_S = 0.5
MOST_HEADER_BYTES = 16_384
MOST_BODY_BYTES = 2048  # only the form of the login has one
MOST_IN_MEMORY = 16 << 20  # an answer has some 100 kB; none is written to a card


class Channel(HTTPChannel):  # type: ignore[misc]  # it has no types
    """A connection; *since_s* is when its request began, *served* counts whole ones."""

    def __init__(self, server: "Server", sock: socket.socket, addr: Any, *rest: Any, **kw: Any):  # noqa: ANN204
        self.since_s = time.monotonic()
        self.is_new = True
        super().__init__(server, sock, addr, *rest, **kw)
        server.make_room(self)

    def received(self, data: bytes) -> Any:
        if self.request is None and not self.requests:
            self.since_s, self.is_new = time.monotonic(), False
        return super().received(data)

    @property
    def is_idle(self) -> bool:
        """Has it had its answers, and begun no other request?"""
        waits = self.request is None and not self.requests and not self.total_outbufs_len
        return waits and not self.is_new

    def is_over(self, now_s: float) -> bool:
        return now_s > self.since_s + (IDLE_S if self.is_idle else DEADLINE_S)


class Server(TcpWSGIServer):  # type: ignore[misc]  # it has no types
    """Serves until *stop* is set; *tick* is called now and then meanwhile."""

    channel_class = Channel
    tick: Callable[[], None]

    def make_room(self, newest: Channel) -> None:
        """Close the oldest connections that wait, where there are too many."""
        there = list(self.active_channels.values())
        theirs = [each for each in there if each.addr[0] == newest.addr[0]]
        for channels, most in ((theirs, MOST_OF_ONE_ADDRESS), (there, MOST_CONNECTIONS)):
            if len(channels) > most:
                others = [each for each in channels if each is not newest]
                min(others, key=lambda each: (bool(each.requests), each.since_s)).handle_close()

    def tidy(self) -> None:
        now_s = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.is_over(now_s):
                channel.handle_close()

    def serve(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.asyncore.loop(timeout=LOOK_EVERY_S, use_poll=True, map=self._map, count=1)
            self.tidy()
            self.tick()

    def end(self) -> None:
        """Close every connection and the door, and let the threads end."""
        for channel in list(self.active_channels.values()):
            channel.handle_close()
        self.task_dispatcher.shutdown(timeout=1)
        self.close()


def listening(options: PageOptions) -> socket.socket:
    """Return the door. Raise OSError."""
    family = socket.AF_INET6 if options.ip.version == 6 else socket.AF_INET  # noqa: PLR2004  IPv6
    return socket.create_server((options.address, options.port), family=family)


def server_at(door: socket.socket, app: App) -> Server:
    """Return what serves *app* to those who come to *door*."""
    for name in ("waitress", "waitress.queue"):  # clients could fill the log with its warnings
        logging.getLogger(name).setLevel(logging.ERROR)
    adjustments = Adjustments(
        sockets=[door],
        threads=THREADS,
        ident=None,
        connection_limit=4 * MOST_CONNECTIONS,
        channel_timeout=4 * IDLE_S,
        max_request_header_size=MOST_HEADER_BYTES,
        max_request_body_size=MOST_BODY_BYTES,
        outbuf_overflow=MOST_IN_MEMORY,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=True,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(THREADS)
    about = (door.family, door.type, door.proto, door.getsockname())
    server = Server(
        app,
        {},
        True,
        door,
        dispatcher,
        adjustments,
        sockinfo=about,
        bind_socket=False,
    )
    server.tick = app.tick
    return server
