"""What ``energy-monitor setup page`` does: the page for this computer, or for the network."""

import secrets as random
from collections.abc import Iterator
from pathlib import Path

from collector import config, secrets
from collector.cli import store, written
from collector.cli.arguments import pasteable

SECRET = "page-password"  # noqa: S105  its name
BYTES = 24  # as install.sh makes them


def listen_at(file: Path, address: str) -> Iterator[str]:
    """Let the page listen at *address* and yield what was done.

    Raise ConfigFault, EnergyMonitorError, OSError.
    """
    before = config.load(file).main.page
    options = {"address": address}
    is_local = address == "127.0.0.1"
    if not is_local and before.password is None:
        options["password"] = f"!secret {SECRET}"
        if made := make_password(file.parent / "secrets"):
            yield f"stored: {made}"
    if before.port == 0:
        options["port"] = "9992"
    loaded = written.write(file, lambda text: written.with_options(text, "page", options)).main.page
    yield f"written: {file}"
    if loaded.password and not is_local:
        show = f"energy-monitor secret show {loaded.password.name}"
        yield pasteable(f"its password: 'sudo {show}'")
    yield pasteable("then load it: 'sudo energy-monitor reload'")


def make_password(folder: Path) -> Path | None:
    """Store a random password, unless there is one; return its file. Raise EnergyMonitorError."""
    secrets.prepare(folder)
    if (folder / SECRET).exists():
        return None
    return store.store(folder, SECRET, random.token_urlsafe(BYTES))
