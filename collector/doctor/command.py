"""Commands of ours that are printed: each works when it is pasted on this machine.

What is printed is written for the appliance: ``energy-monitor check``. Here it gets the
configuration in use, the way to the program, and no sudo where the owner of the file needs none.
"""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from collector.config import DEFAULT_FILE

OURS = re.compile(
    r"(?P<sudo>sudo )?energy-monitor (?P<words>[^<|>]*[^<|> ])(?P<rest>.*)", re.DOTALL
)
QUOTED = re.compile(r"'((?:sudo )?energy-monitor [^'\n]+)'")
WITHOUT_CONFIG = {"demo", "import-config"}
AGAIN = "…"  # stands for what was typed
OF_UNIT = " or 'sudo systemctl start energy-monitor-collector'"


def owned(file: Path) -> bool:
    """Is *file* another one than the appliance's, and ours to write without sudo?"""
    return file != DEFAULT_FILE and os.access(file, os.W_OK) and os.geteuid() != 0


def command(written: str, file: Path) -> str:
    """Return a command as it is typed here, with the configuration *file*; others as they are."""
    match = OURS.fullmatch(written)
    if not match:
        return written
    words, config = match["words"], ""
    first, *others = words.split()
    if file != DEFAULT_FILE and not {"--config", "--help"} & {first, *others}:
        config = f" --config {shlex.quote(str(file.absolute()))}"
    if first in WITHOUT_CONFIG:
        config = ""
    sudo = "" if owned(file) else match["sudo"] or ""
    return f"{sudo}{program()} {words}{config}{match['rest']}"


def pasteable(text: str, file: Path, typed: tuple[str, ...] = ()) -> str:
    """Return *text* with each command of ours in quotes as it is typed here.

    One that ends in '…' is the command that was *typed*, again.
    """

    def fitted(match: re.Match[str]) -> str:
        written = match[1]
        if not written.endswith(AGAIN):
            return f"'{command(written, file)}'"
        if not typed:
            return match[0]
        sudo = "sudo " if written.startswith("sudo ") else ""
        return f"'{sudo}{program()} {shlex.join(typed)}'"

    if file != DEFAULT_FILE:  # the unit reads the appliance's
        text = text.replace(OF_UNIT, "")
    return QUOTED.sub(fitted, text)


def program() -> str:
    """Return how energy-monitor is called here: by its name where that is on the PATH."""
    called = Path(sys.argv[0])
    if shutil.which("energy-monitor") or called.name != "energy-monitor":
        return "energy-monitor"
    return shlex.quote(str(called.absolute()))
