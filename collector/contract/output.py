"""The door of outputs: what delivers readings."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

from collector.contract.common import Context


class Output(Protocol):
    """Delivers readings somewhere; sending the same reading twice must not matter.

    A batch is a sequence of encoded readings (``collector.reading.decode`` reads one), oldest
    first. *batch_size* is the most it takes at once.

    *wants* is 'all' for a history: every reading in order. It is 'newest' for a state: at each
    delivery one reading per device, with the newest value of each quantity.

    *resend* says why a second send does no harm. 'idempotent': the same reading is stored as the
    same point. 'asks first': the output asks the far side for its newest time and leaves out what
    is older. 'newest only': a state replaces itself. Only an idempotent output gets readings
    again by itself, where ``newest_ms`` shows that the far side has lost some.
    """

    Options: ClassVar[type]
    batch_size: int
    wants: Literal["all", "newest"]
    resend: Literal["idempotent", "asks first", "newest only"]

    def __init__(self, name: str, options: Any, context: Context) -> None: ...

    def open(self) -> None:
        """Get ready to write; called again after OutputAway. Raise OutputAway."""

    def newest_ms(self) -> int | None:
        """Return the time of the newest reading that the far side holds; None if it can't say."""

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""

    def close(self) -> None: ...
