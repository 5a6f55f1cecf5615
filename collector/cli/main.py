"""The command ``energy-monitor``: what a person types. A command is imported when it is used."""

import sys
from importlib import import_module
from typing import Any

import click

from collector import __version__
from collector.cli.arguments import TYPED, pasteable, sentence
from collector.errors import ConfigFault, EnergyMonitorError, JournalFault
from collector.text import counted

COMMANDS = {
    "add": "Write a new output into the configuration.",
    "alert": "Show alerts, test a target, try rules on the journal.",
    "backup": "Make, list, verify, upload and rotate backups.",
    "bill": "Print what energy cost, line by line.",
    "check": "Look for mistakes in the configuration.",
    "demo": "Show a simulated house, live, without hardware.",
    "doctor": "Find problems from the meter to the dashboard.",
    "export": "Write readings as CSV, line protocol or Parquet.",
    "flows": "Show where energy came from and went.",
    "import-config": "Convert the configuration of another program.",
    "journal": "Print the journal, send readings again.",
    "ledger": "Show what was used by day and month, or make the ledger again.",
    "meter": "Tell of a replaced meter, list what was decided about counters.",
    "models": "List the known meters, or the registers of one.",
    "read": "Read one source now and print its values.",
    "reload": "Restart the service with the changed configuration.",
    "restore": "Restore a backup.",
    "run": "Run the service: all sources, all outputs, until SIGTERM.",
    "scan": "Find devices and print the configuration to paste.",
    "secret": "Store, list and show passwords and tokens.",
    "setup": "Prepare the servers of the outputs.",
    "status": "Show the state of the running service.",
}
EXIT_CONFIG = 78  # sysexits(3): EX_CONFIG
EXIT_JOURNAL = 74  # EX_IOERR


class Commands(click.Group):
    """Turns the errors that we raise on purpose into a sentence and an exit status.

    The command NAME is the function NAME of the module ``collector.cli.NAME``.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click hands it over
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"collector.cli.{name}"), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from collector.scalars import did_you_mean  # noqa: PLC0415  only then needed

        name = args[0]
        if name not in COMMANDS and name[:1].isalnum():
            near = did_you_mean(name, COMMANDS) or "; 'energy-monitor --help' lists them"
            ctx.fail(f"there is no command {name!r}{near}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigFault as error:
            for fault in error.faults:
                click.echo(shown(fault), err=True)
            click.secho(f"{counted(len(error.faults), 'fault')} found", fg="red", err=True)
            sys.exit(EXIT_CONFIG)
        except EnergyMonitorError as error:
            click.secho(shown(error), fg="red", err=True)
            sys.exit(EXIT_JOURNAL if isinstance(error, JournalFault) else 1)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in {"backup", "collector"}:
                raise
            need = f"this needs the package {package!r}, which is not installed"
            click.secho(f"{need}: in a clone, 'make packages' installs it", fg="red", err=True)
            sys.exit(1)
        except BrokenPipeError:  # click ends quietly where nobody reads on
            raise
        except OSError as error:
            click.secho(shown(sentence(error)), fg="red", err=True)
            sys.exit(1)


def shown(message: object) -> str:
    """Return a message with commands to paste, no secret of a server and no control characters."""
    from collector.safe_text import escape, hide  # noqa: PLC0415  only where something is wrong

    return escape(hide(pasteable(str(message))), keep="\n")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="energy-monitor")
def main() -> None:
    """Read every meter of a house, keep every reading, deliver each one.

    \b
    First steps:
      energy-monitor demo                 a simulated house, live, without any hardware
      energy-monitor scan                 find the meters on your serial ports
      energy-monitor check                look for mistakes in the configuration
      energy-monitor reload               run with the configuration as it is now
      energy-monitor status --watch       what every device measures now
      energy-monitor doctor               what is wrong, and the command that mends it

    The configuration is /etc/energy-monitor/config.yaml; config.example.yaml shows every option.
    """
