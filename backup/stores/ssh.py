"""How another computer is reached over SSH: its address, its key, ours, and the command for it.

The program ``ssh`` gets both keys through memory, so that neither lies in a file beside the secret.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backup.ownership import let_programs_read
from backup.stores.settings import FORMAT, checked
from collector.contract.documents import parsed
from collector.errors import BackupFault
from collector.text import plain

PORT = 22
LONGEST = 200  # characters of an address
CONNECT_S = 20
ALIVE_S = 15  # asked for a sign of life after as long a silence; the third one missed is the end
ALIAS = "store"  # under this name the server's key is kept, whatever its address
ADDRESS = re.compile(
    r"sftp://(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?\])"
    r"(:(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(/[^/\s?#%\"'\\]+)+)/?"
)
HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END [A-Z ]+-----"
)
OPTIONS = {
    "BatchMode": "yes",
    "PreferredAuthentications": "publickey",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "GlobalKnownHostsFile": "none",
    "HostKeyAlias": ALIAS,
    "HashKnownHosts": "no",
    "UpdateHostKeys": "no",
    "ConnectTimeout": str(CONNECT_S),
    "ServerAliveInterval": str(ALIVE_S),
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
}


@dataclass(frozen=True)
class Login:
    """Where the store is and what lets us in; *host_key* is 'TYPE BASE64', '' where not known yet.

    *path* is absolute, or begins at the user's home.
    """

    user: str
    host: str
    port: int
    path: str
    host_key: str = ""
    private_key: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORT else f":{self.port}"
        path = self.path if self.path.startswith("/") else f"/~/{self.path}"
        return f"sftp://{self.user}@{host}{port}{path}"

    def settings(self) -> str:
        """Return what ``from_settings`` reads: one line, with the private key in it."""
        document = {"format": FORMAT, "store": "sftp", "address": self.address}
        return json.dumps(document | {"host_key": self.host_key, "private_key": self.private_key})


def from_address(text: str) -> Login:
    """Take sftp://USER@HOST[:PORT]/PATH apart. Raise BackupFault."""
    found = ADDRESS.fullmatch(text) if len(text) <= LONGEST else None
    parts = found["path"].split("/")[1:] if found else []
    port = int(found["port"] or PORT) if found else 0
    if not found or port > 65535 or {".", ".."} & {*parts} or parts == ["~"]:  # noqa: PLR2004
        raise BackupFault(
            f"{plain(text)!r} is not the address of a store: expected sftp://USER@HOST/FOLDER, or "
            "sftp://USER@HOST/~/FOLDER for a folder in the user's home; it holds no password, "
            "because a key lets us in"
        )
    path = "/".join(parts[1:]) if parts[0] == "~" else "/" + "/".join(parts)
    return Login(found["user"], found["host"].strip("[]"), port, path)


def from_settings(text: str) -> Login:
    """Return the login that ``Login.settings`` wrote. Raise BackupFault, without the key."""
    try:
        document = parsed(text)
    except ValueError:
        document = None
    document = checked(document, "sftp")
    login = from_address(str(document.get("address")))
    host_key, private_key = (str(document.get(each, "")) for each in ("host_key", "private_key"))
    if host_key and not HOST_KEY.fullmatch(host_key):
        raise BackupFault("host_key must be the server's public key, such as 'ssh-ed25519 AAAA…'")
    if not PRIVATE_KEY.fullmatch(private_key.strip()):
        raise BackupFault("private_key must be a private key of OpenSSH, without a passphrase")
    return replace(login, host_key=host_key, private_key=private_key.strip() + "\n")


@contextmanager
def in_memory(text: str = "") -> Iterator[Path]:
    """Hold a file that is on no disk, and its owner's only, for a program started meanwhile."""
    let_programs_read()
    descriptor = os.memfd_create("ssh")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def command(login: Login, key: Path, known: Path) -> list[str]:
    """Return the command that speaks SFTP on its standard input and output.

    A server whose key is not known yet is believed, and its key written into *known*.
    """
    options = OPTIONS | {
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes" if login.host_key else "accept-new",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    place = [
        "-p",
        str(login.port),
        "-l",
        login.user,
        "-i",
        str(key),
        "-s",
        "--",
        login.host,
        "sftp",
    ]
    return ["ssh", "-F", "none", "-T", *words, *place]


def new_key(comment: str) -> str:
    """Make a private key. Raise BackupFault."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # on no disk
        file = Path(folder) / "key"
        keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file))
        return file.read_text(encoding="ascii")


def public_half(private_key: str) -> str:
    """Return the line for the server's ``authorized_keys``. Raise BackupFault."""
    with in_memory(private_key) as file:
        return keygen("-y", "-P", "", "-f", str(file)).strip()


def fingerprint(host_key: str) -> str:
    """Return SHA256:… of a server's key, as ``ssh`` shows it. Raise BackupFault."""
    with in_memory(host_key + "\n") as file:
        return keygen("-l", "-f", str(file)).split()[1]


def keygen(*words: str) -> str:
    try:
        done: Any = subprocess.run(  # noqa: S603  ours
            ["ssh-keygen", *words],  # noqa: S607  where the system has it
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CONNECT_S,
            check=False,
        )
    except FileNotFoundError:
        raise BackupFault("there is no program ssh-keygen: apt install openssh-client") from None
    if done.returncode:
        raise BackupFault(f"ssh-keygen: {plain(done.stderr.strip())}")
    return str(done.stdout)
