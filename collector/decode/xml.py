"""XML of others, read piece by piece by handlers; what could grow or reach out is refused.

Nothing in such a document is believed. A document type, by which alone XML can grow or reach out,
is refused, and so is what is nested too deep, has a tag without end, or is not whole.
"""

import xml.parsers.expat
from collections.abc import Callable, Iterable, Iterator

from collector.errors import FrameDamaged

PIECE = 65536
# To parse a tag with a million attributes takes more memory than a Raspberry Pi has.
LONGEST_TOKEN = PIECE
DEEPEST = 50

Start = Callable[[str, dict[str, str]], object]
End = Callable[[str], object]


def parse(
    pieces: Iterable[bytes], start: Start, end: End, text: Callable[[str], object] | None = None
) -> Iterator[None]:
    """Call the handlers for what is in *pieces*, and yield after each. Raise FrameDamaged."""
    depth = 0

    def opened(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise FrameDamaged(f"it is nested more than {DEEPEST} levels deep")
        start(tag, attributes)

    def closed(tag: str) -> None:
        nonlocal depth
        depth -= 1
        end(tag)

    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse_document_type
    fed = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > LONGEST_TOKEN:
                raise FrameDamaged(
                    f"it has a tag or a comment of more than {LONGEST_TOKEN:,} bytes"
                )
            yield
        parser.Parse(b"", True)
    except (xml.parsers.expat.ExpatError, LookupError, ValueError) as error:
        raise FrameDamaged(f"it is not valid XML: {error}") from error
    yield


def refuse_document_type(*_: object) -> None:
    raise FrameDamaged("it has a document type, which no such file needs")


def cut(data: bytes) -> Iterator[bytes]:
    """Yield *data* in pieces."""
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))
