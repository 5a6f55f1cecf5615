"""Stores a secret where the services get it from: whole, for its owner only, in a safe folder."""

import unicodedata
from pathlib import Path

from collector.safe_text import SHORTEST
from collector.secrets import write

SHORT = 8  # characters: fewer are tried out in no time
LARGEST = 65_536  # bytes of a value: a key with its certificates takes a tenth
NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # control characters, what was not UTF-8, ends of a line


def fault_of(value: str) -> str | None:
    """Say why *value* can't be stored; None where it can."""
    if not value:
        return "it is empty"
    if any(unicodedata.category(each) in NO_TEXT for each in value):
        return "it is not one line of UTF-8 text without control characters"
    if value != value.strip():
        return "it begins or ends with a blank, which would be lost"
    if len(value.encode()) > LARGEST:
        return f"it is longer than {LARGEST:,} bytes"
    return None


def remark_on(value: str) -> str | None:
    """Say what is the matter with a short value, which some devices leave no choice about."""
    if len(value) >= SHORT:
        return None
    hidden = f"hidden only as a word of its own (under {SHORTEST} characters not at all)"
    return (
        f"it has fewer than {SHORT} characters: it is easily guessed, and in logs it is {hidden}. "
        "Choose a longer one where the device or server lets you"
    )


def store(folder: Path, name: str, value: str) -> Path:
    """Write a secret into *folder*, whole or not at all, for its owner only.

    Raise OSError; UnsafeFolder where the folder isn't safe.
    """
    file = folder / name
    write(file, value, mode=0o400)
    return file
