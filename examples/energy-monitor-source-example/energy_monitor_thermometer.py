"""A temperature that the Linux kernel keeps in a file, in thousandths of a degree Celsius.

So it does for thermometers on the 1-wire bus (``/sys/bus/w1/devices/28-…/temperature``, driver
w1_therm) and for many sensors of the machine itself (``/sys/class/hwmon/hwmon*/temp*_input``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from collector.contract import Context, SourceOptions
from collector.errors import FrameDamaged, LineAway
from collector.options import option
from collector.reading import Reading

QUANTITY = "temperature"
POWERED_ON = 85_000  # what a DS18B20 says before it has measured (data sheet, table 1)


@dataclass(frozen=True, kw_only=True)
class ThermometerOptions(SourceOptions):
    """A thermometer that the kernel reads."""

    file: str = option(
        "the file with its temperature", example="/sys/bus/w1/devices/28-0316a2798bff/temperature"
    )


class Thermometer:
    """Reads one thermometer."""

    Options: ClassVar[type] = ThermometerOptions
    quantities = (QUANTITY,)
    patience_s = 2.0  # a DS18B20 takes 0.75 s to measure, and the kernel tries again

    def __init__(self, name: str, options: ThermometerOptions, context: Context) -> None:  # noqa: ARG002  it needs nothing of it
        self.name = name
        self.line = options.file

    def open(self) -> None:
        """Do nothing: the kernel measures when the file is read."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  there is but one
        """Read the temperature. Raise LineAway, FrameDamaged."""
        try:
            text = Path(self.line).read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise LineAway(f"{self.line} cannot be read: {error.strerror}") from error
        return [Reading("climate", self.name, at_ms, {QUANTITY: decode(text)})]

    def close(self) -> None:
        """Do nothing: no file stays open."""


def decode(text: str) -> float:
    """Return the temperature in °C that *text* says. Raise FrameDamaged. Pure."""
    try:
        thousandths = int(text)
    except ValueError:
        raise FrameDamaged(f"{text[:40]!r} is no temperature in thousandths of a degree") from None
    if thousandths == POWERED_ON:
        raise FrameDamaged("85 °C is what a thermometer says that has not measured yet")
    return thousandths / 1000
