"""The command ``energy-monitor``: what a person types. Each command imports only what it uses."""

import json
import logging
import sys
from pathlib import Path
from typing import Any, ClassVar

import click

from collector import __version__
from collector.cli import backup, doctor, import_config, journal, restore, secret, setup
from collector.cli.arguments import Duration, config_option, json_option
from collector.errors import ConfigFault, EnergyMonitorError, JournalFault

EXIT_CONFIG = 78  # sysexits(3): EX_CONFIG
EXIT_JOURNAL = 74  # EX_IOERR


class Commands(click.Group):
    """Turns the errors that we raise on purpose into a sentence and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigFault as error:
            for fault in error.faults:
                click.echo(fault, err=True)
            count = len(error.faults)
            click.secho(f"{count} fault{'s' * (count > 1)} found", fg="red", err=True)
            sys.exit(EXIT_CONFIG)
        except EnergyMonitorError as error:
            click.secho(str(error), fg="red", err=True)
            sys.exit(EXIT_JOURNAL if isinstance(error, JournalFault) else 1)
        except BrokenPipeError:  # click ends quietly where nobody reads on
            raise
        except OSError as error:
            click.secho(sentence(error), fg="red", err=True)
            sys.exit(1)


def sentence(error: OSError) -> str:
    """Say which file cannot be used, and why."""
    reason = error.strerror or str(error)
    hint = ": try 'sudo energy-monitor …'" if isinstance(error, PermissionError) else ""
    return f"{error.filename}: {reason}{hint}" if error.filename else f"{reason}{hint}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="energy-monitor")
def main() -> None:
    """Read every meter of a house, keep every reading, deliver each one.

    \b
    First steps:
      energy-monitor demo                 a simulated house, live, without any hardware
      energy-monitor scan                 find the meters on your serial ports
      energy-monitor check                look for mistakes in the configuration
      energy-monitor status               how the running service is doing
    """


@main.command()
@config_option
def run(file: Path) -> None:
    """Run the service: all sources, all outputs, until SIGTERM.

    \b
    Example:
      energy-monitor run --config /etc/energy-monitor/config.yaml
    """
    from collector import config  # noqa: PLC0415
    from collector.run import service  # noqa: PLC0415  only this command needs them

    log_to_stderr()
    sys.exit(service.Service(config.load(file)).run())


@main.command()
@config_option
def check(file: Path) -> None:
    """Look for mistakes in the configuration, all of them at once.

    Touches no device and no network. Exit status 78 when something is wrong.

    \b
    Example:
      energy-monitor check --config config.yaml
    """
    from collector import config  # noqa: PLC0415
    from collector.run import since, wiring  # noqa: PLC0415

    loaded = config.load(file)
    for advice in wiring.check(loaded):
        click.secho(f"advice: {advice}", fg="yellow", err=True)
    click.secho(f"{file}: no faults", fg="green")
    click.echo(f"  sources: {', '.join(loaded.sources)}")
    if loaded.derivations:
        click.echo(f"  derivations: {', '.join(loaded.derivations)}")
    click.echo(f"  outputs: {', '.join(loaded.outputs) or 'none'}")
    for line in filter(None, (since.first_place(loaded, name) for name in loaded.outputs)):
        click.echo(f"  {line}")


@main.command()
@click.argument("name")
@click.option("--watch", is_flag=True, help="Read again and again until Ctrl-C.")
@click.option("--raw", is_flag=True, help="Register by register, for meters.")
@json_option
@config_option
def read(name: str, watch: bool, raw: bool, as_json: bool, file: Path) -> None:
    """Read one source now and print its values.

    The service must not be using the same port at that moment.

    \b
    Examples:
      energy-monitor read mains
      energy-monitor read mains --raw
      energy-monitor read mains --watch --json
    """
    from collector import config  # noqa: PLC0415
    from collector.cli import once  # noqa: PLC0415

    once.read(config.load(file), name, watch=watch, raw=raw, as_json=as_json)


@main.command()
@click.option("--line", help="Only this line: /dev/ttyUSB0, socket://10.0.0.5:4196, tcp://…:8889.")
@click.option("--all", "thorough", is_flag=True, help="Every baud rate, parity and address.")
@json_option
@config_option
def scan(line: str | None, thorough: bool, as_json: bool, file: Path) -> None:
    """Find devices and print the configuration to paste.

    Meters on the serial ports, and heat pumps (Luxtronik) that answer a call on the network; with
    --line also Modbus units behind a TCP port, such as inverters and gateways.
    Only reads. The service must be stopped while it runs. Meters are named by the device maps
    that come with this, and by your own in the folder 'devices' beside the configuration.

    \b
    Examples:
      energy-monitor scan
      energy-monitor scan --line /dev/ttyUSB0 --all
      energy-monitor scan --line tcp://192.168.2.5:8889
      energy-monitor scan --line tcp://192.168.2.9:502
    """
    from collector.cli import once  # noqa: PLC0415

    found = once.scan(line, own_maps(file), thorough=thorough, as_json=as_json)
    sys.exit(0 if found else 1)


@main.command()
@click.argument("name", required=False)
@json_option
@config_option
def models(name: str | None, as_json: bool, file: Path) -> None:
    """List the meters that are known, or the registers of one of them.

    Your own are those in the folder 'devices' beside the configuration.

    \b
    Examples:
      energy-monitor models
      energy-monitor models orno-we-515
    """
    from collector.cli import show  # noqa: PLC0415

    own = own_maps(file)
    click.echo(
        show.model(name, own, as_json=as_json) if name else show.models(own, as_json=as_json)
    )


def own_maps(file: Path) -> list[Path]:
    """Return the folder of the owner's device maps, if there is one that we may read."""
    folder = file.parent / "devices"
    try:
        next(folder.iterdir(), None)
    except FileNotFoundError:
        return []
    except OSError as error:
        click.secho(f"{sentence(error)}; your own device maps are left out", fg="yellow", err=True)
        return []
    return [folder]


