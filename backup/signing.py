"""Signatures of manifests (Ed25519): who may only add to a store can't make a backup there.

secrets/backup-signing      the private key of this installation, 64 hexadecimal digits
backup-signing.pub          public keys whose backups are trusted here, one a line

A manifest names each file by its SHA-256, so its signature covers the whole backup.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from backup.manifest import Manifest, body_of, document_of
from collector import files
from collector.errors import BackupFault, Untrusted
from collector.secrets import Secret, write

NAME = "backup-signing"
PUBLIC = "backup-signing.pub"
ANYONE = "anyone"
KEY = re.compile(r"[0-9a-f]{64}")
SIGNATURE = re.compile(r"[0-9a-f]{128}")
# ruff: noqa: PLC0415  cryptography takes 8 MB, which a run without a key spares


def sign(manifest: Manifest, private: str) -> Manifest:
    """Return *manifest* signed. Raise BackupFault where *private* is no key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    ours = replace(manifest, signed_by=public_of(private))
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))
    return replace(ours, signature=key.sign(body_of(document_of(ours))).hex())


def check(manifest: Manifest, trusted: Collection[str]) -> None:
    """Raise Untrusted where a manifest isn't signed by one of the keys *trusted*.

    Where none is known, a signature must at least be that of the key that is named.
    """
    if not manifest.signature or not manifest.signed_by:
        if trusted:
            raise Untrusted(
                f"backup {manifest.id} is not signed: --signed-by {ANYONE} takes it all the same"
            )
        return
    if trusted and manifest.signed_by not in trusted:
        raise Untrusted(
            f"backup {manifest.id} is signed by another installation, {manifest.signed_by}: where "
            "that key is yours, give it as --signed-by"
        )
    if not is_signed(manifest.signed_by, manifest.signature, body_of(document_of(manifest))):
        raise Untrusted(f"the signature of backup {manifest.id} is wrong")


def is_signed(public: str, signature: str, body: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not (KEY.fullmatch(public) and SIGNATURE.fullmatch(signature)):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), body)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_of(private: str) -> str:
    """Return the public key of a private one. Raise BackupFault."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not KEY.fullmatch(private):
        raise BackupFault(f"secret {NAME!r} is not a key for signing: 64 hexadecimal digits")
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))
    return key.public_key().public_bytes_raw().hex()


def new_key() -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes_raw().hex()


def known(folder: Path) -> frozenset[str]:
    """Return the keys that are trusted here; *folder* is that of the configuration.

    Raise BackupFault.
    """
    try:
        lines = (folder / PUBLIC).read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise BackupFault(f"{folder / PUBLIC} cannot be read: {error.strerror}") from error
    if not all(map(KEY.fullmatch, lines)):
        raise BackupFault(f"{folder / PUBLIC}: expected public keys, 64 hexadecimal digits a line")
    return frozenset(lines)


def wanted(folder: Path, signed_by: str | None) -> frozenset[str]:
    """Return the keys that a user trusts: the one he gives, nobody's for 'anyone', or the known.

    Raise BackupFault.
    """
    if signed_by is None:
        return known(folder)
    if signed_by == ANYONE:
        return frozenset()
    signed_by = signed_by.strip().lower()
    if not KEY.fullmatch(signed_by):
        raise BackupFault(
            f"{signed_by!r} is not a public key: expected what 'energy-monitor backup key' prints, "
            f"64 hexadecimal digits, or '{ANYONE}'"
        )
    return frozenset([signed_by])


def trust(folder: Path, public: str) -> None:
    """Note that backups signed by *public* are trusted here. Raise OSError, BackupFault."""
    keys = known(folder)
    if public not in keys:
        text = "".join(f"{each}\n" for each in (*sorted(keys), public))
        files.replace(folder / PUBLIC, text.encode())


def own_key(folder: Path, secrets: Path) -> str:
    """Return the public key of this installation, which gets one where it has none.

    Raise OSError, BackupFault; UnsafeFolder where the folder of secrets isn't safe.
    """
    private = Secret(NAME, secrets).if_given()
    if private is None:
        private = new_key()
        write(secrets / NAME, private)
    public = public_of(private)
    trust(folder, public)
    return public
