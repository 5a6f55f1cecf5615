"""Text as people read it: tables, durations, amounts and values with their units."""

import unicodedata
from collections.abc import Iterable, Sequence

import click

DURATIONS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Set out *rows* in columns; the columns numbered in *right* are flush right."""
    every = [list(heads), *[list(row) for row in rows]]
    widths = [max(width(row[column]) for row in every) for column in range(len(heads))]
    lines = []
    for number, row in enumerate(every):
        cells = [
            " " * (widths[column] - width(cell)) + cell
            if column in right
            else cell + " " * (widths[column] - width(cell))
            for column, cell in enumerate(row)
        ]
        line = "  ".join(cells).rstrip()
        lines.append(click.style(line, bold=True) if number == 0 else line)
    return "\n".join(lines)


def labelled_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()
) -> str:
    """Set out *rows*, whose last column is a label, which is left out where no row has one.

    At the end of a line no script, however wide and whatever its direction, moves other columns.
    """
    every = [list(row) for row in rows]
    if any(row[-1] for row in every):
        return table([*heads, "LABEL"], every, right)
    return table(heads, [row[:-1] for row in every], right)


def width(text: str) -> int:
    """Return how many columns *text* takes on a terminal."""
    plain = click.unstyle(text)
    return sum(
        2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in plain
        if unicodedata.category(each) not in {"Mn", "Me", "Cf"}  # drawn over the one before
    )


def plain(text: str, most: int = 200) -> str:
    """Return *text* as one line that is safe on a terminal: what cannot be printed becomes '?'."""
    return "".join(each if each.isprintable() else "?" for each in text[:most])


def duration(seconds: float | None) -> str:
    """Write a duration as people say it: 0.4 s, 12 s, 3 min, 5 h, 2 d."""
    if seconds is None:
        return "never"
    if abs(seconds) < 10:  # noqa: PLR2004  a tenth matters below
        return f"{seconds:.1f} s"
    size, unit = next((size, unit) for size, unit in DURATIONS if abs(seconds) >= size)
    return f"{seconds / size:.0f} {unit}"


def counted(number: int, noun: str) -> str:
    """Write how many there are of what *noun* names: 1 reading, 2,400 readings."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def amount(size: float) -> str:
    """Write an amount of data: 512 B, 4.2 kB, 1.3 MB."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def number(value: float) -> str:
    """Write a value with the digits that matter: 230.1, -412, 0.985, 1234567."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return text if text not in ("-0", "") else "0"


def in_unit(quantity: str, value: float) -> tuple[str, str]:
    """Write a value and its unit; bytes in the unit that people would use."""
    from collector.quantity import catalogue  # noqa: PLC0415  loads a file

    unit = catalogue()[quantity].unit
    if unit == "bytes":
        size, _, unit = amount(value).partition(" ")
        return size, unit
    return number(value), unit
