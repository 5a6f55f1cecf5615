"""A device that talks unasked: at the far end of a pseudo-terminal, or of a socket."""

import contextlib
import os
import threading

from collector.demo.vedirect import encode
from tests.fakes.far_end import open_pty
from tests.fakes.loopback import Loopback

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


class SerialServer(Loopback):
    """A serial server on the network behind which a device says *data* again and again."""

    def __init__(self, data, every_s=0.05):
        super().__init__()
        self.data = data
        self.every_s = every_s
        self.url = f"socket://127.0.0.1:{self.port}"

    def serve(self, client):
        while not self.ended.wait(self.every_s):
            client.sendall(self.data)
