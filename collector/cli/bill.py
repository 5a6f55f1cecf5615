"""``energy-monitor bill``: what energy cost, line by line."""

import re
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from collector.cli.arguments import config_option, json_option
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.config import Config
    from collector.derive.cost.bill import Bill
    from collector.derive.cost.tariffs import Tariffs
    from collector.ledger.database import Database


class Span(click.ParamType[date]):
    """A month, a day or a year as people write it."""

    def __init__(self, name: str, form: str, example: str) -> None:
        self.name, self.form, self.example = name, form, example

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(
                f"{value}-01-01"[:10] if re.fullmatch(self.form, value) else ""
            )
        except ValueError:
            self.fail(f"{value!r} is not a {self.name}; write {self.example}", param, ctx)


@click.command()
@click.option(
    "--month",
    type=Span("month", r"[0-9]{4}-[0-9]{2}", "2026-10"),
    help="The billing month that begins in this month (default: the present one).",
)
@click.option("--day", type=Span("day", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "2026-10-31"), help="A day.")
@click.option("--year", type=Span("year", r"[0-9]{4}", "2026"), help="A year, month by month.")
@click.option(
    "--with",
    "other",
    type=click.Path(path_type=Path),
    help="Another file of contracts, billed for the same past.",
)
@click.option("--meter", help="Only this meter.")
@json_option
@config_option
def bill(
    month: date | None,
    day: date | None,
    year: date | None,
    other: Path | None,
    meter: str | None,
    file: Path,
    *,
    as_json: bool,
) -> None:
    """Print what energy cost, by the contracts in tariffs.yaml and the collector's ledger.

    Energy of gaps in the measurement is shared over the gap by time. docs/tariffs.md says how
    contracts are written.

    \b
    Examples:
      energy-monitor bill --month 2026-10
      energy-monitor bill --year 2026 --meter mains --json
      energy-monitor bill --month 2026-10 --with other.yaml
    """
    from collector import config  # noqa: PLC0415
    from collector.cli.bill_text import as_text, compared, to_json  # noqa: PLC0415
    from collector.derive.cost import check  # noqa: PLC0415
    from collector.ledger.database import open_to_read  # noqa: PLC0415

    if sum(each is not None for each in (month, day, year)) > 1:
        raise click.UsageError("--month, --day and --year exclude each other")
    loaded = config.load(file)
    if not loaded.tariffs.exists():
        raise EnergyMonitorError(
            f"{loaded.tariffs} is not there: it holds your contracts; docs/tariffs.md has examples"
        )
    with closing(open_to_read(loaded.ledger)) as database:
        bills = bills_of(loaded, check.load(loaded.tariffs), database, (month, day, year), meter)
        others = (
            bills_of(loaded, check.load(other), database, (month, day, year), meter)
            if other
            else []
        )
    if as_json:
        click.echo(to_json(bills, others))
        return
    click.echo("\n\n".join(map(as_text, bills)))
    if other:
        click.echo(f"\nWith {other.name}:\n")
        click.echo("\n\n".join(map(as_text, others)))
        click.echo(f"\n{compared(bills, others, other.name)}")


def bills_of(
    loaded: "Config",
    contracts: "Tariffs",
    database: "Database",
    span: tuple[date | None, date | None, date | None],
    meter: str | None,
) -> "list[Bill]":
    """Return the bill of each meter. Raise EnergyMonitorError."""
    from collector.contract.roles import roles_of  # noqa: PLC0415
    from collector.derive.cost.bill import House  # noqa: PLC0415
    from collector.derive.cost.flows import FromLedger  # noqa: PLC0415
    from collector.derive.cost.holidays import Holidays, about  # noqa: PLC0415

    zone = ZoneInfo(loaded.main.timezone)
    today = datetime.now(UTC).astimezone(zone).date()
    month, day, year = span
    asked = month or day or year or today
    holidays = about(Holidays(loaded.house_files.holidays), asked.year)
    found = []
    for name in meters_of(contracts, database, meter, roles_of(loaded.sources)):
        house = House(name, contracts.of(name), FromLedger(database, name), zone, holidays)
        if day:
            found.append(house.day(day, today))
        elif year:
            found.append(house.year(year.year, today))
        else:
            found.append(house.month(asked.year, asked.month, today))
    return found


def meters_of(
    contracts: "Tariffs", database: "Database", wanted: str | None, roles: Mapping[str, str]
) -> list[str]:
    """Return the meters to bill. Raise EnergyMonitorError where that is not clear."""
    from collector.derive.cost.flows import billed, meters  # noqa: PLC0415
    from collector.scalars import did_you_mean  # noqa: PLC0415

    known = meters(database)
    for each in [wanted] if wanted else contracts.meters():
        if each not in known:
            near = did_you_mean(each, known) or f"; it has {', '.join(known) or 'none'}"
            raise EnergyMonitorError(f"the ledger has no meter {each!r}{near}")
    if wanted:
        return [wanted]
    if named := contracts.meters():
        return named
    if not known:
        raise EnergyMonitorError("the ledger has no meter yet")
    found = billed(known, roles)
    if len(found) != 1:
        raise EnergyMonitorError(
            f"which meter is billed? The ledger has {', '.join(known)}; name one with --meter, or "
            f"'meter:' in {contracts.file.name}"
        )
    return found
