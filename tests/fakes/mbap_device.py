"""What a Modbus TCP device or gateway answers, written without looking at the collector's own code.

How it answers is up to the test: bytes, or several in a list, where a number means so many seconds
of silence and ``HANG_UP`` ends the connection.
"""

import contextlib
import socket
import struct
import threading
import time
from typing import NamedTuple

HANG_UP = object()


class Asked(NamedTuple):
    transaction: int
    unit: int
    function: int
    start: int
    length: int


def parse(request):
    transaction, protocol, length, *rest = struct.unpack(">HHHBBHH", request)
    assert (protocol, length) == (0, 6)
    return Asked(transaction, *rest)


def framed(asked, body, *, transaction=None, protocol=0, length=None, unit=None):
    """Return an answer, right but for what is said otherwise."""
    number = asked.transaction if transaction is None else transaction
    size = len(body) + 1 if length is None else length
    return struct.pack(
        ">HHHB", number, protocol, size, asked.unit if unit is None else unit
    ) + bytes(body)


def words(asked, registers):
    """Return function, size and registers: the body of an answer; or that of exception 2."""
    wanted = range(asked.start, asked.start + asked.length)
    if not all(each in registers for each in wanted):
        return exception(asked, 2)
    data = struct.pack(f">{asked.length}H", *(registers[each] for each in wanted))
    return bytes([asked.function, len(data)]) + data


def exception(asked, code):
    return bytes([asked.function | 0x80, code])


def units(mapping):
    """Return a gateway with *mapping*, {unit: {register: word}}; nobody else is behind it."""

    def reply(asked):
        if asked.unit not in mapping:
            return framed(asked, exception(asked, 0x0B))
        return framed(asked, words(asked, mapping[asked.unit]))

    return reply


class Device:
    """A port on loopback at which ``reply(asked)`` answers. It may be changed while it runs.

    All that was asked is in *asked*; *connections* counts.
    """

    def __init__(self, reply, port=0):
        self.reply = reply
        self.asked = []
        self.connections = 0
        self.clients = []
        self.door = socket.create_server(("127.0.0.1", port))
        self.port = self.door.getsockname()[1]
        self.line = f"tcp://127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.door.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self.clients.append(client)
                self.threads.append(threading.Thread(target=self.serve, args=[client], daemon=True))
                self.threads[-1].start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            while len(request := client.recv(12, socket.MSG_WAITALL)) == 12:
                self.asked.append(parse(request))
                said = self.reply(self.asked[-1])
                for piece in [said] if isinstance(said, bytes) else said:
                    if piece is HANG_UP:
                        return
                    if isinstance(piece, bytes):
                        client.sendall(piece)
                    else:
                        time.sleep(piece)

    def hang_up(self):
        """End every connection there is."""
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        self.hang_up()
        for thread in self.threads:
            thread.join(10)
