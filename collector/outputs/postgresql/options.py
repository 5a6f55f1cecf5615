"""The options of the output, and where they lead."""

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from collector.contract import BadOption, OutputOptions
from collector.errors import OutputAway
from collector.options import option
from collector.scalars import InputPath, Seconds
from collector.secrets import Secret

PORT = 5432


@dataclass(frozen=True, kw_only=True)
class PostgreSQLOptions(OutputOptions):
    """Delivers readings to PostgreSQL 12 or newer, or TimescaleDB."""

    url: str = option("address of the server", example="postgresql://localhost:5432")
    database: str = option("database for the readings", example="energy")
    user: str = option(
        "role that owns the database", example="energy-monitor", default="energy-monitor"
    )
    password: Secret = option("password of that role", example="!secret postgresql-password")
    sslmode: Literal["verify-full", "verify-ca", "require", "disable"] | None = option(
        "as PostgreSQL has it (default: 'verify-full', and 'disable' on this computer)",
        example="verify-full",
        default=None,
    )
    ca: InputPath = option(
        "file beside the configuration with the CA certificate of the server (default: the CAs of "
        "the system)",
        example="postgresql-ca.pem",
        default="",
    )
    retention: Seconds | None = option(
        "drop readings that are older, a whole month at a time (default: keep all)",
        example="730d",
        low=86400,
        default=None,
    )

    def extras(self) -> tuple[str, ...]:
        return ("postgresql",)


def place(url: str) -> tuple[str, int]:
    """Return host and port of an address. Raise BadOption."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(url)
        only = f"{parts.scheme}://{parts.netloc}" == url.rstrip("/") and "@" not in parts.netloc
        if parts.scheme == "postgresql" and parts.hostname and only and url.isprintable():
            return parts.hostname, parts.port or PORT
    raise BadOption(
        "url",
        "expected an address such as postgresql://HOST:PORT; 'database', 'user' and 'password' are "
        "options of their own",
    )


def is_here(host: str) -> bool:
    """Return whether a host is this computer."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def password_in(secret: Secret) -> str:
    """Return the password that *secret* holds now. Raise OutputAway, SecretMissing."""
    password = secret.value()
    if not password or not password.isprintable():
        raise OutputAway(f"secret {secret.name!r} is empty or not one line")
    return password
