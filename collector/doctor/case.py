"""What the checks look at: the machine, the configuration, and what the service says of itself."""

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from collector.clock import kernel_synchronised
from collector.config import Config, load
from collector.contract.house import MainOptions
from collector.doctor.finding import CannotTell
from collector.errors import ConfigFault, Fault
from collector.lines.http_answer import Limits
from collector.run import control
from collector.status import Status

PATIENCE = Limits(connect_s=5.0, answer_s=10.0)  # a Pi that is just starting takes its time
COMMAND_S = 10  # docker takes some seconds on a Pi that is busy
COMPOSE_FILE = "/opt/energy-monitor/current/docker-compose.yml"
STACK_IS_ON = "/etc/systemd/system/multi-user.target.wants/energy-monitor-stack.service"
RESTART = "sudo systemctl restart energy-monitor-collector"
RELOAD = "sudo energy-monitor reload"
MEND_STACK = "sudo systemctl restart energy-monitor-stack"
AS_ROOT = "sudo energy-monitor doctor"


def run(command: Sequence[str]) -> str:
    """Return what *command* prints. Raise CannotTell where it fails or takes too long."""
    name = " ".join(command[:2])
    try:
        done = subprocess.run(  # noqa: S603  words of ours, no shell
            command,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_S,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise CannotTell(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CannotTell(f"'{name}' did not finish within {COMMAND_S} s") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines() or [
            "without a message"
        ]
        raise CannotTell(f"'{name}' failed: {lines[0]}") from error
    except OSError as error:
        raise CannotTell(f"'{name}' cannot be run: {error.strerror}") from error
    return done.stdout.decode("utf-8", "replace")


@dataclass(frozen=True)
class Machine:
    """Where the checks look: the files under *root*, and how they ask what is no file."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], str] = run
    synchronised: Callable[[], bool] = kernel_synchronised
    disk_usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    grafana: str = "http://127.0.0.1:3000"
    bits: int = struct.calcsize("P") * 8

    def at(self, path: str | Path) -> Path:
        return self.root / str(path).lstrip("/")

    def read(self, path: str) -> str:
        """Return the text of a file. Raise CannotTell where it cannot be read."""
        try:
            return self.at(path).read_text(encoding="utf-8", errors="replace").strip("\0")
        except OSError as error:
            raise CannotTell(f"{path} cannot be read: {error.strerror}") from error

    @property
    def has_stack(self) -> bool:
        """Are InfluxDB and Grafana to run here, in Docker? Their unit is switched on then."""
        return os.path.lexists(self.at(STACK_IS_ON))


@dataclass(frozen=True)
class Case:
    """What is known before the checks begin.

    Without a sound configuration *config* is None and *faults* says what is wrong. Where the
    service does not answer, *status* is None and *away* says why.
    """

    machine: Machine
    file: Path
    config: Config | None
    faults: tuple[Fault, ...]
    status: Status | None
    away: Exception | None

    @property
    def main(self) -> MainOptions:
        """What stands at the top of the configuration, or the defaults where it is wrong."""
        return self.config.main if self.config else MainOptions()

    @property
    def data_dir(self) -> Path:
        return Path(self.main.data_dir)

    @property
    def secrets(self) -> Path:
        return self.file.parent / "secrets"

    def answer(self) -> Status:
        """Return the service's status. Raise CannotTell."""
        if self.status is None:
            raise CannotTell("the service does not answer (see 'sources')")
        return self.status

    def sound(self) -> Config:
        """Return the configuration. Raise CannotTell where it is wrong."""
        if self.config is None:
            raise CannotTell("the configuration must be corrected first")
        return self.config

    def again(self) -> "Case":
        """Return this case with the status of now."""
        status, away = ask(Path(self.main.runtime_dir))
        return replace(self, status=status, away=away)


def open_case(file: Path, machine: Machine | None = None) -> Case:
    """Read the configuration *file* and ask the service how it is."""
    config: Config | None = None
    faults: tuple[Fault, ...] = ()
    try:
        config = load(file)
    except ConfigFault as error:
        faults = error.faults
    case = Case(machine or Machine(), file, config, faults, None, None)
    return case.again()


def ask(runtime_dir: Path) -> tuple[Status | None, Exception | None]:
    try:
        return control.status(runtime_dir / "control.sock"), None
    except (control.NotRunning, control.NoAnswer) as error:
        return None, error
