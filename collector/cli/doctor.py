"""The command ``energy-monitor doctor``."""

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector import __version__
from collector.cli.arguments import config_option, json_option

if TYPE_CHECKING:
    from collector.doctor.finding import Finding

COLOURS = {"ok": "green", "unknown": "bright_black", "advice": "cyan", "warning": "yellow"}
STATUS = {"ok": 0, "unknown": 0, "advice": 0, "warning": 1, "error": 2}
MARGIN = 11  # the width of the longest severity, and space around
WIDEST = 100
# How a count of each severity reads: of one, of several.
COUNTED = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "advice": ("piece of advice", "pieces of advice"),
    "unknown": ("check skipped", "checks skipped"),
}


@click.command()
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a .tar.gz for a bug report, cleared of every secret.",
)
@click.option("--mend", is_flag=True, help="Offer to run those commands that are safe to run.")
@json_option
@config_option
def doctor(bundle: Path | None, mend: bool, as_json: bool, file: Path) -> None:
    """Look at everything from the meter to the dashboard, and say what to do.

    Each finding says what it is, why it matters, and the command that mends it. Nothing is
    changed but by --mend, which asks before each command. No device is asked: what the service
    knows of them is. As root it sees more.

    Exit status: 0 when all is well or there is only advice, 1 with a warning, 2 with an error.

    \b
    Examples:
      sudo energy-monitor doctor
      sudo energy-monitor doctor --mend
      sudo energy-monitor doctor --json | jq '.findings[] | select(.severity == "error")'
      sudo energy-monitor doctor --bundle report.tar.gz
    """
    from collector.doctor import case, examine  # noqa: PLC0415  only this command needs them
    from collector.doctor.mend import fitted  # noqa: PLC0415

    opened = case.open_case(file.absolute())
    found: dict[str, list[Finding]] = {}
    if not as_json:
        click.secho(f"Energy Monitor {__version__}\n", bold=True)
    for area, seen in examine.examine(opened, examine.AREAS):
        found[area] = findings = fitted(opened, seen)
        if findings and not as_json:
            click.echo(section(area, findings, columns()))
    if as_json:
        click.echo(to_json(found))
    else:
        click.echo(summary(found))
    if bundle:
        from collector.doctor import bundle as bundles  # noqa: PLC0415

        plain = [section(area, each, WIDEST) for area, each in found.items()]
        texts = {
            "doctor.txt": click.unstyle("\n".join([*plain, summary(found)])) + "\n",
            "doctor.json": to_json(found) + "\n",
        }
        size = bundles.write(opened, bundle, texts)
        click.echo(
            f"\nwritten: {bundle} ({size / 1000:.0f} kB), without secrets and readings; it names "
            f"your adapters.\nLook through it before you send it: tar -xOzf {bundle} | less",
            err=as_json,
        )
    if mend:
        offer(each for findings in found.values() for each in findings)
    sys.exit(STATUS[examine.worst(each for findings in found.values() for each in findings)])


def offer(findings: Iterable["Finding"]) -> None:
    """Ask for each safe command whether to run it, and run it."""
    from collector.doctor import mend  # noqa: PLC0415

    offered = list(mend.safe(findings))
    if not offered:
        click.echo("\nno command here is safe to run without you: paste those that you want")
    for each in offered:
        click.echo(f"\n{each.what}")
        if click.confirm(f"run '{each.mend}'?") and (status := mend.run(each.mend)):
            click.secho(f"it ended with status {status}", fg="red")


def columns() -> int:
    import shutil  # noqa: PLC0415

    return min(shutil.get_terminal_size().columns, WIDEST)


def section(area: str, findings: Iterable["Finding"], width: int) -> str:
    """Set out the findings of one area."""
    lines = [click.style(area.upper(), bold=True)]
    for each in findings:
        lines += finding(each, width)
    return "\n".join(lines) + "\n"


def finding(each: "Finding", width: int) -> Iterator[str]:
    """Yield the lines of one finding. Commands are never broken: they are there to be copied."""
    mark = click.style(f"  {each.severity:<8}", fg=COLOURS.get(each.severity, "red"))
    first, *rest = wrapped(each.what, width)
    yield f"{mark} {first}"
    yield from (" " * MARGIN + line for line in rest)
    for line in wrapped(each.why, width) if each.why else []:
        yield " " * MARGIN + click.style(line, dim=True)
    if each.mend:
        yield " " * MARGIN + click.style(f"→ {each.mend}", bold=True)


def wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, max(width - MARGIN, 30), break_long_words=False, break_on_hyphens=False
    )


def summary(found: dict[str, list["Finding"]]) -> str:
    """Count what was found, the gravest first."""
    counts: Counter[str] = Counter(
        each.severity for findings in found.values() for each in findings
    )
    parts = [
        f"{counts[severity]} {names[counts[severity] > 1]}"
        for severity, names in COUNTED.items()
        if counts[severity]
    ]
    if not counts["error"] and not counts["warning"]:
        parts.insert(0, "no problems found")
    colour = "red" if counts["error"] else "yellow" if counts["warning"] else "green"
    return click.style(", ".join(parts), fg=colour, bold=True)


def to_json(found: dict[str, list["Finding"]]) -> str:
    """Return the findings as programs read them."""
    from dataclasses import asdict  # noqa: PLC0415

    from collector.doctor.examine import worst  # noqa: PLC0415

    findings = [{"area": area, **asdict(each)} for area, many in found.items() for each in many]
    severity = worst(each for many in found.values() for each in many)
    told = {"version": __version__, "severity": severity, "findings": findings}
    return json.dumps(told, indent=2, ensure_ascii=False)
