"""The contracts of a house as its file has them now; a file that is changed is read again."""

import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path

from collector.contract.common import HouseFiles
from collector.derive.cost import check
from collector.derive.cost.holidays import Holidays, about
from collector.derive.cost.tariffs import ContractOptions, Tariffs
from collector.errors import EnergyMonitorError

log = logging.getLogger(__name__)


class Contracts:
    """What ``tariffs.yaml`` says. Where it cannot be read there are none, and that is logged."""

    def __init__(self, name: str, files: HouseFiles | None) -> None:
        self.name = name
        self.file = files and files.tariffs
        self.known = Holidays(files.holidays) if files else None
        self.stamp: tuple[int, int] | None = None
        self.tariffs = Tariffs(Path())
        self.by_meter: dict[str, list[ContractOptions]] = {}

    def meters(self) -> list[str]:
        return self.read().meters()

    def of(self, meter: str) -> list[ContractOptions]:
        tariffs = self.read()
        if meter not in self.by_meter:
            self.by_meter[meter] = tariffs.of(meter)
        return self.by_meter[meter]

    def holidays(self, year: int) -> Callable[[ContractOptions], frozenset[date]]:
        known = self.known
        return about(known, year) if known else lambda each: each.holidays.dates

    def read(self) -> Tariffs:
        """Return the contracts, read again where the file is another."""
        try:
            stamp = stamp_of(self.file) if self.file else None
        except OSError:
            stamp = None
        if stamp != self.stamp:
            self.stamp, self.by_meter, self.tariffs = stamp, {}, Tariffs(Path())
            try:
                if self.file and stamp:
                    self.tariffs = check.load(self.file)
            except EnergyMonitorError as error:
                log.warning("%s: no cost is computed: %s", self.name, error)
        return self.tariffs


def stamp_of(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size
