"""One file into one object and back: compressed, encrypted where that is asked, named by its hash.

    file ──▶ gzip ──▶ age ──▶ object          age -d -i KEY OBJECT | gunzip

Encryption is that of age (https://age-encryption.org/v1), to public keys: what has been packed
can't be read here any more. Memory is bounded, whatever the size of a file.
"""

import hashlib
import itertools
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import IO, Any

from backup.manifest import File
from backup.paths import at_most
from backup.stores.folder import CHUNK, Folder, full
from collector.errors import BackupFault, Damaged, DiskFault

SPOOL_BYTES = 4_000_000  # a smaller file waits in memory, and costs the card nothing when known
GZIP = 31  # zlib's window of 15 bits, with gzip's header, which it gives no time: the same anew
LEVEL = 6
AGE = b"age-encryption.org/"
ON_DISK = "/var/tmp"  # noqa: S108  unnamed files; /tmp is in memory on Debian 13


def pack(
    chunks: Iterable[bytes],
    store: Folder,
    kept: MutableMapping[str, File],
    recipients: Sequence[str] = (),
) -> File:
    """Keep a file as an object of *store* and return what a manifest says of it.

    *kept* maps the SHA-256 of files that are stored already; they are not stored again, and this
    one joins them. Raise BackupFault where the disk is full: nothing of the file remains then.
    """
    part = store.part()
    try:
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=str(store.folder)) as plain:
            size, sha256 = copy(chunks, plain)
            if sha256 not in kept:
                plain.seek(0)
                with part.open("xb") as target:
                    stored, name = write(deflate(pieces(plain)), target, recipients)
                store.adopt(part, name)
                kept[sha256] = File(size, sha256, name, stored)
            return kept[sha256]
    except OSError as error:
        raise full(error, store.folder) from error
    finally:
        part.unlink(missing_ok=True)


def unpack(chunks: Iterable[bytes], size: int, identities: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield the file of *size* bytes that an object holds.

    *identities* are private keys, as age-keygen wrote them. Raise Damaged where it is no such
    object, at the first piece that is too much; BackupFault where it takes a key that is not there.
    """
    chunks = iter(chunks)
    first = next(chunks, b"")
    chunks = itertools.chain([first], chunks)
    if not first.startswith(AGE):
        yield from inflate(chunks, size)
        return
    if not identities:
        raise BackupFault("the backup is encrypted: its private key is needed to read it")
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=ON_DISK) as compressed:
        decrypt(chunks, compressed, identities)
        compressed.seek(0)
        yield from inflate(pieces(compressed), size)


def copy(chunks: Iterable[bytes], target: IO[bytes]) -> tuple[int, str]:
    """Write *chunks*; return their size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    target.flush()
    return size, digest.hexdigest()


def write(chunks: Iterable[bytes], target: IO[bytes], recipients: Sequence[str]) -> tuple[int, str]:
    """Write *chunks*, encrypted where there are *recipients*; return size and SHA-256 of it."""
    if not recipients:
        return copy(chunks, target)
    age = load_age()
    try:
        keys = [age.x25519.Recipient.from_str(each) for each in recipients]
    except age.RecipientError as error:
        msg = f"backup.encrypt_to: no public key of age is {', '.join(recipients)}: {error}"
        raise DiskFault(msg) from error
    sealed = Hashing(target)
    source = Chunks(chunks)
    wrong: Exception | None = None
    try:
        age.encrypt_io(source, sealed, keys)
        sealed.flush()
    except (age.EncryptError, OSError) as error:
        wrong = error
    reraise(source, sealed)
    if wrong:
        raise DiskFault(f"age can't encrypt: {wrong}")
    return sealed.size, sealed.digest.hexdigest()


def decrypt(chunks: Iterable[bytes], target: IO[bytes], identities: Sequence[str]) -> None:
    """Write what *chunks* hold encrypted. Raise BackupFault, Damaged."""
    age = load_age()
    keys = read_identities(identities)
    source, opened = Chunks(chunks), Hashing(target)
    wrong: Exception | None = None
    try:
        age.decrypt_io(source, opened, keys)
    except (age.DecryptError, OSError) as error:  # OSError where the seal of a piece is broken
        wrong = error
    reraise(source, opened)
    if wrong and "No matching keys" in str(wrong):
        raise BackupFault(
            "none of the private keys matches: the backup is encrypted to another key"
        )
    if wrong:
        raise Damaged(f"the encrypted data is damaged: {wrong}")


def reraise(source: "Chunks", target: "Hashing") -> None:
    """Raise what went wrong on either side: age makes a text of it, or drops it at the end."""
    for error in (source.error, target.error):
        if error:
            raise error


def read_identities(texts: Iterable[str]) -> list[Any]:
    """Return private keys from the text of files that age-keygen wrote. Raise BackupFault."""
    age = load_age()
    lines = [line.strip() for text in texts for line in text.splitlines()]
    try:
        keys = [
            age.x25519.Identity.from_str(line)
            for line in lines
            if line and not line.startswith("#")
        ]
    except age.IdentityError:
        keys = []  # the error may hold the line
    if not keys:
        raise BackupFault("there is no private key of age: expected a line AGE-SECRET-KEY-1…")
    return keys


def load_age() -> Any:
    try:
        import pyrage  # noqa: PLC0415  only where something is encrypted
    except ImportError:
        msg = "encrypted backups need the Python package pyrage, which 32-bit systems lack"
        raise DiskFault(msg) from None
    return pyrage


def deflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def inflate(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield what was compressed, in pieces of at most CHUNK.

    Raise Damaged, also where it is more than *most* bytes: a few kB could fill a disk.
    """
    return at_most(most, inflated(chunks))


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(GZIP)
    try:
        for chunk in chunks:
            data = chunk
            while data and not unpacker.eof:
                yield unpacker.decompress(data, CHUNK)
                data = unpacker.unconsumed_tail
            if unpacker.unused_data or (data and unpacker.eof):
                raise Damaged("there is more than one file in the object")
        while not unpacker.eof and (piece := unpacker.decompress(b"", CHUNK)):
            yield piece
    except zlib.error as error:
        raise Damaged(f"the compressed data is damaged: {error}") from error
    if not unpacker.eof:
        raise Damaged("the compressed data ends too early")


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


class Unreadable(BackupFault):
    """A file of this machine that was to be backed up cannot be read."""


def read(file: IO[bytes], progress: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Yield the bytes of an opened file. Raise Unreadable."""
    chunks = pieces(file)
    while True:
        try:
            chunk = next(chunks, b"")
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error
        if not chunk:
            return
        progress(len(chunk))
        yield chunk


class Chunks:
    """Chunks as a file to read from; *error* is what they ended with."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = iter(chunks)
        self.rest = b""
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        try:
            while not self.rest:
                self.rest = next(self.chunks)
        except StopIteration:
            return b""
        except Exception as error:
            self.error = error
            raise
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


class Hashing:
    """A file to write to that knows size and SHA-256 of what it was given."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target = target
        self.digest = hashlib.sha256()
        self.size = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self.target.write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        try:
            self.target.flush()
        except OSError as error:
            self.error = error
            raise
