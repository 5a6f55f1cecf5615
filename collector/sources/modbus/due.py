"""What is read of a device for some quantities: found once, since it is the same in every slot."""

from collections.abc import Callable, Sequence

from collector.sources.modbus.meter import picker
from collector.sources.modbus.plan import Block
from collector.sources.modbus.registers import Register

Device = tuple[str, str]  # kind and name


class Due:
    """The *registers*, and for each the device that it tells about and what picks its words."""

    def __init__(
        self,
        registers: Sequence[Register],
        device_of: Callable[[Register], Device],
        block_of: Callable[[Register], Block],
    ) -> None:
        self.registers = registers
        self.places = [(each, device_of(each), picker(block_of(each))) for each in registers]
        self.quantities = [each.quantity for each in registers]
