"""Finds servers of Network UPS Tools: on this machine, or at a line that is named."""

from collections.abc import Iterator, Mapping

from collector.contract import Found, Search
from collector.errors import LineAway
from collector.lines.tcp import TcpLine
from collector.sources.nut import protocol

HERE = f"tcp://localhost:{protocol.PORT}"


def discover(search: Search) -> Iterator[Found]:
    """Yield the server at the line that is named, or the one here. Raise ReadFault, ValueError."""
    line = TcpLine(search.line or HERE)
    try:
        line.open()
    except LineAway:
        if search.line:
            raise
        return
    try:
        yield found(line.url, protocol.upss(line))
    finally:
        line.close()


def found(url: str, upss: Mapping[str, str]) -> Found:
    """Return a server with *upss*, description by name, and how it is configured. Pure."""
    options = {"line": url}
    names = ", ".join(upss) or "no UPS"
    remarks = {"": f"its UPSs: {names}; 'ups: NAME' reads one of them"}
    if len(upss) == 1:
        options["ups"] = names
        remarks = {"": upss[names]}
    described = ", ".join(f"{name} ({text})" for name, text in upss.items()) or names
    return Found("nut", url, f"NUT server with {described}", options, "ups", remarks)
