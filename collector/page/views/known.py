"""Every device, and every quantity of it that there is a history of."""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from collector.contract.page import DeviceNow
from collector.contract.views import DevicesView, KnownDevice, KnownQuantity
from collector.ledger.database import Database
from collector.page.answer import Refused
from collector.page.views.figures import is_shown, order
from collector.page.views.records import Records
from collector.quantity import catalogue


class Kept(NamedTuple):
    """What the ledger keeps of devices."""

    gauges: frozenset[tuple[str, str]]
    counters: frozenset[tuple[str, str]]


NOTHING = Kept(frozenset(), frozenset())


def view(records: Records) -> DevicesView:
    """Return what there is a history of; from now on where the ledger cannot be read."""
    kept = NOTHING
    with suppress(Refused), records.ledger() as database:
        kept = kept_in(database)
    status, devices = records.now()
    return DevicesView(at_ms=status.now_ms, devices=tuple(found(records, devices, kept)))


def kept_in(database: Database) -> Kept:
    def of(*kinds: str) -> frozenset[tuple[str, str]]:
        return frozenset(
            (device, quantity) for device, quantity, kind in database.known if kind in kinds
        )

    return Kept(of("gauge", "price"), of("counter", "interval"))


def found(records: Records, devices: Iterable[DeviceNow], kept: Kept) -> Iterable[KnownDevice]:
    """Yield those that are heard now, then those that only the ledger knows."""
    labels, roles = records.home.labels, records.home.roles
    seen: dict[str, DeviceNow] = {}
    quantities: dict[str, set[str]] = {}
    for each in devices:
        if is_shown(each.kind):
            seen.setdefault(each.device, each)
            quantities.setdefault(each.device, set()).update(each.values)
    for device, quantity in (*kept.gauges, *kept.counters):
        quantities.setdefault(device, set()).add(quantity)
    for device in sorted(quantities, key=lambda each: (each not in seen, each)):
        now = seen.get(device, DeviceNow("", device, "", "", 0, {}))
        yield KnownDevice(
            device=device,
            kind=now.kind,
            label=now.label or labels.get(device, ""),
            source=now.source,
            role=roles.get(device, ""),
            at_ms=now.at_ms,
            quantities=tuple(known_quantities(device, quantities[device], kept)),
        )


def known_quantities(device: str, names: Iterable[str], kept: Kept) -> Iterable[KnownQuantity]:
    known, places = catalogue(), order()
    for name in sorted(set(names) & known.keys(), key=places.__getitem__):
        key = device, name
        yield KnownQuantity(
            quantity=name,
            label=known[name].help,
            unit=known[name].unit,
            counter=key in kept.counters,
            kept=key in kept.counters or key in kept.gauges,
        )
