"""``energy-monitor flows``: where the energy of the house came from and where it went."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import click

from collector.cli.arguments import Time, config_option, json_option
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.derive.flows.energy import Summed

DAYS, MONTHS = 7, 12
FORM = {"day": "%a %d %b %Y", "month": "%b %Y"}


@click.command()
@click.option(
    "--by", type=click.Choice(["day", "month"]), default="day", show_default=True, help="Sum up by."
)
@click.option(
    "--since",
    type=Time(),
    default=None,
    help="From the day or month that holds this time on. Default: 7 days or 12 months back.",
)
@json_option
@config_option
def flows(by: Literal["day", "month"], since: int | None, as_json: bool, file: Path) -> None:
    """Show where the energy of the house came from and where it went.

    Sums are of quarter hours: what is exported at noon does not light the evening. SELF-USE is the
    part of the solar energy that was not exported, AUTARKY the part of the house's energy that was
    not imported, KNOWN the part of the time in which every meter was read.

    \b
    Examples:
      energy-monitor flows
      energy-monitor flows --by month --since 2026-01-01
      energy-monitor flows --json
    """
    sums, zone = summed_up(file, by, since)
    click.echo(
        json.dumps([entry(each, zone) for each in sums]) if as_json else text(sums, by, zone)
    )


def summed_up(
    file: Path, by: Literal["day", "month"], since: int | None
) -> tuple[list["Summed"], ZoneInfo]:
    """Return the sums of the ledger. Raise EnergyMonitorError, OSError."""
    from collector.config import load  # noqa: PLC0415  only then needed
    from collector.contract.roles import plan, roles_of  # noqa: PLC0415
    from collector.derive.flows import energy  # noqa: PLC0415
    from collector.ledger import database, sums  # noqa: PLC0415

    config = load(file)
    wanted = plan(roles_of(config.sources))
    if not wanted.is_balanced:
        raise EnergyMonitorError(
            "no source is grid, solar, battery or house: give one a 'role' (docs/flows.md)"
        )
    zone = ZoneInfo(config.main.timezone)
    now_ms = round(time.time() * 1000)
    back = (DAYS if by == "day" else MONTHS * 31) - 1
    begin_ms = now_ms - back * 86_400_000 if since is None else since
    periods = list(sums.periods(begin_ms, now_ms, by, zone))
    if not periods:
        return [], zone
    try:
        ledger = database.open_to_read(config.ledger)
    except database.LedgerDamaged as error:
        raise EnergyMonitorError(str(error)) from error
    try:
        found = energy.read(ledger, wanted, periods[0].begin_ms, now_ms)
    except database.LedgerDamaged as error:
        raise EnergyMonitorError(str(error)) from error
    finally:
        ledger.close()
    made = energy.summed(found, wanted, periods, energy.newest_ms(found))
    return [each for each in made if each.known or each.gaps], zone


def text(sums: Sequence["Summed"], by: str, zone: ZoneInfo) -> str:
    """Set out the sums in 80 columns, with a second table of the parts."""
    from collector.text import table  # noqa: PLC0415

    if not sums:
        return "nothing is in the ledger yet: it is written after each quarter of an hour"
    heads = ["", "HOUSE", "IMPORT", "EXPORT", "SOLAR", "BATTERY", "SELF-USE", "AUTARKY", "KNOWN"]
    rows = [
        [
            named(each, by, zone),
            kwh(each.flow.house),
            kwh(each.flow.imported),
            kwh(each.flow.exported),
            kwh(each.flow.solar),
            kwh(each.flow.from_battery),
            percent(each.flow.self_use),
            percent(each.flow.autarky),
            percent(each.known / (each.known + each.missing)),
        ]
        for each in sums
    ]
    lines = ["kWh", table(heads, rows, right=range(1, 9)), "", *parts(sums)]
    gaps = sum(sum(each.gaps.values()) for each in sums)
    if gaps:
        lines.append(f"in gaps, and in none of these sums: the meters counted {kwh(gaps)} kWh")
    clamped = sum(each.flow.clamped + each.flow.exceeded for each in sums)
    if clamped:
        lines.append(f"meters out of step: {kwh(clamped)} kWh were left out of the balance")
    return "\n".join(lines).rstrip()


def parts(sums: Sequence["Summed"]) -> list[str]:
    """Return what each part of the house drew in all."""
    from collector.text import table  # noqa: PLC0415

    names = list(dict.fromkeys(name for each in sums for name in each.flow.parts))
    if not names:
        return []
    house = sum(each.flow.house for each in sums)
    drawn = {name: sum(each.flow.parts.get(name, 0) for each in sums) for name in names}
    drawn["rest"] = sum(each.flow.rest for each in sums)
    rows = [
        [name[:40], kwh(micro), percent(micro / house if house else None)]
        for name, micro in drawn.items()
    ]
    return [table(["PART OF THE HOUSE", "kWh", "SHARE"], rows, right=(1, 2)), ""]


def named(each: "Summed", by: str, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(each.period.begin_ms / 1000, zone).strftime(FORM[by])


def kwh(micro: int) -> str:
    return f"{micro / 1e9:.1f}"


def percent(part: float | None) -> str:
    return "-" if part is None else f"{100 * part:.0f} %"


def entry(each: "Summed", zone: ZoneInfo) -> dict[str, Any]:
    """Return a sum for programs: energies in Wh, shares from 0 to 1."""
    from collector.derive.flows.balance import NUMBERS  # noqa: PLC0415

    begin, end = (
        datetime.fromtimestamp(at / 1000, zone).isoformat()
        for at in (each.period.begin_ms, each.period.end_ms)
    )
    flow = each.flow
    return {
        "begin": begin,
        "end": end,
        **{name: getattr(flow, name) / 1e6 for name in NUMBERS},
        "self_use": flow.self_use,
        "autarky": flow.autarky,
        "parts": {name: micro / 1e6 for name, micro in flow.parts.items()},
        "quarters_known": each.known,
        "quarters_missing": each.missing,
        "quarters_without_part": each.missing_parts,
        "gaps": {name: micro / 1e6 for name, micro in each.gaps.items()},
    }
