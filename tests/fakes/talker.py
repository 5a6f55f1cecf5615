"""A device that talks unasked: at the far end of a pseudo-terminal, or of a socket."""

import contextlib
import os
import socket
import threading

from collector.demo.vedirect import encode
from tests.fakes.far_end import open_pty

MONITOR = {"PID": "0x204", "V": "26201", "SOC": "876", "FW": "0308"}
HISTORY = {"H1": "-149322", "H18": "8527"}
CHARGER = {"PID": "0xA042", "SER#": "HQ1411MYIKN", "V": "12530", "PPV": "8"}


def blocks(*said):
    return b"".join(encode(each.items()) for each in said)


class Talker:
    """Says *data* again every *every_s* at *path*, until it is unplugged; or what ``say`` is given.

    *link*, where it is given, is another name of the port, as udev gives one.
    """

    def __init__(self, data=b"", every_s=0.05, piece=None):
        self.data = data
        self.every_s = every_s
        self.piece = piece or 4096
        self.master, self.slave, self.path = open_pty()
        os.set_blocking(self.master, False)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def talk(self):
        while not self.stop.wait(self.every_s):
            self.say(self.data)

    def say(self, data):
        """Write *data* piece by piece; what nobody reads is lost, as on a wire."""
        for at in range(0, len(data), self.piece):
            with contextlib.suppress(BlockingIOError):
                os.write(self.master, data[at : at + self.piece])

    def unplug(self):
        if not self.stop.is_set():
            self.stop.set()
            self.thread.join()
            os.close(self.slave)
            os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unplug()


@contextlib.contextmanager
def serial_server(data, every_s=0.05):
    """Yield the URL of a server that says *data* to one at a time, and an event: hang up."""
    hang_up, stop = threading.Event(), threading.Event()

    def serve():
        while not stop.is_set():
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                hang_up.clear()
                while not stop.is_set() and not hang_up.wait(every_s):
                    connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}", hang_up
        stop.set()
        thread.join()
