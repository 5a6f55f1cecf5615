"""The InfluxDB of a rehearsal is gone afterwards, however the rehearsal ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import sys, time
from pathlib import Path
from backup.influxdb.scratch import started
folder = Path(sys.argv[1])
with started([str(folder / "influxd")], folder, {}, []) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_rehearsal_that_is_killed_leaves_no_server_behind(tmp_path, number):
    program = tmp_path / "influxd"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    words = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert runs(child)
        os.kill(process.pid, number)
    deadline = time.monotonic() + 20
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child)
