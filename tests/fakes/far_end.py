"""Pseudo-terminals: the far end of a serial line in the test's own hands."""

import contextlib
import os
import select
import threading
import tty

from tests.fakes.loopback import send


def open_pty():
    """Return the master, the slave and the path of a new raw pseudo-terminal."""
    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave, os.ttyname(slave)


class FarEnd:
    """A serial line at whose far end *reply* answers: ``reply(request)`` gives the pieces to send.

    What the near end has sent is in *requests*. ``pull`` takes the line away, as unplugging does.
    """

    def __init__(self, reply):
        self.reply = reply
        self.requests = []
        self.master, self.slave, self.path = open_pty()
        self.stop, self.stopping = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            ready, _, _ = select.select([self.master, self.stop], [], [])
            if self.stop in ready:
                return
            request = os.read(self.master, 256)
            self.requests.append(request)
            send(self.reply(request), self.say)

    def say(self, data):
        """Send *data* unasked."""
        os.write(self.master, data)

    def pull(self):
        if self.thread.is_alive():
            os.write(self.stopping, b"x")
            self.thread.join()
            for each in (self.master, self.slave, self.stop, self.stopping):
                os.close(each)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pull()


@contextlib.contextmanager
def cable():
    """Yield the paths of two pseudo-terminals: what is written to one is read from the other."""
    near, near_slave, near_path = open_pty()
    far, far_slave, far_path = open_pty()
    stop, stopping = os.pipe()

    def carry():
        while True:
            ready, _, _ = select.select([near, far, stop], [], [])
            if stop in ready:
                return
            for here, there in ((near, far), (far, near)):
                if here in ready:
                    os.write(there, os.read(here, 4096))

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield near_path, far_path
    finally:
        os.write(stopping, b"x")
        thread.join()
        for each in (near, near_slave, far, far_slave, stop, stopping):
            os.close(each)
