"""Every source and every output at one hostile far side: it costs them alone, and little memory.

``SOURCES`` and ``OUTPUTS`` have for each how it is pointed at a port; a new one that has a far side
fails here until it has that too.
"""

import json
import random
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.loopback import Loopback
from tests.fakes.running import collector, configure, wait_for, wait_for_reads

ROOT = Path(__file__).parent.parent.parent
POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
SECRET = "Zx9-s3cr3t-token-of-this-test"
SOURCES = {
    "lutron_qs": "line: 'tcp://{at}', user: u, password: !secret known, database: 'http://{at}/x'",
    "luxtronik": "line: 'tcp://{at}'",
    "modbus": "line: 'tcp://{at}', model: eastron-sdm630",
    "mqtt_in": "line: 'mqtt://{at}', user: u, password: !secret known, "
    "devices: {{p: {{model: tasmota}}}}",
    "nut": "line: 'tcp://{at}', user: u, password: !secret known",
    "redis": "line: 'tcp://{at}', password: !secret known, "
    "devices: {{d: {{key: k, layout: hash, quantities: {{voltage: v}}}}}}",
    "prices": "url: 'http://{at}/x', times: start, prices: value, currency: EUR",
    "vedirect": "line: 'socket://{at}'",
    "weather": "latitude: 45, longitude: 7, url: 'http://{at}'",
}
ALONE = {"backups", "green_button", "host", "opower", "simulated"}  # files, and portals by name
OUTPUTS = {
    "emoncms": "url: 'http://{at}', key: !secret known, every: 1s",
    "heartbeat": "url: 'http://{at}', path: !secret known, every: 1s",
    "influxdb": "url: 'http://{at}', org: o, bucket: b, token: !secret known, every: 1s",
    "kafka": "brokers: ['{at}'], user: u, password: !secret known, every: 1s",
    "mail": "url: 'smtp://{at}', user: u, password: !secret known, to: [a@b.example], every: 1s",
    "mqtt": "url: 'mqtt://{at}', user: u, password: !secret known, every: 1s",
    "mqtt_history": "url: 'mqtt://{at}', user: u, password: !secret known, every: 1s",
    "ntfy": "url: 'http://{at}', topic: !secret known, token: !secret known, every: 1s",
    "postgresql": "url: 'postgresql://{at}', database: d, password: !secret known, every: 1s",
    "prometheus_remote_write": "url: 'http://{at}', token: !secret known, every: 1s",
    "redis": "url: 'tcp://{at}', password: !secret known, every: 1s",
    "telegram": "url: 'http://{at}', token: !secret known, chat: '1', every: 1s",
    "webhook": "url: 'http://{at}', path: !secret known, token: !secret known, every: 1s",
}
LOCAL = {"apprise", "file"}  # a child process of our own, and a folder
ALWAYS = "derivations: {a: {type: alerts, rules: {always: {when: house.active_power > -1 MW}}}}\n"
LARGEST_MB = 120
ESCAPES = b"\x1b[2J\x07\xe2\x80\xae"


def test_every_source_and_output_of_the_project_is_looked_at():
    assert SOURCES.keys() | ALONE == set(POINTS["energy_monitor.sources"])
    assert OUTPUTS.keys() | LOCAL == set(POINTS["energy_monitor.outputs"])


def silence(_: bytes) -> Iterator[bytes | float]:
    yield from ()


def endless(_: bytes) -> Iterator[bytes | float]:
    while True:
        yield b"0" * 1_000_000
        yield 0.01


def byte_by_byte(_: bytes) -> Iterator[bytes | float]:
    while True:
        for number in b"HTTP/1.1 200 OK\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxx":
            yield bytes([number])
            yield 0.2


def garbage(_: bytes) -> Iterator[bytes | float]:
    chance = random.Random(1)
    while True:
        yield chance.randbytes(4096)
        yield 0.05


def giant(asked: bytes) -> Iterator[bytes | float]:
    """Begin an answer as the protocol has it, and announce more than there can be."""
    if asked.startswith((b"GET", b"POST")):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\nRetry-After: %s\r\n\r\n" % (
            b"9" * 5000
        )
    elif asked.startswith(b"\x10"):
        yield b"\x20\x03\x00\x00\x00\x30\xff\xff\xff\x7f"
    elif asked.startswith(b"*"):
        yield b"$999999999999999999\r\n"
    elif asked[4:6] == b"\x00\x03":  # the start of a session of PostgreSQL
        yield b"R\x00\x00\x00\x08\x00\x00\x00\x00N\x7f\xff\xff\xffM"
    elif asked.startswith((b"LIST", b"USERNAME", b"VER")):
        yield b"BEGIN LIST UPS\n" + b'UPS a "x"\n' * 1000
    else:
        yield asked[:4] + b"\xff\xff" + asked[6:8]
    yield from endless(asked)


def echo(asked: bytes) -> Iterator[bytes | float]:
    """Give back what was asked, secrets too, with commands for a terminal."""
    said = SECRET.encode() + ESCAPES + asked
    if asked.startswith(b"GET"):
        yield b"HTTP/1.1 500 %s\r\nContent-Length: %d\r\n\r\n" % (SECRET.encode(), len(said))
    elif asked.startswith(b"*"):
        yield b"-ERR "
    elif asked.startswith((b"LIST", b"USERNAME", b"PASSWORD")):
        yield b"ERR "
    elif asked[4:6] == b"\x00\x03":
        yield b"E" + (len(said) + 8).to_bytes(4, "big") + b"CXX000\0M"
    yield said + b"\r\n"


class Hostile(Loopback):
    """Answers whatever comes, or silence, as *manner* says."""

    def __init__(self, manner):
        super().__init__()
        self.manner = manner

    def serve(self, client):
        while not self.ended.is_set():
            client.settimeout(0.5)
            try:
                asked = client.recv(65_536)
                if not asked:
                    return
            except TimeoutError:
                asked = b""
            client.settimeout(None)
            self.send(client, self.manner(asked))


def entries(kinds, at):
    return "".join(
        f"  {kind}: {{type: {kind}, {options.format(at=at)}}}\n" for kind, options in kinds.items()
    )


def peak_mb(process):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError


@pytest.mark.parametrize("manner", [silence, endless, byte_by_byte, garbage, giant, echo])
def test_a_hostile_far_side_costs_no_neighbour_no_memory_and_no_secret(tmp_path, manner):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "known").write_text(SECRET)
    with Hostile(manner) as far:
        at = f"127.0.0.1:{far.port}"
        neighbour = "  house: {type: simulated, every: 100ms}\n"
        file = configure(tmp_path, neighbour + entries(SOURCES, at), entries(OUTPUTS, at), ALWAYS)
        with collector(file) as process:
            reads = wait_for_reads(tmp_path, "house", 10)["sources"]["house"]["reads"]
            wait_for(lambda: far.connections >= len(SOURCES), "every source has tried")
            status = wait_for_reads(tmp_path, "house", reads + 60)
            peak = peak_mb(process)
            process.send_signal(signal.SIGTERM)
            log = process.communicate(timeout=20)[1]
            assert process.returncode == 0
    assert status["sources"]["house"]["state"] == "alive"
    assert peak < LARGEST_MB
    shown = log + json.dumps(status, ensure_ascii=False)
    for never in (SECRET, "\x1b", "\x07", "\u202e", "Traceback", "internal error"):
        assert never not in shown
