"""Public holidays, asked of the package ``holidays`` in a short process of its own.

Imported here it would take 11 MB and over a second. What it says is kept in a small file, so each
country and year is asked for once.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from collector import files
from collector.contract import extras
from collector.derive.cost.tariffs import ContractOptions
from collector.errors import EnergyMonitorError, PackageMissing
from collector.scalars import did_you_mean

EXTRA = "holidays"
ANSWER_S = 60
LARGEST_FILE = 1_000_000
PROGRAM = """
import json, sys
import holidays
country, part, *years = sys.argv[1:]
known = holidays.list_supported_countries()
if country not in known:
    answer = {"known": sorted(known)}
elif part and part not in known[country]:
    answer = {"known": [f"{country}-{each}" for each in known[country]]}
else:
    found = holidays.country_holidays(country, subdiv=part or None, years=[*map(int, years)])
    answer = {"dates": sorted(each.isoformat() for each in found)}
print(json.dumps(answer))
"""
Known = dict[str, dict[str, list[str]]]  # code: year: dates


class NotACode(EnergyMonitorError):
    """The package knows no such country or part of one."""


class Holidays:
    """Holidays by code and year; what is found out is kept in *file*."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known = load(file)

    def of(self, code: str, years: Iterable[int]) -> frozenset[date]:
        """Return the holidays of some years. Raise NotACode, PackageMissing, EnergyMonitorError."""
        by_year = self.known.setdefault(code, {})
        wanted = [str(each) for each in years]
        if missing := [each for each in wanted if each not in by_year]:
            found = ask(code, missing)
            for year in missing:
                by_year[year] = [each for each in found if each.startswith(f"{year}-")]
            with suppress(OSError):  # it is asked again
                files.replace(self.file, json.dumps(self.known).encode(), durable=False, give=True)
        return frozenset(date.fromisoformat(day) for each in wanted for day in by_year[each])


def about(known: Holidays, year: int) -> Callable[[ContractOptions], frozenset[date]]:
    """Return what says the holidays of a contract, in the years around one."""

    def holidays(contract: ContractOptions) -> frozenset[date]:
        found = contract.holidays
        return known.of(found.code, range(year - 2, year + 2)) if found.code else found.dates

    return holidays


def ask(code: str, years: list[str]) -> list[str]:
    """Ask the package for the holidays of *years*. Raise NotACode, PackageMissing."""
    if not extras.is_installed(EXTRA):
        raise PackageMissing(f"{code!r} {extras.how(EXTRA)}; or list the dates yourself")
    country, _, part = code.partition("-")
    program = [sys.executable, "-I", "-c", PROGRAM, country, part, *years]
    try:
        done = subprocess.run(program, capture_output=True, timeout=ANSWER_S, check=True)  # noqa: S603  ours
        answer = json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        raise EnergyMonitorError(f"the package 'holidays' does not answer: {error}") from error
    if "dates" not in answer:
        near = did_you_mean(code, answer["known"]) or f"; known: {', '.join(answer['known'])}"
        raise NotACode(f"{code!r} is not a country or part of one with known holidays{near}")
    return [str(each) for each in answer["dates"]]


def load(file: Path) -> Known:
    """Return what is kept in *file*; nothing where it is not there, or not ours."""
    try:
        with files.open_file(file) as opened:
            found: Any = json.loads(opened.read(LARGEST_FILE))
        return {
            str(code): {
                str(int(year)): [date.fromisoformat(each).isoformat() for each in days]
                for year, days in by_year.items()
            }
            for code, by_year in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
