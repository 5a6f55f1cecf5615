"""Starts OpenSSH's server on a free port of loopback, for this user, with keys of its own."""

import os
import pwd
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.influxd import free_port
from tests.servers.mosquitto import await_port

CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp {sftp}
"""


@dataclass(frozen=True)
class Sshd:
    """A server that runs at *port*, its keys in *folder*."""

    port: int
    folder: Path

    def address(self, place):
        """Return the address of the folder *place*."""
        return f"sftp://{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1:{self.port}{place}"

    def admit(self, public_key):
        with (self.folder / "authorized_keys").open("a") as file:
            print(public_key, file=file)


def program(name):
    """Return the path of a program; skip the test where it is not installed."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")
    if not found:
        pytest.skip(f"no {name} on the PATH: apt install openssh-server openssh-client")
    return found


@contextmanager
def running(folder, *, port=None, sftp=""):
    """Run a server; *sftp* are words for its SFTP part. Its host key stays where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [program("sshd"), "-D", "-e", "-f", str(folder / "config")]
    program("ssh")
    port = port or free_port()
    if not (folder / "host_key").exists():
        new = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"]
        subprocess.run(new, check=True)
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder, sftp=sftp))
    if os.geteuid() == 0:  # where it gives up its rights
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            await_port(port, process, folder / "log")
            yield Sshd(port, folder)
        finally:
            process.kill()
