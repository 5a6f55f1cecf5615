"""Backups in a container of Azure Blob Storage.

CONTAINER/EPOCH/objects/HASH             put once, and never overwritten
CONTAINER/EPOCH/manifests/ID.json.gz     written last

An epoch is a month (``manifest.epoch_of``) in which everything is there once more: so a rule that
deletes by age never takes an object that a younger manifest names. The credential needs to
create, read and list, and had better not be able to overwrite or delete.
"""

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backup.manifest import MOST_BYTES, Manifest, encode, epoch_of, is_id
from backup.pack import deflate, inflate
from backup.paths import HASH, at_most
from backup.stores.blobs import Container, Sums, put_headers
from backup.stores.credential import Certificate, Credential, Sas
from backup.stores.folder import proved
from backup.stores.pace import pieces_of
from backup.stores.settings import checked
from collector.contract.documents import parsed
from collector.errors import BackupFault, Damaged
from collector.files import open_file

EPOCH = re.compile(r"[0-9]{4}-[0-9]{2}")
CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NOBODY = "0" * 64


class Azure:
    """Backups in *container*; uploads take at most *rate* bytes a second, 0 for all there are."""

    def __init__(self, container: Container, rate: int = 0) -> None:
        self.container = container
        self.name = container.name
        self.rate = rate
        self.trusted: Collection[str] | None = None
        self.forgets = True

    def ids(self) -> list[str]:
        epochs = [name.rstrip("/") for name, _ in self.container.list("", delimiter="/")]
        paths = {
            name
            for epoch in epochs
            if EPOCH.fullmatch(epoch)
            for name, _ in self.container.list(f"{epoch}/manifests/")
        }
        names = [path.rpartition("/")[2].removesuffix(".json.gz") for path in paths]
        return sorted(name for name in names if is_id(name) and manifest_path(name) in paths)

    def manifest(self, backup_id: str) -> Manifest:
        path = manifest_path(backup_id)
        sums = self.container.sums(path)
        if sums is None:
            raise Damaged(f"{self.name}: there is no backup {backup_id}")
        if sums.size > MOST_BYTES:
            raise Damaged(f"{self.name}: {path} is larger than a manifest can be")
        data = b"".join(at_most(MOST_BYTES, self.container.read(path)))
        if sums_of([data]).md5 != sums.md5:
            raise Damaged(f"{self.name}: {path} is damaged")
        return proved(self, backup_id, path, unpacked(data))

    def sizes(self, backup_id: str) -> dict[str, int]:
        prefix = f"{epoch_of(backup_id)}/objects/"
        found = {name.removeprefix(prefix): size for name, size in self.container.list(prefix)}
        return {name: size for name, size in found.items() if HASH.fullmatch(name)}

    def put(self, backup_id: str, name: str, file: Path) -> None:
        with open_file(file) as opened:
            sums = sums_of(pieces_of(opened))
            if sums.sha256 != name:
                raise Damaged(f"{file} is damaged; it is not uploaded")
            path = object_path(backup_id, name)
            self.container.put(path, sums, lambda: pieces_of(opened, self.rate))

    def get(self, backup_id: str, name: str) -> Iterator[bytes]:
        return self.container.read(object_path(backup_id, name))

    def put_manifest(self, manifest: Manifest) -> None:
        data = packed(manifest)
        self.container.put(manifest_path(manifest.id), sums_of([data]), lambda: [data])

    def check(self) -> list[str]:
        """Return ``ids``, having tried each right that is needed. Raise StoreAway.

        Nothing is written: a Put whose MD5 is wrong is refused for that, or for want of the right.
        """
        ids = self.ids()
        self.container.sums(object_path("19700101T000000Z", NOBODY))
        headers = put_headers(sums_of([b"other"]))
        answer = self.container.ask("PUT", "probe", headers=headers, body=lambda: [b"probe"])
        if answer.status != HTTPStatus.BAD_REQUEST:
            raise self.container.refused(answer, "create")
        return ids


def object_path(backup_id: str, name: str) -> str:
    return f"{epoch_of(backup_id)}/objects/{name}"


def manifest_path(backup_id: str) -> str:
    return f"{epoch_of(backup_id)}/manifests/{backup_id}.json.gz"


def packed(manifest: Manifest) -> bytes:
    """Return a manifest as it is put: 720 of them a month would else outweigh the objects."""
    return b"".join(deflate([encode(manifest)]))


def unpacked(data: bytes) -> bytes:
    """Return the text of a manifest. Raise Damaged where it is none, or grows without end."""
    return b"".join(inflate([data], MOST_BYTES))


def sums_of(pieces: Iterable[bytes]) -> Sums:
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        md5.update(piece)
        sha256.update(piece)
    return Sums(size, base64.b64encode(md5.digest()).decode(), sha256.hexdigest())


def from_settings(text: str, rate: int = 0) -> Azure:
    """Return the store that *text* names: what Terraform prints, or the address of a container
    with its SAS, as Azure's portal gives it. Raise BackupFault.
    """  # noqa: D205  one sentence
    text = text.strip()
    settings = settings_of_url(text) if text.startswith(("https://", "http://")) else parse(text)
    url, name = settings.get("account_url"), settings.get("container")
    if not (isinstance(url, str) and good_url(url)):
        raise BackupFault(
            "account_url must be like https://ACCOUNT.blob.core.windows.net, without '?' "
            "(http only for an emulator on this machine)"
        )
    if not (isinstance(name, str) and CONTAINER.fullmatch(name)):
        raise BackupFault(
            "container must be 3 to 63 lower case letters, digits and single hyphens, such as "
            "backups"
        )
    return Azure(Container(url.rstrip("/"), name, credential_of(settings)), rate)


def parse(text: str) -> dict[str, Any]:
    try:
        settings = parsed(text)
    except ValueError as error:
        raise BackupFault(
            f"neither JSON ({error}) nor the address of a container with its SAS; hand over what "
            "'terraform output -raw collector_settings' prints"
        ) from None
    return checked(settings, "azure")


def settings_of_url(address: str) -> dict[str, Any]:
    """Split https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS."""
    place, _, sas = address.partition("?")
    account_url, _, container = place.rstrip("/").rpartition("/")
    return {"account_url": account_url, "container": container, "sas": sas}


def good_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    here = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    plain = url.isascii() and url.isprintable() and " " not in url
    secure = parts.scheme == "https" or (parts.scheme == "http" and here)
    extras = parts.query or parts.fragment or parts.username
    return bool(plain and secure and parts.hostname and port != 0 and not extras)


def credential_of(settings: dict[str, Any]) -> Credential:
    """Return the SAS or the certificate. Raise BackupFault, which never tells it."""
    names = {"sas", "tenant_id", "client_id", "certificate_pem"}
    given = {name: str(settings[name]) for name in names if settings.get(name)}
    if given.keys() == {"sas"}:
        query = given["sas"].removeprefix("?")
        sas = Sas(query)
        if not re.fullmatch(r"[!-~]+", query) or "sig" not in sas.fields():
            raise BackupFault("sas must be one line with 'sig=', as Azure gives it")
        return sas
    if given.keys() == names - {"sas"}:
        if not (GUID.fullmatch(given["tenant_id"]) and GUID.fullmatch(given["client_id"])):
            raise BackupFault("tenant_id and client_id must be like 01234567-89ab-…")
        return Certificate(given["tenant_id"], given["client_id"], given["certificate_pem"])
    raise BackupFault(
        "a credential is missing: either sas, or tenant_id, client_id and certificate_pem"
    )