@main.command()
@json_option
@config_option
def status(as_json: bool, file: Path) -> None:
    """Tell how the running service is doing. Exit status 1 when something is wrong.

    \b
    Examples:
      energy-monitor status
      energy-monitor status --json | jq .outputs
    """
    from collector import config  # noqa: PLC0415
    from collector.cli import show  # noqa: PLC0415
    from collector.run import control  # noqa: PLC0415

    answer = control.status(config.load(file).socket)
    click.echo(json.dumps(answer.to_json(), indent=2) if as_json else show.status(answer))
    sys.exit(1 if answer.problems else 0)


@main.command()
@click.option("--for", "duration_s", type=Duration(), help="End after this long, such as 20s.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default="demo-data",
    show_default=True,
    help="Where the journal is kept.",
)
def demo(duration_s: float | None, data_dir: Path) -> None:
    """Show a simulated house, live, without root, Docker or hardware.

    A simulated ORNO OR-WE-515 answers as a Modbus RTU slave, Victron devices talk VE.Direct, and a
    heat pump and a lighting processor answer over TCP, each in a process of its own; the real
    collector reads them.

    \b
    Examples:
      energy-monitor demo
      energy-monitor demo --for 20s --data-dir /tmp/demo
    """
    from collector.demo import command  # noqa: PLC0415

    sys.exit(command.run(duration_s, data_dir))


def log_to_stderr() -> None:
    """Log to standard error; under systemd with the priorities that the journal understands."""
    import os  # noqa: PLC0415

    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(Priorities("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class Priorities(logging.Formatter):
    """Begins every line with the priority that systemd-journald reads (sd-daemon, man 3)."""

    LEVELS: ClassVar = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}

    def format(self, record: logging.LogRecord) -> str:
        priority = self.LEVELS.get(record.levelno, 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


main.add_command(backup.backup)
main.add_command(doctor.doctor)
main.add_command(import_config.import_config)
main.add_command(journal.journal)
main.add_command(restore.restore)
main.add_command(secret.secret)
main.add_command(setup.setup)
