"""The services that run here: whether one is active, and which ones to restart for a secret.

systemd hands secrets over when a service starts. Backups start anew each time; only what runs on
has to be restarted.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from collector import config
from collector.errors import EnergyMonitorError

COLLECTOR = "energy-monitor-collector.service"
STACK = "energy-monitor-stack.service"
RUNNING = {"active", "activating", "reloading"}


def systemctl(*words: str) -> int:
    return subprocess.run(["systemctl", *words], check=False).returncode  # noqa: S603, S607


def asked(*words: str) -> str:
    """Return what systemctl prints; nothing where it fails."""
    command = ["systemctl", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  ours
    return done.stdout.strip()


def booted() -> bool:
    return Path("/run/systemd/system").is_dir()  # sd_booted(3)


def is_active(unit: str) -> bool:
    return booted() and systemctl("is-active", "--quiet", unit) == 0


def is_running(unit: str) -> bool:
    """Return whether *unit* runs or is about to: it then has its secrets already."""
    return asked("show", "--property=ActiveState", "--value", unit) in RUNNING


def hand_over(file: Path, *names: str, restart: bool = True) -> Iterator[str]:
    """Restart the services that run and use the secrets *names*; yield what was done.

    Raise ConfigFault where the collector would not start again, EnergyMonitorError where a
    service does not. Where no service has its secrets from beside *file*, nothing is done.
    """
    if not booted() or file.resolve() != config.DEFAULT_FILE.resolve():
        return
    for unit in (STACK, COLLECTOR):
        if not any(uses(unit, name, file) for name in names):
            continue
        if not is_running(unit):
            yield f"{unit} is not running: it has the value as soon as it starts"
        elif not restart:
            yield f"{unit} runs on with what it has until 'sudo systemctl restart {unit}'"
        else:
            if unit == COLLECTOR:
                require_sound(file)
            if systemctl("restart", unit):
                raise EnergyMonitorError(f"{unit} does not start: journalctl -u {unit} -n 20")
            yield f"{unit} was restarted: it has the value"


def uses(unit: str, name: str, file: Path) -> bool:
    if unit == STACK:
        copied = rf"/secrets/{re.escape(name)}(?:\s|$)"
        return bool(re.search(copied, asked("cat", unit)))
    return any(secret.name == name for _, secret in config.load(file).secrets_named())


def require_sound(file: Path) -> None:
    """Raise ConfigFault where the collector would not start with the configuration."""
    from collector.run import wiring  # noqa: PLC0415  only then needed

    loaded = config.load(file)
    wiring.build(loaded, wiring.new_health(loaded))
