"""A port that answers as no NUT server does: late, in drops, cut, without end, or not at all."""

import contextlib
import socket
import threading
import time

HANG_UP = object()


class Talker:
    """A port on loopback; *answer* gives for each question the pieces of the answer.

    A number among them means so many seconds of silence, ``HANG_UP`` ends the connection. All that
    was asked is in *asked*.
    """

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.connections = 0
        self.clients = []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.line = f"tcp://127.0.0.1:{self.door.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.door.accept()
                self.connections += 1
                self.clients.append(client)
                self.threads.append(threading.Thread(target=self.serve, args=[client], daemon=True))
                self.threads[-1].start()

    def serve(self, client):
        with client, contextlib.suppress(OSError), client.makefile("rb") as questions:
            for question in questions:
                self.asked.append(question.decode().rstrip("\n"))
                for piece in self.answer(self.asked[-1]):
                    if piece is HANG_UP:
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    if isinstance(piece, bytes):
                        client.sendall(piece)
                    else:
                        time.sleep(piece)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for each in self.clients:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
