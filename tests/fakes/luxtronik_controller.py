"""What a Luxtronik controller answers, written without looking at the collector's own code.

How an answer is sent is up to the test: ``whole``, or in pieces, where a number means so many
seconds of silence and ``HANG_UP`` ends the connection.
"""

import contextlib
import socket
import struct
import threading
import time

HANG_UP = object()


def whole(reply):
    return [reply]


def byte_by_byte(reply):
    return [reply[number : number + 1] for number in range(len(reply))]


def in_sevens(reply):
    return [reply[number : number + 7] for number in range(0, len(reply), 7)]


def parameters(numbers):
    return struct.pack(">ii", 3003, len(numbers)) + struct.pack(f">{len(numbers)}i", *numbers)


def calculations(numbers, status=0):
    head = struct.pack(">iii", 3004, status, len(numbers))
    return head + struct.pack(f">{len(numbers)}i", *numbers)


def visibilities(numbers):
    return struct.pack(">ii", 3005, len(numbers)) + struct.pack(f">{len(numbers)}b", *numbers)


class Controller:
    """A port on loopback. *replies* gives the bytes for each command, *manner* how they go out.

    Both may be changed while it runs. All that was asked is in *requests*.
    """

    def __init__(self, replies, manner=whole):
        self.replies = replies
        self.manner = manner
        self.requests = []
        self.connections = 0
        self.clients = []
        self.door = socket.create_server(("127.0.0.1", 0))
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
            while len(request := client.recv(8, socket.MSG_WAITALL)) == 8:
                self.requests.append(struct.unpack(">ii", request))
                for piece in self.manner(self.replies[self.requests[-1][0]]):
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
