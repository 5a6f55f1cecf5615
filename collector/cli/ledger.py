"""The commands ``energy-monitor ledger …``: what was used, and how the ledger is made again."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import click

from collector.cli.arguments import Time, config_option, json_option
from collector.cli.meter import opened
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.config import Config
    from collector.ledger.database import Database, Gap, Series
    from collector.ledger.sums import Used

DAYS_SHOWN = {"day": 7, "month": 365}
TAKEN_WITHIN_S = 20.0  # the keeper looks every 5 s
ALL_MS = 1 << 60


@click.group()
def ledger() -> None:
    """Show what was used by day and month, or make the ledger again."""


@ledger.command()
@click.option(
    "--by",
    type=click.Choice(["day", "month"]),
    default="day",
    show_default=True,
    help="The periods, by the clock of the house.",
)
@click.option("--device", help="Only this device.")
@click.option("--since", type=Time(), help="From this time on.  [default: 7 days, 12 months]")
@json_option
@config_option
def show(
    by: Literal["day", "month"], device: str | None, since: int | None, as_json: bool, file: Path
) -> None:
    """Print what every counter added in each day or month, in kWh.

    What was used in a gap belongs to a period that holds all of the gap; other gaps are listed
    below.

    \b
    Example:
      energy-monitor ledger show --by month --device mains
    """
    from collector import config  # noqa: PLC0415
    from collector.clock import utc  # noqa: PLC0415

    loaded = config.load(file)
    zone = ZoneInfo(loaded.main.timezone)
    now = datetime.now(zone)
    until_ms = round(now.timestamp() * 1000)
    if since is None:
        since = round((now - timedelta(days=DAYS_SHOWN[by] - 1)).timestamp() * 1000)
    with opened(loaded) as database:
        rows, gaps = read(database, device, (since, until_ms), by, zone)
    if as_json:
        found = {
            "used": [used_object(*each, zone) for each in rows],
            "gaps": [
                {
                    "device": series.device,
                    "quantity": series.quantity,
                    "from": utc(gap.from_ms),
                    "to": utc(gap.to_ms),
                    "wh": gap.micro / 1_000_000,
                }
                for series, gap in gaps
            ],
        }
        click.echo(json.dumps(found, indent=2))
        return
    print_table(rows, gaps, by, zone)


def read(
    database: "Database",
    device: str | None,
    span: tuple[int, int],
    by: Literal["day", "month"],
    zone: ZoneInfo,
) -> tuple[list[tuple["Series", "Used"]], list[tuple["Series", "Gap"]]]:
    """Return what counters added in the periods of a time, and the gaps that no period holds."""
    from collector.ledger import sums  # noqa: PLC0415
    from collector.scalars import did_you_mean  # noqa: PLC0415

    known = [each for each in database.known.values() if each.kind == "counter"]
    if device is not None:
        devices = sorted({each.device for each in known})
        known = [each for each in known if each.device == device]
        if not known:
            near = did_you_mean(device, devices) or f"; known: {', '.join(devices) or 'none'}"
            raise EnergyMonitorError(f"no counter of {device!r} is known{near}")
    rows, gaps = [], []
    for series in sorted(known, key=lambda each: (each.device, each.quantity)):
        found = sums.used(database, series, *span, by, zone)
        rows += [(series, each) for each in found if each.measured_ms or each.micro]
        whole = [(each.period.begin_ms, each.period.end_ms) for each in found]
        if whole:
            gaps += [
                (series, gap)
                for gap in database.gaps(series, whole[0][0], whole[-1][1])
                if not any(begin <= gap.from_ms and gap.to_ms <= end for begin, end in whole)
            ]
    return rows, gaps


def used_object(series: "Series", used: "Used", zone: ZoneInfo) -> dict[str, Any]:
    begin = datetime.fromtimestamp(used.period.begin_ms / 1000, zone)
    return {
        "device": series.device,
        "quantity": series.quantity,
        "begin": begin.isoformat(),
        "wh": used.amount,
        "estimated_wh": used.estimated_micro / 1_000_000,
        "in_gaps_wh": used.gap_micro / 1_000_000,
        "measured": round(used.measured_ms / used.period.length_ms, 6),
    }


def print_table(
    rows: list[tuple["Series", "Used"]],
    gaps: list[tuple["Series", "Gap"]],
    by: str,
    zone: ZoneInfo,
) -> None:
    from collector.text import table  # noqa: PLC0415

    shape = "%Y-%m-%d" if by == "day" else "%Y-%m"

    def kwh(micro: int) -> str:
        return f"{micro / 1e9:.3f}"

    def at(at_ms: int, form: str) -> str:
        return datetime.fromtimestamp(at_ms / 1000, zone).strftime(form)

    if not rows:
        click.echo("nothing was counted in this time")
    else:
        lines = [
            [
                at(used.period.begin_ms, shape),
                series.device,
                series.quantity,
                kwh(used.micro),
                kwh(used.gap_micro) if used.gap_micro else "",
                kwh(used.estimated_micro) if used.estimated_micro else "",
                f"{100 * used.measured_ms / used.period.length_ms:.1f} %",
            ]
            for series, used in rows
        ]
        heads = [by.upper(), "DEVICE", "QUANTITY", "KWH", "IN GAPS", "FROM POWER", "MEASURED"]
        click.echo(table(heads, lines, right=(3, 4, 5, 6)))
    for series, gap in gaps:
        begin, end = (at(each, "%Y-%m-%d %H:%M") for each in (gap.from_ms, gap.to_ms))
        click.echo(
            f"in no {by}: {kwh(gap.micro)} kWh of {series.device} {series.quantity}, used between "
            f"{begin} and {end}"
        )


@ledger.command()
@click.option(
    "--from",
    "origin",
    type=click.Choice(["journal", "influxdb"]),
    required=True,
    help="Where the readings come from.",
)
@click.option("--since", type=Time(), help="Keep what is before this time as it is.")
@click.option("--output", help="The output of the type influxdb, where there are several.")
@config_option
def rebuild(origin: str, since: int | None, output: str | None, file: Path) -> None:
    """Make the ledger again from the readings in the journal or in InfluxDB.

    What they do not reach back to stays as it is. The new ledger is made beside the one in use,
    and takes its place whole; the service may run on.

    \b
    Example:
      energy-monitor ledger rebuild --from journal
    """
    from collector import config  # noqa: PLC0415
    from collector.cli.arguments import log_folder  # noqa: PLC0415
    from collector.cli.journal import owning  # noqa: PLC0415
    from collector.journal.reader import read_all  # noqa: PLC0415
    from collector.ledger import rebuilt  # noqa: PLC0415

    loaded = config.load(file)
    since_ms = max(since or 0, 0)
    if origin == "journal":
        records = read_all(log_folder(file, None))
    else:
        records = ((0, line) for line in influxdb_readings(loaded, output, since_ms))
    with owning(loaded.data_dir):
        loaded.ledger.parent.mkdir(parents=True, exist_ok=True)
        count = rebuilt.remake(loaded.ledger, records, since_ms, is_numbered=origin == "journal")
        put_in_place(loaded)
    click.echo(f"the ledger is made again from {count} readings")


def influxdb_readings(loaded: "Config", name: str | None, since_ms: int) -> Iterator[bytes]:
    """Yield what the ledger keeps of the readings in an InfluxDB. Raise EnergyMonitorError."""
    from collector.contract import Context  # noqa: PLC0415
    from collector.contract.counters import DECISION, ENERGY  # noqa: PLC0415
    from collector.ledger.book import GAUGES, SPANS  # noqa: PLC0415
    from collector.lines.serial import Lines  # noqa: PLC0415
    from collector.outputs.influxdb.history import History  # noqa: PLC0415
    from collector.outputs.influxdb.output import InfluxDB  # noqa: PLC0415

    known = [each for each, options in loaded.outputs.items() if options.type == "influxdb"]
    if name is None and len(known) == 1:
        name = known[0]
    if name not in known:
        raise EnergyMonitorError(
            f"give --output one of {', '.join(known)}" if known else "no output is an influxdb"
        )
    options = loaded.outputs[name]
    if any([*vars(options.select).values(), *vars(options.rename).values()]):
        raise EnergyMonitorError(
            f"{name} has 'select' or 'rename', so its readings are not those of this house"
        )
    wanted = [*sorted(GAUGES), *(f"{span}_*" for span in SPANS)]
    state_dir = loaded.data_dir / "state" / name
    context = Context(loaded.main.site, Lines(), loaded.file.parent, state_dir)
    found = InfluxDB(name, options, context)
    try:
        yield from History(found).readings(
            lambda kind: ["*"] if kind in {ENERGY, DECISION} else wanted, since_ms, now_ms() + 1
        )
    finally:
        found.close()


def now_ms() -> int:
    return round(time.time() * 1000)


def put_in_place(loaded: "Config") -> None:
    """Wait until the service has taken the new ledger; where none runs, do it here."""
    from collector.ledger import rebuilt  # noqa: PLC0415
    from collector.run import control  # noqa: PLC0415

    deadline = time.monotonic() + TAKEN_WITHIN_S
    while rebuilt.is_ready(loaded.ledger):
        try:
            control.status(loaded.socket)
        except control.NotAllowed:
            raise
        except control.NotRunning:
            rebuilt.take(loaded.ledger)
            return
        if time.monotonic() > deadline:
            raise EnergyMonitorError(
                "the new ledger is ready, and the service has not taken it yet: it does so when "
                "it is free, or at its next start"
            )
        time.sleep(0.5)
