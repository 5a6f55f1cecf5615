"""A container of Azure Blob Storage: put once, read, look, list (REST API, version below)."""

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from backup.stores.credential import Credential
from backup.stores.https import LIMITS, PAUSES_S, code_of, insist, shown
from collector.errors import BackupFault, Damaged, ReadFault, StoreAway
from collector.lines.http import Server
from collector.lines.http_answer import Answer

VERSION = "2021-12-02"
PAGE = 2_000  # blobs in one answer to a list, 1 kB each
MOST_PAGES = 500  # a million blobs
SINGLE_PUT_BYTES = 5000 << 20  # the largest that one Put takes ("Put Blob")
GONE = {"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}
NO_RIGHT = {
    "AuthorizationPermissionMismatch",
    "InsufficientAccountPermissions",
    "UnauthorizedBlobOverwrite",
}
MAY_BE_THERE = {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True)
class Sums:
    """What is told of a blob's bytes when they are put; *md5* is in base64."""

    size: int
    md5: str
    sha256: str


class Container:
    """The container *name* of the account at *account_url*."""

    def __init__(self, account_url: str, name: str, credential: Credential) -> None:
        self.server = Server(account_url, f"{account_url}/{name}", LIMITS)
        self.path = f"/{name}"
        self.name = f"{account_url}/{name}"
        self.credential = credential

    def put(self, path: str, sums: Sums, body: Callable[[], Iterable[bytes]]) -> None:
        """Put a blob, or see that it is there: after a lost answer the next one is a refusal.

        It is 409 then, or 403 for a credential that may not overwrite: like a real refusal.
        Raise StoreAway, or Damaged where something else is there.
        """
        if sums.size > SINGLE_PUT_BYTES:
            raise BackupFault(f"{path}: {sums.size:,} bytes are more than Azure takes at once")
        answer = self.ask("PUT", path, headers=put_headers(sums), body=body)
        if answer.status == HTTPStatus.CREATED:
            return
        there = self.sums(path) if answer.status in MAY_BE_THERE else None
        if there is None:
            raise self.refused(answer, "create")
        if (there.size, there.md5) != (sums.size, sums.md5):
            raise Damaged(
                f"{self.name}: {path} is there already and is something else; it can't be "
                "overwritten: delete it in Azure's portal, and the next upload puts it right"
            )

    def sums(self, path: str) -> Sums | None:
        """Return what Azure knows of a blob, None where there is none. Raise StoreAway."""
        answer = self.ask("HEAD", path)
        headers = answer.headers
        if answer.status == HTTPStatus.OK:
            md5, sha256 = headers.get("Content-MD5", ""), headers.get("x-ms-meta-sha256", "")
            return Sums(length_of(answer), md5, sha256)
        if answer.status == HTTPStatus.NOT_FOUND and code_of(answer) not in GONE:
            return None
        raise self.refused(answer, "read")

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a blob's bytes, going on after a cut where it was. Raise StoreAway or Damaged."""
        at, size, etag = 0, None, ""
        pauses = iter(PAUSES_S)
        while size is None or at < size:
            headers = {"Range": f"bytes={at}-", "If-Match": etag} if at else {}
            answer = self.ask("GET", path, headers=headers, whole=False)
            if answer.status == HTTPStatus.NOT_FOUND and code_of(answer) not in GONE:
                raise Damaged(f"{self.name}: {path} is missing")
            if answer.status != (HTTPStatus.PARTIAL_CONTENT if at else HTTPStatus.OK):
                raise self.refused(answer, "read")
            etag = answer.headers.get("ETag", "")
            size = at + length_of(answer)
            try:
                for piece in answer.pieces():
                    at += len(piece)
                    pauses = iter(PAUSES_S)
                    yield piece
            except ReadFault as error:
                pause_s = next(pauses, None)
                if pause_s is None:
                    raise StoreAway(f"{path}: {error}") from None
                time.sleep(pause_s)

    def list(self, prefix: str, delimiter: str = "") -> Iterator[tuple[str, int]]:
        """Yield name and size of each blob whose name begins with *prefix*.

        With a *delimiter* a name ends at the first one after the prefix, and has no size then.
        """
        fields = {"restype": "container", "comp": "list", "maxresults": str(PAGE)}
        fields |= {"prefix": prefix, "delimiter": delimiter}
        for _ in range(MOST_PAGES):
            asked = {name: value for name, value in fields.items() if value}
            answer = self.ask("GET", "", asked)
            if answer.status != HTTPStatus.OK:
                raise self.refused(answer, "list")
            try:
                found, marker = page_of(answer.body)
            except ValueError as error:
                raise StoreAway(f"{self.name}: its list can't be read: {error}") from None
            yield from found
            if not marker:
                return
            fields["marker"] = marker
        raise StoreAway(f"{self.name}: its list has no end")

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Iterable[bytes]] = tuple,
        *,
        whole: bool = True,
    ) -> Answer:
        """Send a request until it is answered. Raise StoreAway."""
        query = "&".join(filter(None, (urlencode(fields or {}), self.credential.query)))
        target = f"{self.path}/{path}?{query}" if path else f"{self.path}?{query}"
        headers = {"x-ms-version": VERSION, **self.credential.headers(), **(headers or {})}
        try:
            return insist(self.server, method, target, headers, body, whole=whole)
        except ReadFault as error:
            raise StoreAway(f"{error}; the next run continues from here") from None

    def refused(self, answer: Answer, right: str) -> StoreAway:
        """Say what a refusal means and what to do. Azure's own words may hold a signature."""
        if code_of(answer) in GONE:
            reason = (
                "the container is gone; Azure's portal brings one back that was deleted by "
                "mistake ('Show deleted containers'), and 'terraform apply' makes a new one"
            )
        elif code_of(answer) in NO_RIGHT:
            reason = (
                f"the credential has no right to {right}; it needs to create, read and list "
                "(a new role takes effect after about ten minutes)"
            )
        elif answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            reason = self.credential.refused()
        else:
            reason = "is its address right?"
        return StoreAway(f"{self.name}: answered {shown(answer)}: {reason}")


def length_of(answer: Answer) -> int:
    """Return how many bytes a blob has left. Raise StoreAway where that is not told."""
    text = answer.headers.get("Content-Length", "")
    if not (text.isascii() and text.isdecimal()):
        raise StoreAway(f"a blob has the length {text[:20]!r}: is this Azure Blob Storage?")
    return int(text[:20])


def put_headers(sums: Sums) -> dict[str, str]:
    return {
        "x-ms-blob-type": "BlockBlob",
        "If-None-Match": "*",
        "Content-Length": str(sums.size),
        "Content-MD5": sums.md5,  # Azure refuses other bytes, and tells it again for a HEAD
        "Content-Type": "application/octet-stream",
        "x-ms-meta-sha256": sums.sha256,
    }


def page_of(xml: bytes) -> tuple[list[tuple[str, int]], str]:
    """Return names and sizes of one page of a list, and the marker of the next one.

    Raise ValueError where it is none. Entities, which could fill the memory, need a DOCTYPE.
    """
    text = xml.decode("utf-8-sig")
    if "<!DOCTYPE" in text:
        raise ValueError("it holds a DOCTYPE")
    try:
        root = ET.fromstring(text)  # noqa: S314  no DOCTYPE, and its size is limited
    except ET.ParseError as error:
        raise ValueError(str(error)) from None
    found = [
        (blob.findtext("Name", ""), int(blob.findtext("Properties/Content-Length", "0")))
        for blob in root.findall("Blobs/*")
    ]
    return found, root.findtext("NextMarker", "")
