"""Starts Debian's NUT server with its dummy driver, a process for each UPS, in a folder of its own.

A UPS is what its file says; the driver reads that again when it has changed.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from collector.errors import ReadFault
from collector.lines.tcp import TcpLine
from collector.sources.nut import protocol
from tests.servers.influxd import free_port

PROGRAMS = Path("/lib/nut")
START_S = 20
STALE_AFTER_S = 3


class Server:
    """A server at *line* with its *drivers*; UPSs in ``ups.conf`` may lack one."""

    def __init__(self, folder, host, port):
        self.folder = folder
        self.line = f"tcp://{host}:{port}"
        self.drivers = {}
        self.shown_s = 0

    def show(self, ups, **variables):
        """Let *ups* have *variables*; a ``__`` stands for a dot."""
        text = "".join(f"{name.replace('__', '.')}: {said}\n" for name, said in variables.items())
        beside = self.folder / "beside"
        beside.write_text(text)
        # The driver goes by the second of the last change.
        self.shown_s = max(self.shown_s + 1, int(time.time()))
        os.utime(beside, (self.shown_s, self.shown_s))
        beside.replace(self.folder / f"{ups}.dev")

    def freeze(self, ups):
        """Stop the driver of *ups* as it is: soon its data is stale."""
        self.drivers[ups].send_signal(signal.SIGSTOP)

    def thaw(self, ups):
        self.drivers[ups].send_signal(signal.SIGCONT)

    def asked(self, ups):
        """Return what the server says of *ups* now; nothing where it refuses."""
        line = TcpLine(self.line)
        with suppress(ReadFault):
            line.open()
            try:
                return protocol.variables(line, ups)
            finally:
                line.close()
        return {}

    def has_status(self, ups, status):
        return self.asked(ups).get("ups.status") == status

    def wait(self, condition, what):
        deadline = time.monotonic() + START_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.logs()}"
            time.sleep(0.05)

    def logs(self):
        return {each.name: each.read_text()[-1000:] for each in self.folder.glob("*.log")}


@contextmanager
def running(upss, without_driver=(), host="127.0.0.1", port=0):
    """Run a server with *upss*, variables by name; skip the test where it is not installed."""
    if not all((PROGRAMS / each).exists() for each in ("upsd", "dummy-ups")):
        pytest.skip("no NUT server with its dummy driver: apt install nut-server")
    folder = Path(tempfile.mkdtemp(prefix="nut-"))  # short, for a path of a socket is
    server = Server(folder, host, port or free_port())
    configure(server, [*upss, *without_driver])
    with ExitStack() as processes:
        processes.callback(shutil.rmtree, folder)
        for name, variables in upss.items():
            server.show(name, **variables)
            driver = started(folder, "dummy-ups", "-a", name)
            server.drivers[name] = processes.enter_context(driver)
            server.wait((folder / f"dummy-ups-{name}").exists, f"the driver of {name} starts")
        processes.enter_context(started(folder, "upsd"))
        for name, variables in upss.items():
            # Until its driver has spoken, a UPS's status is WAIT.
            ready = partial(server.has_status, name, variables["ups__status"])
            server.wait(ready, f"{name} is there")
        yield server


def configure(server, names):
    upss = "".join(
        f"[{name}]\ndriver = dummy-ups\nport = {name}.dev\npollinterval = 1\n"
        f'desc = "In the {name}"\n'
        for name in names
    )
    host, port = TcpLine(server.line).place
    files = {
        "ups.conf": upss,
        "upsd.conf": f"LISTEN {host} {port}\nMAXAGE {STALE_AFTER_S}\n",
        "upsd.users": '[monitor]\npassword = "se\\"cret"\n',
    }
    for name, text in files.items():
        (server.folder / name).write_text(text)
        (server.folder / name).chmod(0o640)


@contextmanager
def started(folder, program, *words):
    places = ("NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH", "NUT_PIDPATH")
    # Named by -u so that root stays root, whose folder it is.
    user = "root" if os.geteuid() == 0 else "nobody"
    with (
        (folder / f"{program}{''.join(words)}.log").open("wb") as log,
        subprocess.Popen(
            [PROGRAMS / program, "-F", "-u", user, *words],
            env={"PATH": os.environ["PATH"], **dict.fromkeys(places, str(folder))},
            stdout=log,
            stderr=log,
            cwd=folder,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
