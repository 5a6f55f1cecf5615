"""Arguments that several commands take, and how a person writes a time."""

from datetime import datetime
from pathlib import Path

import click

from collector.errors import EnergyMonitorError

CONFIG, TYPED = "collector.config", "collector.typed"  # in the context of a command


def keep_config(ctx: click.Context, _: click.Parameter, value: Path) -> Path:
    ctx.meta[CONFIG] = value
    return value


config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    default="/etc/energy-monitor/config.yaml",
    show_default=True,
    envvar="ENERGY_MONITOR_CONFIG",
    help="The configuration file.",
    callback=keep_config,
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The data folder, where there is no configuration.",
)


class Time(click.ParamType[int]):
    """A date or time as people write it, in the machine's time zone unless it names another."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return round(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time; write 2026-01-31, 2026-01-31T18:00 or "
                "2026-01-31T17:00:00Z",
                param,
                ctx,
            )


class Duration(click.ParamType[float]):
    """A duration with its unit: 20s, 5m, 1h."""

    name = "duration"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from collector.scalars import NotAccepted, seconds_of  # noqa: PLC0415  only then needed

        try:
            return seconds_of(value)
        except NotAccepted as error:
            self.fail(str(error), param, ctx)


def pasteable(text: str) -> str:
    """Return *text* with each command of ours in it as it is typed here, with its --config."""
    from collector.config import DEFAULT_FILE  # noqa: PLC0415  only where something is printed
    from collector.doctor import command  # noqa: PLC0415

    ctx = click.get_current_context(silent=True)
    meta = ctx.meta if ctx else {}
    return command.pasteable(text, meta.get(CONFIG, DEFAULT_FILE), meta.get(TYPED, ()))


def own_maps(file: Path) -> list[Path]:
    """Return the folder of the owner's device maps, if there is one that we may read."""
    folder = file.parent / "devices"
    try:
        next(folder.iterdir(), None)
    except FileNotFoundError:
        return []
    except OSError as error:
        click.secho(
            pasteable(f"{sentence(error)}; your own device maps are left out"),
            fg="yellow",
            err=True,
        )
        return []
    return [folder]


def log_folder(file: Path, data_dir: Path | None) -> Path:
    """Return the folder of the log, from the configuration or beside it."""
    if data_dir is None:
        from collector import config  # noqa: PLC0415

        data_dir = config.load(file).data_dir
    folder = data_dir / "journal" / "log"
    if not folder.is_dir():
        msg = f"there is no journal in {data_dir}: no {folder}"
        raise EnergyMonitorError(msg)
    return folder


def sentence(error: OSError) -> str:
    """Say which file cannot be used, and why."""
    reason = error.strerror or str(error)
    hint = ": try 'sudo energy-monitor …'" if isinstance(error, PermissionError) else ""
    return f"{error.filename}: {reason}{hint}" if error.filename else f"{reason}{hint}"
