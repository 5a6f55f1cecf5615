"""Finds VE.Direct devices: listens at the serial ports, and sends nothing."""

from collections.abc import Iterator

from collector.contract import Found, Search, with_role
from collector.sources.vedirect.blocks import Block
from collector.sources.vedirect.labels import identity, kind_of
from collector.sources.vedirect.listener import HEX_ONLY
from collector.sources.vedirect.listener import search as listen

ROLES = ("battery", "solar")  # kinds of VE.Direct devices that are roles


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
    kind = kind_of(block)
    remark = with_role(identity(block), kind if kind in ROLES else "")
    remarks = {"": remark, "line": "or auto, which finds the port by what is expected"}
    return Found("vedirect", port, identity(block), options, kind, remarks)
