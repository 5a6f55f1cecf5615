"""Lets every source that can search have its turn, from the entry points.

First come the sources that only listen, then those that ask, and last those that try many
addresses. A port that one has recognised is not searched by the next. An error of one source is
reported, and the others go on.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from collector.contract import Discovering, Found, Search, registry
from collector.errors import EnergyMonitorError, ReadFault
from collector.lines import adapter
from collector.lines.serial import Framing, Lines, SerialLine
from collector.lines.tcp import place

TURNS = ("listens", "asks", "tries")


def scan(
    line: str,
    progress: Callable[[str, float | None], None],
    skipped: Callable[[str], None],
    *,
    thorough: bool = False,
    device_dirs: Sequence[Path] = (),
) -> Iterator[Found]:
    """Yield what is found at *line*, or everywhere where that is ''.

    What is done goes to *progress*, and what is left out to *skipped*. Raise EnergyMonitorError
    where *line* can be none.
    """
    every = searching(skipped)
    ports = named_ports(line, every) if line else adapter.ports()
    taken: set[str] = set()
    reasons: list[str] = []
    for name, cls in expected(line, every) if line else every:
        free = [port for port in ports if port not in taken]
        search = Search(line, free, progress, skipped, thorough, device_dirs)
        try:
            for found in cls.discover(search):
                taken.add(found.place)
                yield found
        except (ReadFault, ValueError) as error:
            reasons.append(str(error))
        except Exception as error:  # noqa: BLE001  a bug of this source, not of the others
            skipped(f"{name}: internal error: {type(error).__name__}: {error}")
        if line in taken:
            return
    for reason in dict.fromkeys(reasons):
        skipped(reason)


def searching(skipped: Callable[[str], None]) -> list[tuple[str, Discovering]]:
    """Return the sources that can search, by name, in the order of their turns."""
    found: list[tuple[int, str, Discovering]] = []
    for name in registry.names("sources"):
        try:
            cls = registry.find("sources", name)
            if isinstance(cls, Discovering):
                found.append((TURNS.index(cls.manner.turn), name, cls))
        except Exception as error:  # noqa: BLE001  a package from outside may fail in any way
            skipped(f"the source {name!r} cannot be used: {error}")
    return [(name, cls) for _, name, cls in sorted(found, key=lambda each: each[:2])]


def named_ports(line: str, every: Sequence[tuple[str, Discovering]]) -> list[str]:
    """Return the serial port that *line* is, if it is one. Raise EnergyMonitorError."""
    begins = dict.fromkeys(each for _, cls in every for each in cls.manner.at)
    if not line.startswith(tuple(begins)):
        raise EnergyMonitorError(f"{line!r} is not a line; it begins with {', '.join(begins)}")
    try:
        if line.startswith("tcp:"):
            place(line)
        elif line.startswith(("/", "socket:", "rfc2217:")):
            return [Lines().get(line, Framing(), SerialLine).port]
    except ValueError as error:
        raise EnergyMonitorError(str(error)) from error
    return []


def expected(line: str, every: Sequence[tuple[str, Discovering]]) -> list[tuple[str, Discovering]]:
    """Return the sources that can find something at *line*: where it has a usual port, its own."""
    able = [(name, cls) for name, cls in every if line.startswith(cls.manner.at)]
    number = place(line)[1] if line.startswith("tcp:") else None
    return [(name, cls) for name, cls in able if number in cls.manner.ports] or able


def usual_ports() -> str:
    """Return the network ports at which sources expect something, with their names."""
    every = searching(lambda _: None)
    named = [
        f"{', '.join(map(str, cls.manner.ports))} ({name})"
        for name, cls in every
        if cls.manner.ports
    ]
    return ", ".join(named)
