"""Which installation this is: a random word that is made once, beside the journal.

Far sides that several houses share tell two by it that carry the same site.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from collector import files

FILE = "installation"
FORM = re.compile(rb"[0-9a-f]{16}")
BYTES = 8


def installation(data_dir: Path) -> str:
    """Return the word of the installation; '' where none has been made."""
    with suppress(OSError), files.open_file(data_dir / FILE) as opened:
        if found := FORM.fullmatch(opened.read(100).strip()):
            return found[0].decode("ascii")
    return ""


def make_installation(data_dir: Path) -> None:
    """Make the word where there is none. A disk that takes none is no reason not to start."""
    if not installation(data_dir):
        with suppress(OSError):
            data_dir.mkdir(parents=True, exist_ok=True)
            files.replace(data_dir / FILE, f"{os.urandom(BYTES).hex()}\n".encode())
