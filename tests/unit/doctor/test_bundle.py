"""The bundle for a bug report: all that helps, and no secret, wherever it stood."""

import base64
import importlib.readers  # noqa: F401  the Python of the tests may be root's alone
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.doctor import bundle, configuration, examine, secrets
from collector.doctor.case import open_case
from collector.doctor.redact import Redactor
from collector.errors import EnergyMonitorError
from collector.safe_text import MARK
from collector.status import LatestReading
from tests.fakes.doctor_case import (
    COMPOSE,
    HISTORY,
    a_source,
    a_status,
    fill_journal,
    open_in,
    plant,
    programs,
)


@pytest.fixture
def case(tmp_path):
    return partial(open_in, tmp_path)


SECRETS = {
    "influxdb-token": f"{'Qx7_vN-8tK2mZpL4wR9sYbH3cJ6dF1gA5eUoIiTtPpSs' * 2}==",
    "influxdb-read-token": "collector:pass word&ü/%",
    "grafana-admin": 'quo"te\\and\ttab',
    "azure": "https://account.blob.core.windows.net/c?sp=rcl&sig=aBcD%2FeFgH%3D",
    "key.pem": "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\n-----END KEY-----",
}
LEAKS = [
    *SECRETS.values(),
    quote_plus(SECRETS["influxdb-read-token"]),
    json.dumps(SECRETS["grafana-admin"]),
    base64.b64encode(b"admin:" + SECRETS["grafana-admin"].encode()).decode(),
    "pass word&ü/%",
    "MIIEvQIBADANBgkqhkiG9w0BAQEF",
    "aBcD%2FeFgH%3D",
]
NEVER = [
    *LEAKS,
    "bob:hunter2",
    "an-older-token-that-was-renewed",
    "typed-into-the-configuration",
    "k" * 86,
]


def test_no_secret_is_in_the_bundle_wherever_it_stood(case, tmp_path):
    log = "\n".join(
        f"collector: {leak} at http://bob:hunter2@host/ Token an-older-token-that-was-renewed"
        for leak in LEAKS
    )
    opened = case(
        {COMPOSE: f"services: {{a: {{environment: {{TOKEN: {SECRETS['influxdb-token']}}}}}}}\n"},
        run=programs(journalctl=log, docker=log, df=log),
        output=HISTORY.format(url="http://localhost:1"),
        status=a_status(sources={"house": a_source(last_error=SECRETS["grafana-admin"])}),
    )
    plant(opened.secrets, SECRETS)
    with opened.file.open("a") as config:
        config.write(f"# password: typed-into-the-configuration\n# tokn {'k' * 86}==\n")
    findings = {"doctor.txt": log, "doctor.json": json.dumps({"what": log})}
    bundle.write(opened, tmp_path / "report.tar.gz", findings)

    members = unpack(tmp_path / "report.tar.gz")
    for name, text in members.items():
        for value in NEVER:
            assert value not in text, name
    assert members["config.yaml"].count("!secret influxdb-token") == 1
    assert MARK in members["log.txt"]
    assert MARK in members["status.json"]
    assert "influxdb-read-token" in members["secrets.txt"]


def unpack(file):
    with tarfile.open(file) as tar:
        opened = {member.name.rpartition("/")[2]: tar.extractfile(member) for member in tar}
        return {name: text.read().decode() for name, text in opened.items() if text}


def test_the_bundle_has_what_a_report_needs_and_says_what_it_lacks(case, tmp_path):
    usb = {
        "idVendor": "0403\n",
        "idProduct": "6001\n",
        "product": "FT232R\n",
        "serial": "A50285BI\n",
    }
    opened = case(
        {f"sys/bus/usb/devices/1-1/{name}": text for name, text in usb.items()},
        status=a_status(
            sources={"house": a_source(latest={"house": LatestReading(values={"voltage": 231.7})})}
        ),
    )
    fill_journal(opened)
    file = tmp_path / "report.tar.gz"
    bundle.write(opened, file, {})
    members = unpack(file)
    assert "not available: journalctl is not installed" in members["log.txt"]
    assert "energy-monitor " in members["versions.txt"]
    assert "0403  6001  FT232R" in members["usb.txt"]
    assert "A50285BI" not in members["usb.txt"]
    assert "0000000000000001-1763654400000.log" in members["journal.txt"]
    assert '"voltage"' in members["status.json"]
    assert "231.7" not in members["status.json"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob(".report*")) == []


def test_a_text_without_secrets_is_left_as_it_is():
    text = (
        "image: influxdb:2.9.1-alpine@sha256:" + "0a" * 32 + "\n"
        "token: !secret influxdb-token\n"
        "GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/grafana-admin\n"
        "outputs.history.token: secret 'influxdb-token' is not found\n"
        "/dev/serial/by-id/usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0\n"
    )
    assert Redactor({"abc", ""})(text) == text


@pytest.mark.parametrize("word", ["a", "-", "token", "secret-", "abcd_-", "://", "a b", "sig="])
def test_taking_secrets_out_takes_time_in_proportion_to_the_text(word):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (10, 10)); "
        "from collector.doctor.redact import Redactor; "
        f"Redactor({{'s3cr3t-token-abcdefgh'}})({word!r} * (200_000 // {len(word)}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_bundle_that_cannot_be_written_says_why(case, tmp_path):
    with pytest.raises(EnergyMonitorError, match="cannot be written: No such file or directory"):
        bundle.write(case(), tmp_path / "no/such/folder.tar.gz", {})


@contextmanager
def as_somebody():
    """Be no longer root while the block runs."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed():
    """A case that anybody may look at, but for its secrets."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        opened = open_in(Path(folder), output=HISTORY.format(url="http://localhost:1"))
        plant(opened.secrets, SECRETS)
        opened.secrets.chmod(0o700)
        yield opened


def test_who_may_not_read_the_secrets_gets_no_bundle(closed, tmp_path):
    file = tmp_path / "report.tar.gz"
    with as_somebody(), pytest.raises(EnergyMonitorError, match="try 'sudo energy-monitor …'"):
        bundle.write(closed, file, {})
    assert not file.exists()


def test_who_may_not_read_the_secrets_is_not_shown_any(closed):
    for words in (["secret", "show"], ["secret", "show", "grafana-admin"]):
        with as_somebody():
            refused = CliRunner().invoke(main, [*words, "--config", str(closed.file)])
        assert refused.exit_code == 1
        assert "try 'sudo energy-monitor secret show" in refused.stderr
        assert refused.stdout == ""
    with as_somebody():
        ((_, told),) = examine.examine(closed, {"": (secrets.stored,)})
    assert [each.severity for each in told] == ["unknown", "unknown"]
    assert {each.mend for each in told} == {"sudo energy-monitor doctor"}


def test_a_configuration_that_only_root_may_read_is_no_fault(closed):
    closed.file.chmod(0o600)
    with as_somebody():
        opened = open_case(closed.file, closed.machine)
        ((_, told),) = examine.examine(opened, {"": (configuration.form,)})
    assert [(each.severity, each.mend) for each in told] == [
        ("unknown", "sudo energy-monitor doctor")
    ]
