"""The past of the demo's house into its outputs: what a database would have of sixty days.

Each quarter hour is a reading of every device, from which the derivations of the configuration
derive as from live ones: energies, flows, hours and days. Where the journal begins, it ends.
"""

from collections.abc import Iterable, Iterator, Sequence

from collector.config import Config
from collector.contract import Derivation, Output
from collector.demo.history import edges
from collector.demo.household import Household
from collector.reading import Reading, encode
from collector.run.selection import Selection
from collector.run.wiring import build, new_health

AT_ONCE = 96  # quarter hours: a day


def upload(config: Config, household: Household, until: float) -> None:
    """Write the past to before *until* into every output. Raise OutputAway, ReadingsRefused."""
    built = build(config, new_health(config))
    derivations = [make() for make in built.derivations.values()]
    outputs = [(output, Selection(options, output)) for output, options in built.outputs.values()]
    try:
        for output, _ in outputs:
            output.open()
        for readings in days(household, until):
            lines = [encode(each) for each in derived(derivations, readings)]
            for output, selection in outputs:
                deliver(output, selection, lines)
    finally:
        for output, _ in outputs:
            output.close()


def days(household: Household, until: float) -> Iterator[list[Reading]]:
    """Yield what was read at each quarter hour before *until*, a day at once."""
    readings: list[Reading] = []
    for number, edge in enumerate(edges(household.begin, until - 1), 1):
        readings += household.readings(edge)
        if number % AT_ONCE == 0:
            yield readings
            readings = []
    if readings:
        yield readings


def derived(derivations: Iterable[Derivation], readings: Sequence[Reading]) -> list[Reading]:
    """Return *readings* and all that follows from them, also from what follows."""
    every, new = list(readings), list(readings)
    while new:
        made: list[Reading] = []
        for each in derivations:
            if heard := [reading for reading in new if reading.kind in each.hears]:
                made += each.derive(heard)
        every, new = every + made, made
    return every


def deliver(output: Output, selection: Selection, lines: Sequence[bytes]) -> None:
    """Write the *lines* that *output* gets, in batches of its size."""
    chosen = [line for each in lines if (line := selection.apply(each)) is not None]
    for at in range(0, len(chosen), output.batch_size):
        output.write(chosen[at : at + output.batch_size])
