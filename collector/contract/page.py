"""What the page understands in the configuration, and what it is given to show.

It serves over HTTP what the service holds in memory, and what stands in journal and ledger, which
it reads. It asks no device and writes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from collector.options import option
from collector.scalars import Role
from collector.secrets import Secret
from collector.status import Status

IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Where the page, its API and /metrics are served, and to whom."""

    port: int = option(
        "port of the page, its API and /metrics; 0 serves nothing",
        example=9992,
        default=9992,
        low=0,
        high=65535,
    )
    address: str = option(
        "IP address to listen at; beyond this computer only with a password: 0.0.0.0 is the whole "
        "network",
        example="127.0.0.1",
        default="127.0.0.1",
    )
    names: tuple[str, ...] = option(
        "names under which other computers know this one, besides its own name, NAME.local and IP "
        "addresses",
        example=["energy.example.org"],
        default=(),
    )
    password: Secret | None = option(
        "password of the page; a program sends it by HTTP Basic, with any user name",
        example="!secret page-password",
        default=None,
    )

    @property
    def ip(self) -> IPAddress:
        """Return the address as such. Raise ValueError."""
        return ip_address(self.address)

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


class DeviceNow(NamedTuple):
    """A device and its values of now: those that are too old are not among them.

    *at_ms* is the time of its newest reading, UTC in milliseconds since 1970, however old.
    """

    kind: str
    device: str
    label: str
    source: str
    at_ms: int
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Home:
    """The house that is shown, and where its records are: each may be missing.

    *labels* and *roles* are by device. *holidays* is a file that bills keep what they found out in.
    """

    site: str = "home"
    timezone: str = "UTC"
    version: str = ""
    journal: Path = Path()
    ledger: Path = Path()
    tariffs: Path = Path()
    holidays: Path = Path()
    labels: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)


Show = Callable[[], tuple[Status, Sequence[DeviceNow]]]


def wrong_with(options: PageOptions) -> tuple[str, str] | None:
    """Return the option that cannot be accepted and why, if there is one."""
    try:
        ip = options.ip
    except ValueError:
        return "address", (
            f"{options.address!r} is not an IP address: 127.0.0.1 is this computer only, "
            "0.0.0.0 the whole network"
        )
    if not ip.is_loopback and options.password is None:
        return "address", (
            f"{options.address} can be reached by other computers, so a password is needed: add "
            "'password: !secret page-password' and store it with 'sudo energy-monitor secret set "
            "page-password'; or listen at 127.0.0.1 (this computer only)"
        )
    return None
