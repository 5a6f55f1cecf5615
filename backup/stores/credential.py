"""What lets us into a container: a SAS, or a certificate of a service principal.

Neither is ever part of a message; of the SAS only its policy, rights and end may be told.
"""

import base64
import hashlib
import json
import re
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode

from backup.stores.https import LIMITS, insist
from collector.contract.documents import parsed
from collector.errors import BackupFault, ReadFault, StoreAway
from collector.lines.http import Server

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://storage.azure.com/.default"
ASSERTION_S = 600  # Entra ID takes assertions of up to a day; this one is used at once
EARLY_S = 300  # a token is replaced this long before it ends: one request must outlast it
QUOTED_CHARACTERS = 300
CONNECT_AGAIN = "provide a new one: 'sudo energy-monitor backup connect FILE'"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?", re.ASCII)


class Credential(Protocol):
    """What is added to each request."""

    @property
    def query(self) -> str: ...

    def headers(self) -> dict[str, str]:
        """Return headers for a request of now. Raise StoreAway."""

    def refused(self) -> str:
        """Say what may be wrong with it, where the far side doesn't know it."""


@dataclass(frozen=True)
class Sas:
    """A shared access signature, as in an address after '?'."""

    query: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        return {}

    def refused(self) -> str:
        fields = self.fields()
        end, policy = fields.get("se"), fields.get("si")
        if end and end[:19] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()):
            return f"the SAS expired at {end}; {CONNECT_AGAIN}"
        revoked = f"its policy {policy!r} was removed or has expired" if policy else "was revoked"
        return f"the SAS was refused: {revoked}, or this machine's clock is wrong; {CONNECT_AGAIN}"

    def fields(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.query).items()}

    @property
    def rights(self) -> str:
        """The letters of its rights, '' where a stored access policy holds them."""
        return self.fields().get("sp", "")


@dataclass
class Certificate:
    """A service principal that proves itself by a certificate, whose private key is in *pem*."""

    tenant: str
    client: str
    pem: str = field(repr=False)
    authority: str = AUTHORITY
    query: str = ""
    token: str = field(default="", repr=False)
    ends: float = 0.0

    def headers(self) -> dict[str, str]:
        if time.monotonic() > self.ends - EARLY_S:
            self.renew()
        return {"Authorization": f"Bearer {self.token}"}

    def refused(self) -> str:
        return (
            f"the service principal {self.client} was refused: was it removed, or its role on "
            f"the container? 'terraform apply' mends both; then {CONNECT_AGAIN}"
        )

    def renew(self) -> None:
        """Exchange a signed assertion for a token (Microsoft identity platform, OAuth 2.0)."""
        path = f"/{self.tenant}/oauth2/v2.0/token"
        fields = {
            "client_id": self.client,
            "scope": SCOPE,
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion(self, self.authority + path),
        }
        body = urlencode(fields).encode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
        }
        try:
            server = Server(self.authority, self.authority, LIMITS)
            answer = insist(server, "POST", path, headers, lambda: [body])
            document = parsed(answer.body)
            token, lasts_s = document.get("access_token"), float(document.get("expires_in", 0))
        except ReadFault as error:
            raise StoreAway(f"no token: {error}") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreAway(f"{self.authority}: no token: {error}") from None
        if not (token and isinstance(token, str)):
            reason = str(document.get("error_description"))[:QUOTED_CHARACTERS].partition("\r")[0]
            raise StoreAway(f"{self.authority}: {self.refused()}; it says {reason!r}")
        self.token, self.ends = token, time.monotonic() + lasts_s


def assertion(certificate: Certificate, audience: str) -> str:
    """Return a JSON Web Token that proves who we are (RFC 7523, signed by PS256)."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  8 MB that a SAS spares
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    found = CERTIFICATE.search(certificate.pem)
    try:
        der = ssl.PEM_cert_to_DER_cert(found[0] if found else "")
        key = load_pem_private_key(certificate.pem.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise BackupFault("certificate_pem must hold an RSA private key and its certificate")
    now = int(time.time())
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": base64url(hashlib.sha256(der).digest())}
    claims = {
        "aud": audience,
        "iss": certificate.client,
        "sub": certificate.client,
        "jti": str(uuid.uuid4()),
        "nbf": now,
        "iat": now,
        "exp": now + ASSERTION_S,
    }
    unsigned = f"{encoded(header)}.{encoded(claims)}"
    form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return f"{unsigned}.{base64url(key.sign(unsigned.encode(), form, hashes.SHA256()))}"


def encoded(document: Mapping[str, Any]) -> str:
    return base64url(json.dumps(document).encode())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
