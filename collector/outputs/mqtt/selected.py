"""What 'select' leaves out of what was shown before: it is removed at once, and not weeks later."""

from collections.abc import Iterable, Sequence

from collector.contract import OutputOptions
from collector.quantity import wildcard


class Selected:
    """What *options* select, asked by the names that 'rename' gives."""

    def __init__(self, options: OutputOptions) -> None:
        self.select = options.select
        self.devices = {new: old for old, new in options.rename.devices.items()}
        self.quantities = {new: old for old, new in options.rename.quantities.items()}

    def left_out(self, kind: str, device: str, quantities: Iterable[str]) -> list[str]:
        """Return which *quantities* of *device* are not selected."""
        select = self.select
        if not matches(select.kinds, kind) or not matches(
            select.devices, device, self.devices.get(device, device)
        ):
            return [*quantities]
        return [
            each
            for each in quantities
            if not matches(select.quantities, each, self.quantities.get(each, each))
        ]


def matches(patterns: Sequence[str], *names: str) -> bool:
    """Return whether a pattern fits one of *names*, or there is none."""
    return not patterns or any(
        wildcard(each).fullmatch(name) for each in patterns for name in names
    )
