"""The demo's processor, which pylutron proves a fair one, and how what it says may go wrong.

What it says goes out in the manner of the test: ``whole``, or in other pieces. ``database``
serves what it is given.
"""

import contextlib
import socket

from collector.demo import lights
from tests.fakes.http_answers import Reply, serving
from tests.fakes.loopback import send, whole

USER, PASSWORD = "monitor", "secret-of-lights"
SHOWN = {
    "OUTPUT,11,1": "100.00",
    "OUTPUT,12,1": "50.00",
    "OUTPUT,13,1": "0.00",
    "OUTPUT,14,1": "20.5",
    "OUTPUT,15,1": "0.00",
    "OUTPUT,16,1": "100.00",
    "OUTPUT,18,1": "75",
    "DEVICE,31,81,9": "1",
}


def silent(_):
    return []


class Client(lights.Client):
    server: "Processor"

    def say(self, said):
        send(self.server.manner(said), super().say)


class Processor(lights.Processor):
    """A port on loopback; *manner* and *shown* may be changed at any time."""

    request_queue_size = 20

    def __init__(self, manner=whole, port=0):
        super().__init__(port, USER, PASSWORD, Client)
        self.manner = manner
        self.shown = dict(SHOWN)
        self.sockets = []

    def get_request(self):
        connection, place = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets.append(connection)
        return connection, place

    def hang_up(self):
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()


@contextlib.contextmanager
def running(manner=whole, port=0):
    processor = Processor(manner, port)
    with lights.serving(processor):
        yield processor
        processor.hang_up()


@contextlib.contextmanager
def database(body=None):
    """Serve *body*; yield the server, whose ``answer`` may be changed, and its URL."""
    reply = Reply(200, lights.database() if body is None else body)
    with serving(lambda _: reply) as server:
        yield server, f"{server.url}/DbXmlInfo.xml"
