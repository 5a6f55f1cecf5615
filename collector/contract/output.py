"""The door of outputs: what delivers readings."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from collector.contract.common import Context


class Output(Protocol):
    """Delivers readings somewhere; sending the same reading twice must not matter.

    A batch is a sequence of encoded readings (``collector.reading.decode`` reads one), in the order
    they came: a history that comes late has older times. *batch_size* is the most it takes at once.

    Each output has a thread of its own, in which all but ``__init__`` is called: it needs no lock
    and may wait. What it must remember goes into ``context.state_dir``, a folder that it makes. An
    exception that is not named here stops this output alone; it is tried again, ever more rarely.

    *wants* is 'all' for a history: every reading in order. It is 'newest' for a state: at each
    delivery one reading per device, with the newest value of each quantity.

    *resend* says why a second send does no harm. 'idempotent': the same reading is stored as the
    same point. 'asks first': the output asks the far side for its newest time and leaves out what
    is older. 'newest only': a state replaces itself. 'at least once': both are kept, and whoever
    reads them tells them by kind, device and time. Only an idempotent output gets readings again by
    itself, where ``newest_ms`` shows that the far side has lost some.
    """

    Options: ClassVar[type]
    batch_size: int
    wants: Literal["all", "newest"]

    @property
    def resend(self) -> Literal["idempotent", "asks first", "newest only", "at least once"]: ...

    def __init__(self, name: str, options: Any, context: Context) -> None: ...

    def open(self) -> None:
        """Get ready to write. Raise OutputAway.

        Called before the first write, after each fault, and now and then while it is open.
        """

    def newest_ms(self) -> int | None:
        """Return the time of the newest reading that the far side holds; None if it can't say."""

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""

    def close(self) -> None:
        """Let go of the far side: at the end, and after a fault that is not named here."""


@runtime_checkable
class KeepingKinds(Protocol):
    """An output that may keep devices of one name apart by their kind.

    Where it does not, it gets no readings that repeat a meter's counters (``contract.counters``),
    unless ``select: kinds`` asks for them.
    """

    @property
    def keeps_kinds(self) -> bool: ...
