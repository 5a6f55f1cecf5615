"""How a machine of the lab gets at packages: where and as the host does.

It has a network of its own, in which slirp4netns answers at two addresses: the host, with what
listens on its loopback, and a name server that asks the host's.
"""

import os
import re
import sys
from pathlib import Path

from tests.appliance.lab import host, mirror_of_the_host

HOST = "10.0.2.2"
NAME_SERVER = "10.0.2.3"
LOOPBACK = re.compile(r"\b(127\.0\.0\.1|localhost)\b")
CERTIFICATES = "/etc/ssl/certs"


def show(root, suite):
    """Write the host's settings into the machine at *root*: names, mirrors, proxies, pip's own."""
    etc = root / "etc"
    (etc / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
    (etc / "hosts").write_text("".join(["127.0.0.1 localhost\n", *names_of_the_host()]))
    (etc / "apt/apt.conf.d/90-host").write_text(LOOPBACK.sub(HOST, apt_settings()))
    settings = "".join(f"{name} = {value}\n" for name, value in pip_settings().items())
    (etc / "pip.conf").write_text(LOOPBACK.sub(HOST, f"[global]\n{settings}"))
    for mirror in mirror_of_the_host():
        (etc / "apt/sources.list").write_text(LOOPBACK.sub(HOST, f"deb {mirror} {suite} main\n"))


def names_of_the_host():
    """Return the lines of the host's /etc/hosts that name other machines."""
    lines = Path("/etc/hosts").read_text().splitlines(keepends=True)
    return [each for each in lines if not re.match(r"\s*(127\.|::1|#|$)", each)]


def apt_settings():
    """Return what the host tells apt of fetching, and its proxies from the environment."""
    told = host("apt-config", "dump", "Acquire").splitlines(keepends=True)
    proxies = {
        scheme: os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY")
        for scheme in ("http", "https")
    }
    return "".join(
        [
            *(each for each in told if "::IndexTargets" not in each),
            *(f'Acquire::{scheme}::Proxy "{url}";\n' for scheme, url in proxies.items() if url),
        ]
    )


def pip_settings():
    """Return the host's pip settings, wherever they come from."""
    listed = host(sys.executable, "-m", "pip", "config", "list")
    found = dict(re.findall(r"^(?:global|install|:env:)\.(\S+)='(.*)'$", listed, re.MULTILINE))
    if proxy := os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY"):
        found.setdefault("proxy", proxy)
    return {name: value.replace("\\n", "\n ") for name, value in found.items()}


def folders_to_see():
    """Return the host's folders that its settings name: certificates, and packages for pip."""
    named = {each for value in pip_settings().values() for each in value.split()}
    outside = {each for each in named if each.startswith("/") and Path(each).exists()}
    return [CERTIFICATES, *sorted(each for each in outside if not each.startswith(CERTIFICATES))]
