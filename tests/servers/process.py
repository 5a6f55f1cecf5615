"""Servers that the tests start as processes of their own."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def running(command, settings):
    """Run *command*, give it *settings* as a line of JSON, wait until it says ready."""
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            print(json.dumps(settings), file=process.stdin, flush=True)
            assert next(iter(process.stdout or ()), "") == "ready\n", f"{command} did not start"
            yield process
        finally:
            process.terminate()
            process.wait(5)


def settings():
    """Return, inside the process, what it was given; it ends when those who started it end."""
    given = json.loads(sys.stdin.readline())

    def end_with_parent():
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    return given
