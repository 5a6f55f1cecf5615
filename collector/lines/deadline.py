"""One end to all waiting for a socket: its own time-out would begin anew with every byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def deadline(
    sock: socket.socket, seconds: float, broken: tuple[type[Exception], ...]
) -> Iterator[None]:
    """Cut off *sock* after *seconds*, so that whoever waits for it fails with one of *broken*.

    Raise TimeoutError instead of these then.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except broken:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()  # it must not cut off what the socket's number means afterwards
    if late.is_set():
        raise TimeoutError(f" no complete answer within {seconds:.0f} s")
