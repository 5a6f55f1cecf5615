"""Secrets by reference: ``!secret NAME`` in the configuration, the value somewhere safer.

A value is looked for each time it is used: first as a systemd credential, then in the folder
``secrets`` beside the configuration, then in the environment variable ``ENERGY_MONITOR_NAME``.
Credentials are copies that systemd makes when a service starts (``LoadCredential=`` of the
folder, systemd.exec(5)): a running service keeps what it was started with.
"""

import errno
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from collector import files
from collector.errors import SecretMissing, UnsafeFolder

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
NAME_RULE = "small letters, digits and '-', beginning with a letter or digit"
CREDENTIAL = "secrets_"  # systemd names each file of LoadCredential=secrets:FOLDER so
known: set[str] = set()  # every value that this process has read, so that it can be hidden
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
HASHED = "scrypt:"  # a password of which only a hash is stored begins so
SCRYPT = (1 << 14, 8, 1)  # n, r, p: 16 MB for 50 ms, on a Pi 3 for a second
ABSENT = {"", "none"}  # systemd hands over 'none' where there is no file (SetCredential=)


@dataclass(frozen=True)
class Secret:
    """A reference to a secret. It prints as its name, never as its value."""

    name: str
    folder: Path | None = field(default=None, compare=False)

    def value(self) -> str:
        """Return the secret's value. Raise SecretMissing where it is in none of the places."""
        found = self.look()
        if found is None:
            raise SecretMissing(self.missing())
        return found

    def missing(self) -> str:
        """Say that there is no value, and what to do."""
        mend = f"'sudo energy-monitor secret set {self.name}'"
        if credentials():
            return f"secret {self.name!r} has not reached the service; {mend} stores it"
        places = [*map(str, self.files()), f"the environment variable {self.variable}"]
        return f"secret {self.name!r} is not found; looked in {', '.join(places)}; {mend} stores it"

    def if_given(self) -> str | None:
        """Return the value of a secret that there need not be. Raise SecretMissing where it is
        there and cannot be read.
        """  # noqa: D205  one sentence
        found = self.look()
        return None if found in ABSENT else found

    def is_there(self) -> bool:
        """Return whether there is a value that can be read."""
        try:
            return bool(self.value())
        except SecretMissing:
            return False

    @property
    def variable(self) -> str:
        return f"ENERGY_MONITOR_{self.name.upper().replace('-', '_')}"

    def look(self) -> str | None:
        """Return the value, which is ``known`` from then on. Raise SecretMissing."""
        value = self.look_in_places()
        if value is not None and value not in ABSENT:
            known.add(value)
        return value

    def look_in_places(self) -> str | None:
        nothing: str | None = None
        for file in self.files():
            try:
                value = file.read_text(encoding="utf-8").strip()
                if value not in ABSENT:
                    return value
                nothing = value  # another place may have it
            except FileNotFoundError:
                continue
            except OSError as error:
                if isinstance(error, PermissionError) and credentials():
                    continue  # the folder is root's: a service has the copies
                msg = f"secret {self.name!r}: {file} cannot be read: {error.strerror}"
                raise SecretMissing(msg) from error
            except UnicodeDecodeError:
                msg = f"secret {self.name!r}: {file} is not UTF-8 text: write it again"
                raise SecretMissing(msg) from None  # the error holds what is in the file
        return os.environ.get(self.variable, nothing)

    def files(self) -> list[Path]:
        folder = credentials()
        # Without the prefix: credentials that a drop-in of the owner's loads one by one.
        copies = [folder / f"{CREDENTIAL}{self.name}", folder / self.name] if folder else []
        return copies + ([self.folder / self.name] if self.folder else [])


def credentials() -> Path | None:
    """Return the folder of the credentials that systemd gave this service; None without."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def write(file: Path, value: str, mode: int = 0o600) -> None:
    """Write a secret for its owner only, whole or not at all, in a folder that ``prepare`` made.

    Raise OSError; UnsafeFolder where the folder isn't safe.
    """
    prepare(file.parent)
    files.replace(file, f"{value}\n".encode(), mode=mode)


def prepare(folder: Path) -> None:
    """Make *folder* where it is missing. Raise OSError; UnsafeFolder where it isn't safe.

    What root writes must not go through a folder that another user can exchange.
    """
    if os.geteuid() == 0:
        parent = folder.parent.resolve()
        for each in (*reversed(parent.parents), parent):
            require_of_root(each)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink():
        raise UnsafeFolder(f"{folder} is a link: expected a folder")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    if os.geteuid() == 0:
        require_of_root(folder)


def require_of_root(folder: Path) -> None:
    about = folder.lstat()
    exchangeable = about.st_mode & OTHERS_WRITE and not about.st_mode & stat.S_ISVTX
    if about.st_uid != 0 or exchangeable:
        raise UnsafeFolder(
            f"users other than root can change {folder}: root stores no secret there"
        )


def hashed(password: str) -> str:
    """Return what a password can be recognised by, and not be found out from."""
    salt = os.urandom(16)
    return (
        f"{HASHED}{SCRYPT[0]}:{SCRYPT[1]}:{SCRYPT[2]}:{salt.hex()}:{scrypt(password, salt).hex()}"
    )


def is_password(given: str, stored: str) -> bool:
    """Tell whether *given* is the stored password or that of a stored hash, in constant time.

    Raise ValueError where the stored hash is none that ``hashed`` made.
    """
    import hmac  # noqa: PLC0415  loads OpenSSL, 4 MB

    if not stored.startswith(HASHED):
        digests = (hmac.digest(b"password", each.encode(), "sha256") for each in (given, stored))
        return hmac.compare_digest(*digests)
    *numbers, salt, wanted = stored.removeprefix(HASHED).split(":")
    if numbers != [str(each) for each in SCRYPT]:
        raise ValueError("this is not a hash of a password")
    return hmac.compare_digest(scrypt(given, bytes.fromhex(salt)), bytes.fromhex(wanted))


def scrypt(password: str, salt: bytes) -> bytes:
    import hashlib  # noqa: PLC0415  loads OpenSSL

    n, r, p = SCRYPT
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32)
