"""An encoded reading in the parts that Redis gets: every value as it stands, to the last digit."""

from typing import NamedTuple


class Row(NamedTuple):
    """A reading; *fields* are pairs of quantity and value."""

    kind: str
    device: str
    fields: tuple[tuple[bytes, bytes], ...]
    at_ms: int


def row_of(line: bytes) -> Row:
    """Take an encoded reading apart. Pure."""
    head, fields, time = line.split(b" ")
    kind, _, device = head.decode("ascii").partition(",device=")
    pairs = (field.partition(b"=") for field in fields.split(b","))
    return Row(kind, device, tuple((name, value) for name, _, value in pairs), int(time))
