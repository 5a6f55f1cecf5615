"""The real program as a process of its own, as systemd would run it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from collector.run import control

DEADLINE_S = 20


def command(*words):
    return [sys.executable, "-m", "collector.cli", *map(str, words)]


def energy_monitor(*words, **options):
    """Run one command to its end; return what subprocess.run returns."""
    return subprocess.run(
        command(*words), check=False, capture_output=True, text=True, timeout=60, **options
    )


def configure(folder, sources, outputs="", extra="", port=0):
    """Write a configuration whose data and socket lie in *folder*; return its file.

    Without a *port* there is no page: tests run side by side.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yaml"
    outputs = f"outputs:\n{outputs}" if outputs else ""
    file.write_text(
        f"site: home\ndata_dir: {folder}\nruntime_dir: {folder}\nclock: {{trust: always}}\n"
        f"{extra}sources:\n{sources}{outputs}\npage: {{port: {port}}}\n"
    )
    return file


@contextmanager
def collector(file, **environment):
    """Run the service with the configuration *file*; end it with SIGTERM, or find it killed."""
    with subprocess.Popen(
        command("run", "--config", file),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(10)


def ask(folder, request=None):
    return control.ask(folder / "control.sock", request or {"ask": "status"})


def wait_for(condition, what):
    """Return what *condition* returns as soon as it is true; fail when it never is."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except control.NotRunning:
            pass
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE_S} s in vain until {what}")


def wait_for_reads(folder, source, count=1):
    def enough():
        status = ask(folder)
        return status if status["sources"][source]["reads"] >= count else None

    return wait_for(enough, f"{source} is read")
