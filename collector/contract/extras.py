"""Extras: packages that only some configurations need, and how to get them.

They are the optional dependencies of ``pyproject.toml``. ``install.sh`` installs those that the
configuration needs; options say which these are (``extras``).
"""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from collector.errors import PackageMissing

DISTRIBUTION = "energy-monitor"
INSTALLER = Path("/opt/energy-monitor/current/install.sh")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def requirements(extra: str) -> list[str]:
    """Return what *extra* consists of, such as ``psycopg[binary]>=3.2``."""
    listed = [each.partition(";") for each in requires(DISTRIBUTION) or ()]
    mark = re.compile(rf"""extra\s*==\s*["']{re.escape(extra).replace("_", "[-_]")}["']""")
    return [wanted.strip() for wanted, _, marker in listed if mark.search(marker)]


def is_installed(extra: str) -> bool:
    """Return whether every package of *extra* is there; none of them is imported."""
    for wanted in requirements(extra):
        name = NAME.match(wanted)
        assert name, wanted
        try:
            version(name[0])
        except PackageNotFoundError:
            return False
    return True


def command(extra: str) -> str:
    """Return the command that installs *extra* where this program runs."""
    if INSTALLER.exists() and sys.prefix.startswith("/opt/energy-monitor/"):
        return f"sudo {INSTALLER} --with {extra}"
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements(extra)])


def how(extra: str) -> str:
    """Say that *extra* is missing, and what installs it."""
    return f"needs the extra {extra!r}, which is not installed: run {command(extra)!r}"


@contextmanager
def importing(extra: str) -> Iterator[None]:
    """Import packages of *extra* in the block. Raise PackageMissing."""
    try:
        yield
    except ImportError as error:
        raise PackageMissing(f"it {how(extra)}") from error
