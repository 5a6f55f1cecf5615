"""``energy-monitor export``: readings of any range as CSV, line protocol or Parquet."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.arguments import (
    Duration,
    Time,
    config_option,
    data_dir_option,
    json_option,
    log_folder,
)
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.cli.export_files import Written
    from collector.cli.export_lines import Origin, Selected
    from collector.outputs.file.forms import Format

DAY_S = 86_400
TOLD_EVERY = 5_000  # readings
TOLD_EVERY_S = 0.5


@click.command()
@click.option("--since", type=Time(), default=None, help="Only readings from this time on.")
@click.option("--until", type=Time(), default=None, help="Only readings before this time.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "lp", "parquet"]),
    default="csv",
    show_default=True,
    help="csv: one line per value; lp: InfluxDB line protocol with milliseconds; parquet: a folder "
    "of files, one per kind and day.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="Only this device; 'light*' names several. Repeatable.",
)
@click.option(
    "--quantity", "quantities", multiple=True, help="Only this quantity; '*' as above. Repeatable."
)
@click.option(
    "--resample",
    type=Duration(),
    default=None,
    help="One reading per device and interval, such as 1m, 15m or 1h: the mean, and the last of a "
    "counter or state. Intervals begin at full multiples in UTC.",
)
@click.option(
    "--from",
    "origin",
    default="journal",
    show_default=True,
    help="'journal', 'influxdb', or the name of an output to InfluxDB.",
)
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=str),
    default=None,
    help="A file ('.gz' compresses it), or with '/' at its end a folder: then a file per kind and "
    "day. Default: standard output.",
)
@json_option
@data_dir_option
@config_option
def export(
    since: int | None,
    until: int | None,
    form: "Format",
    devices: tuple[str, ...],
    quantities: tuple[str, ...],
    resample: float | None,
    origin: str,
    out: str | None,
    as_json: bool,
    data_dir: Path | None,
    file: Path,
) -> None:
    """Write the readings of a range of time, also while the service runs.

    A file or a day's file is written whole or not at all. In a folder, readings are added to those
    of the same day that are there; none is there twice. Where something asked for could not be
    had, that is said and the exit status is 1.

    \b
    Examples:
      energy-monitor export --since 2026-01-31 > day.csv
      energy-monitor export --format parquet --since 2026-01-01 -o /srv/energy/
      energy-monitor export --resample 15m --device mains --quantity 'active_*' -o mains.csv
      energy-monitor export --from influxdb --since 2025-01-01 --until 2026-01-01 -o 2025.csv.gz
      energy-monitor export --data-dir demo-data --format lp
    """
    is_folder = form == "parquet" or (out is not None and out.endswith("/"))
    out = None if out == "-" else out
    if is_folder and out is None:
        raise click.UsageError("parquet is written into a folder: name one with '-o FOLDER'")
    if as_json and out is None:
        raise click.UsageError("--json needs '-o', for standard output has the readings otherwise")
    every_ms = interval_ms(resample)
    site, readings = chosen(origin, data_dir, file, (since, until), devices, quantities)
    progress = Progress(shown=out is not None and not as_json and sys.stderr.isatty())
    try:
        made = write(readings, progress, out, form, site, every_ms, is_folder=is_folder)
    except OSError as error:
        if error.filename is None and out is not None:
            raise OSError(error.errno, error.strerror, out) from error
        raise
    finally:
        progress.end()
    finish(readings, made, form, as_json=as_json)


def interval_ms(seconds: float | None) -> int:
    """Return the interval in ms, 1 for none. Raise BadParameter."""
    if seconds is None:
        return 1
    if seconds < 60 or seconds % 60 or DAY_S % seconds:  # noqa: PLR2004  a minute
        raise click.BadParameter(
            "expected full minutes that divide a day: 1m, 5m, 15m, 1h, 1d", param_hint="--resample"
        )
    return round(seconds * 1000)


def chosen(
    origin: str,
    data_dir: Path | None,
    file: Path,
    span: tuple[int | None, int | None],
    devices: tuple[str, ...],
    quantities: tuple[str, ...],
) -> "tuple[str, Selected]":
    """Return the name of the site, and the readings that are asked for."""
    from collector import config  # noqa: PLC0415
    from collector.cli.export_lines import (  # noqa: PLC0415
        JOURNAL,
        FromJournal,
        Selected,
        from_database,
    )
    from collector.contract import BadOption  # noqa: PLC0415
    from collector.contract.house import MainOptions  # noqa: PLC0415

    since, until = span
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until: nothing is between them")
    found: Origin
    if origin == JOURNAL and data_dir is not None:
        site = MainOptions().site
        found = FromJournal(log_folder(file, data_dir), since, until)
    else:
        loaded = config.load(file)
        site = loaded.main.site
        if origin == JOURNAL:
            found = FromJournal(log_folder(file, loaded.data_dir), since, until)
        else:
            found = from_database(loaded, origin, since, until)
    try:
        return site, Selected(found, devices, quantities)
    except BadOption as error:
        option = {"select.devices": "--device", "select.quantities": "--quantity"}[error.option]
        raise click.BadParameter(str(error), param_hint=option) from error


class NothingFound(EnergyMonitorError):
    """No reading is in the range."""


def write(
    readings: "Selected",
    progress: "Progress",
    out: str | None,
    form: "Format",
    site: str,
    every_ms: int,
    *,
    is_folder: bool,
) -> "list[Written]":
    """Write *readings*; return the files that were made. Raise NothingFound, OSError."""
    from collector.cli.export_files import (  # noqa: PLC0415
        Written,
        resampled,
        spool,
        target,
        write_folder,
        write_stream,
    )

    lines: Iterable[bytes] = progress.over(readings)
    if is_folder:
        assert out is not None
        made = write_folder(Path(out), site, form, lines, every_ms, progress.told)
        if not readings.count:
            raise NothingFound(nothing(readings))
        return made
    file = Path(out) if out else None
    with ExitStack() as stack:
        opened = stack.enter_context(target(file))
        if every_ms > 1:
            lines = resampled(stack.enter_context(spool(None)), lines, every_ms)
        write_stream(opened, lines, form)
        if not readings.count:
            opened.flush()
            raise NothingFound(nothing(readings))
    return [Written(file, file.stat().st_size)] if file else []


def nothing(readings: "Selected") -> str:
    return "\n".join(["there are no readings of this choice in this range", *readings.lacks()])


def finish(readings: "Selected", made: "list[Written]", form: str, *, as_json: bool) -> None:
    """Say what was made and what could not be had; exit with 1 where that is anything."""
    from collector.text import amount, counted  # noqa: PLC0415

    lacks = readings.lacks()
    size = sum(each.size for each in made)
    if as_json:
        names = [str(each.path) for each in made]
        summary = {"format": form, "readings": readings.count, "bytes": size, "files": names}
        click.echo(json.dumps({**summary, "lacks": lacks}))
    elif made:
        where = made[0].path if len(made) == 1 else counted(len(made), "file")
        click.echo(f"{counted(readings.count, 'reading')} in {where}, {amount(size)}", err=True)
    for each in lacks:
        click.secho(each, fg="red", err=True)
    if lacks:
        sys.exit(1)


class Progress:
    """A line on the terminal that says how far it is; nothing unless *shown*."""

    def __init__(self, *, shown: bool) -> None:
        self.shown = shown
        self.width = 0
        self.again_s = 0.0

    def over(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        if not self.shown:
            yield from lines
            return
        from collector.clock import utc  # noqa: PLC0415
        from collector.reading import time_ms  # noqa: PLC0415

        for number, line in enumerate(lines):
            if number % TOLD_EVERY == 0:
                self.told(f"read up to {utc(time_ms(line))[:16]}, {number:,} readings")
            yield line

    def told(self, text: str) -> None:
        """Show *text*, not more often than somebody can read it."""
        if self.shown and time.monotonic() >= self.again_s:
            self.again_s = time.monotonic() + TOLD_EVERY_S
            click.echo("\r" + text.ljust(self.width), nl=False, err=True)
            self.width = len(text)

    def end(self) -> None:
        """Wipe the line away."""
        if self.width:
            click.echo("\r" + " " * self.width + "\r", nl=False, err=True)
            self.width = 0
