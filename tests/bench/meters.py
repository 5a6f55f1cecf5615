"""Many meters on a serial line each: RTU slaves behind pseudo-terminals, all in one process.

What is asked is answered at once, from answers that were made once, so that the meters take as
little as possible of the machine on which their reader is measured.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.far_end import open_pty
from tests.fakes.rtu_slave import reply


@dataclass
class Meters:
    """The near ends of their lines."""

    paths: list[str]
    process: "subprocess.Popen[str]"

    def answered(self):
        """Return how many requests were answered so far."""
        print(file=self.process.stdin, flush=True)
        return heard(self.process)


def heard(process):
    return json.loads(next(iter(process.stdout)))


@contextlib.contextmanager
def meters(count, words):
    """Yield *count* meters at address 1, all with the registers *words*."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        print(json.dumps([count, words]), file=process.stdin, flush=True)
        yield Meters(heard(process), process)
        process.communicate(timeout=5)  # the end of its input ends it


def serve():
    count, words = json.loads(sys.stdin.readline())
    slaves = {1: {int(register): word for register, word in words.items()}}
    ends = [open_pty() for _ in range(count)]
    print(json.dumps([path for _, _, path in ends]), flush=True)
    answers, answered = {}, 0
    ready = select.epoll()
    for watched in (sys.stdin.fileno(), *(master for master, _, _ in ends)):
        ready.register(watched, select.EPOLLIN)
    while True:
        for end, _ in ready.poll():
            if end == sys.stdin.fileno():
                if not sys.stdin.readline():
                    return
                print(json.dumps(answered), flush=True)
                continue
            request = os.read(end, 256)
            if request not in answers:
                answers[request] = reply(request, slaves)
            os.write(end, answers[request])
            answered += bool(answers[request])


if __name__ == "__main__":
    serve()
