"""A serial line that takes its time: RTU slaves behind a pseudo-terminal, paced like real ones.

A pseudo-terminal hands bytes over at once, whatever its baud rate. Here a process of its own
holds every byte back until a real line would have delivered it:

    with paced_line({1: {0x0131: 2301}, 2: {}}, baudrate=9600, character_bits=11) as line:
        …  # open line.path with parity none, which is all that a pseudo-terminal takes

``{slave: {register: word}}`` says which slaves answer what, to functions 3 and 4 alike; a read of
a register that is not there is refused with exception 2. Addresses that are not named stay
silent. After a request the slave waits *answer_ms* (8 ms: meter and adapter as in mbmd's figures),
then its answer arrives byte by byte. ``character_bits`` is 10 for 8N1 and 11 for 8E1. The line
ends with the ``with`` block. Requests must be at least 3.5 characters apart, as on a real line;
one that comes too early is not heard, and ``line.unheard()`` counts those.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.far_end import open_pty
from tests.fakes.rtu_slave import parse, reply


@dataclass
class PacedLine:
    """The near end of a paced line."""

    path: str
    process: "subprocess.Popen[str]"

    def unheard(self):
        print(file=self.process.stdin, flush=True)
        return int(said(self.process))


def said(process):
    return next(iter(process.stdout)).strip()


@contextlib.contextmanager
def paced_line(slaves, *, baudrate=9600, character_bits=11, answer_ms=8.0):
    """Yield a PacedLine behind which *slaves* answer."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        settings = [slaves, character_bits / baudrate, answer_ms / 1000]
        print(json.dumps(settings), file=process.stdin, flush=True)
        yield PacedLine(said(process), process)
        process.communicate(timeout=5)  # the end of its input ends it


def serve():
    slaves, character_s, answer_s = json.loads(sys.stdin.readline())
    slaves = {
        int(slave): {int(register): word for register, word in registers.items()}
        for slave, registers in slaves.items()
    }
    master, _slave, path = open_pty()
    print(path, flush=True)
    unheard, free_s = 0, 0.0
    while True:
        ready, _, _ = select.select([master, sys.stdin], [], [])
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(unheard, flush=True)
        if master not in ready:
            continue
        request, begun_s = os.read(master, 256), time.monotonic()
        if begun_s < free_s or parse(request) is None:
            unheard += 1
            continue
        sent = reply(request, slaves)
        due_s = begun_s + len(request) * character_s + (answer_s if sent else 0)
        for byte in sent:
            due_s += character_s
            time.sleep(max(0.0, due_s - time.monotonic()))
            os.write(master, bytes([byte]))
        free_s = due_s + 3.5 * character_s


if __name__ == "__main__":
    serve()
