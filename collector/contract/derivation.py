"""The door of derivations: what computes readings from readings."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Protocol, runtime_checkable

from collector.contract.common import Context
from collector.reading import Reading


class AllBut(frozenset[str]):
    """Every kind of device but these, also one that nobody knows yet."""

    def __contains__(self, kind: object) -> bool:
        return not super().__contains__(kind)

    def __and__(self, other: AbstractSet[object]) -> frozenset[str]:
        return frozenset(each for each in other if isinstance(each, str) and each in self)

    __rand__ = __and__


class Derivation(Protocol):
    """Computes readings from readings, and knows nothing but them.

    *hears* names the kinds of device whose readings it is given (``AllBut``: all others), *makes*
    the kinds of those that it returns. The two never meet, so a derivation never hears itself. One
    may hear what another makes; a circle is refused. *quantities* names all that it can return.

    The same readings give the same result, however they are cut into batches: there is no clock
    here, time is what the readings carry. They come in the journal's order, which is that of their
    arrival: those of several sources interleave, history that is fetched later comes late, and the
    same reading may come twice. What it must remember is in its state. After a crash or for a
    replay it goes on from an earlier state and returns the same readings as before; what the
    journal has already is not stored twice.
    """

    Options: ClassVar[type]
    hears: frozenset[str]
    makes: frozenset[str]

    def __init__(self, name: str, options: Any, context: Context) -> None:
        """Check and remember. Raise BadOption."""

    @property
    def quantities(self) -> Collection[str]: ...

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return what follows from *readings*, which come after all that came before."""

    def state(self) -> Any:
        """Return what ``restore`` takes: what ``json`` can write, small and never above 1 MB."""

    def restore(self, state: Any) -> None:
        """Take up a state of before. Raise ValueError where it is none.

        Then the derivation begins again with the oldest reading kept.
        """


@runtime_checkable
class Ticking(Protocol):
    """A derivation that must act when time passes, also where no device is read."""

    def tick(self, now_ms: int) -> list[Reading]:
        """Return what follows from its being *now_ms*, called between readings.

        The collector writes its own figures into the journal every 10 s; *now_ms* is their time,
        so a replay ticks at the same places. It falls where the clock was set back.
        """
