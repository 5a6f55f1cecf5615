"""Finds VE.Direct devices: listens at the serial ports, and sends nothing."""

from collections.abc import Iterator

from collector.contract import Found, Search
from collector.sources.vedirect.blocks import Block
from collector.sources.vedirect.labels import identity, kind_of
from collector.sources.vedirect.listener import HEX_ONLY
from collector.sources.vedirect.listener import search as listen


def discover(search: Search) -> Iterator[Found]:
    """Yield the device at each port that talks. Ports that cannot be opened are left out."""
    if not search.ports:
        return
    search.progress(f"listening for VE.Direct at {len(search.ports)} ports", None)
    away: dict[str, str] = {}
    for listener in listen(search.ports, away):
        listener.close()
        yield found(listener.line.port, listener.said)
    for port, reason in away.items():
        if reason == HEX_ONLY:
            yield Found("vedirect", port, reason)


def found(port: str, block: Block) -> Found:
    """Return the device that says *block*, and how it is configured. Pure."""
    label = "SER#" if "SER#" in block else "PID"
    options = {"line": port, "expect": {label: block[label]}}
    remarks = {"": identity(block), "line": "or auto, which finds the port by what is expected"}
    return Found("vedirect", port, identity(block), options, kind_of(block), remarks)
