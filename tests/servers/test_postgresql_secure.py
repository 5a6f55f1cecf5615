"""The output for PostgreSQL at servers that are foreign, old, full, hostile or hung."""

import os
import re
import resource
import signal
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from collector.errors import OutputAway
from collector.journal.journal import Journal
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from collector.scalars import Seconds
from tests.fakes.certificates import make_certificate
from tests.fakes.loopback import Loopback
from tests.fakes.time_machine import FakeClock
from tests.servers import postgres
from tests.servers.test_postgresql_real import DAY_MS, NOVEMBER_MS, output, reading, said, tables

TLS_ONLY = "hostssl all all 127.0.0.1/32 {0}\nhost all postgres 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture(scope="module")
def safe():
    """A server with TLS, which the role of the output must use, and its certificate."""
    key, certificate = make_certificate()
    files = {
        "server.key": key,
        "server.crt": certificate,
        "pg_hba.conf": TLS_ONLY.format("scram-sha-256"),
    }
    with postgres.running({"ssl": "on"}, files) as server:
        yield server, certificate


@pytest.fixture(scope="module")
def plain():
    with postgres.running() as server:
        yield server


# TLS


def test_a_server_whose_certificate_is_known_gets_everything(safe, tmp_path):
    server, certificate = safe
    (tmp_path / "ca.pem").write_text(certificate)
    with output(server, tmp_path, sslmode="verify-full", ca="ca.pem") as made:
        made.write([reading()])
        assert made.ask("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(True,)]


def test_a_server_with_another_certificate_gets_no_password(safe, tmp_path):
    (tmp_path / "ca.pem").write_text(make_certificate()[1])
    with output(safe[0], tmp_path, sslmode="verify-full", ca="ca.pem") as made:
        text = said(made)
    assert "certificate verify failed" in text
    assert "'ca' names the file" in text


def test_a_server_of_another_name_gets_no_password(safe, tmp_path):
    server, certificate = safe
    (tmp_path / "ca.pem").write_text(certificate)
    given = {"sslmode": "verify-full", "ca": "ca.pem"}
    with output(server, tmp_path, url=f"postgresql://localhost:{server.port}", **given) as made:
        assert "must stand in it: localhost" in said(made)


def test_without_a_ca_of_the_owner_s_only_those_of_the_system_count(safe, tmp_path):
    with output(safe[0], tmp_path, sslmode="verify-full") as made:
        assert "certificate" in said(made)


def test_a_ca_that_is_no_file_is_said(safe, tmp_path):
    with output(safe[0], tmp_path, sslmode="verify-full", ca="nowhere.pem") as made:
        assert "nowhere.pem" in said(made)


def test_a_server_that_wants_tls_says_how_to_get_it(safe, tmp_path):
    with output(safe[0], tmp_path) as made:
        assert "set 'sslmode: verify-full'" in said(made)


def test_a_server_without_tls_gets_nothing_where_tls_is_wanted(plain, tmp_path):
    with output(plain, tmp_path, sslmode="verify-full") as made:
        assert "'sslmode: disable'" in said(made)


def test_a_password_never_goes_as_it_is_to_a_server_that_is_not_known(tmp_path):
    key, certificate = make_certificate()
    hba = TLS_ONLY.format("password") + 'host all "energy-monitor" 127.0.0.1/32 password\n'
    files = {"server.key": key, "server.crt": certificate, "pg_hba.conf": hba}
    with postgres.running({"ssl": "on"}, files) as server:
        with output(server, tmp_path) as made:
            assert "password" in said(made)
        (tmp_path / "ca.pem").write_text(certificate)
        with output(server, tmp_path, sslmode="verify-full", ca="ca.pem") as made:
            made.write([reading()])


# Servers that fail


def fill(made, sent):
    """Write until it fails; note in *sent* what is stored."""
    for begin_ms in range(NOVEMBER_MS, NOVEMBER_MS + 60_000_000, 1_000_000):
        times = range(begin_ms, begin_ms + 1_000_000, 1000)
        made.write([reading(at_ms) for at_ms in times])
        sent += times


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_keeps_everything_and_says_so(plain, tmp_path):
    plain.forget()
    disk = plain.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        postgres.give(disk)
        disk.chmod(0o700)
        plain.ask(f"CREATE TABLESPACE tiny LOCATION '{disk}'")
        plain.ask(f'GRANT CREATE ON TABLESPACE tiny TO "{postgres.USER}"')
        plain.ask(f"ALTER ROLE \"{postgres.USER}\" SET default_tablespace = 'tiny'")
        with output(plain, tmp_path) as made:
            sent: list[int] = []
            with pytest.raises(OutputAway, match=r"No space left on device \(53100\); make room"):
                fill(made, sent)
            assert plain.ask("SELECT count(*) FROM electricity") == [(len(sent),)]
            plain.ask("DROP TABLE electricity CASCADE")
            made.write([reading()])
    finally:
        plain.ask(f'ALTER ROLE "{postgres.USER}" RESET default_tablespace')
        plain.forget()
        plain.ask("DROP TABLESPACE tiny")
        subprocess.run(["umount", str(disk)], check=True)


def test_a_server_that_lost_its_newest_readings_gets_them_again(plain, tmp_path):
    plain.forget()
    journal = Journal(tmp_path / "journal", "boot", ["it"])
    journal.open()
    journal.append([reading(NOVEMBER_MS + n * 1000) for n in range(600)])
    with output(plain, tmp_path) as made:
        health, clock = OutputHealth(), FakeClock()
        delivery = Delivery("it", made, made.options, journal, clock, health, threading.Lock())
        delivery.deliver_once()
        plain.ask("DELETE FROM electricity WHERE time > %s", ["2025-11-20 16:05+00"])
        made.close()
        journal.append([reading(NOVEMBER_MS + 600_000)])
        delivery.is_open = False
        while journal.backlog("it"):
            delivery.deliver_once()
            assert not health.last_error
    journal.close()
    assert plain.ask("SELECT count(*) FROM electricity") == [(601,)]


def test_a_server_that_loses_power_has_what_it_confirmed(tmp_path):
    with postgres.running({"fsync": "on"}) as server, output(server, tmp_path) as made:
        made.write([reading(NOVEMBER_MS + n) for n in range(500)])
        server.stop(signal.SIGQUIT)
        with pytest.raises(OutputAway):
            made.write([reading(NOVEMBER_MS + 500)])
        with pytest.raises(OutputAway, match="Connection refused"):
            made.write([reading(NOVEMBER_MS + 500)])
        server.start()
        made.write([reading(NOVEMBER_MS + n) for n in range(400, 600)])
        assert server.ask("SELECT count(*) FROM electricity") == [(600,)]


# Servers that are none, spoken to as they speak


def message(kind, body=b""):
    return kind + struct.pack(">i", len(body) + 4) + body


def parameter(name, value):
    return message(b"S", name + b"\0" + value + b"\0")


LET_IN = message(b"R", struct.pack(">i", 0))
READY = message(b"Z", b"I")


class Stranger(Loopback):
    """Lets everyone in as a server of *version*, then answers a statement with *answer*."""

    def __init__(self, version=b"15.1", answer=(), *, asks_password=False):
        super().__init__()
        self.url = f"postgresql://127.0.0.1:{self.port}"
        self.version = version
        self.answer = answer
        self.asks_password = asks_password
        self.heard = b""

    def serve(self, client):
        self.heard += client.recv(4096)
        if self.asks_password:
            client.sendall(message(b"R", struct.pack(">i", 3)))
            self.heard += client.recv(4096)
        client.sendall(LET_IN + parameter(b"server_version", self.version) + READY)
        while heard := client.recv(65536):
            self.heard += heard
            self.send(client, self.answer)


@pytest.mark.parametrize(("version", "number"), [(b"11.22", 11), (b"9.6.24", 9)])
def test_an_older_version_is_named_and_the_oldest_that_will_do(tmp_path, version, number):
    with Stranger(version) as stranger, output(stranger, tmp_path) as made:
        assert f"is version {number}: 12 or newer is needed" in said(made)


def test_a_stranger_who_asks_for_the_password_does_not_get_it(tmp_path):
    with Stranger(asks_password=True) as stranger, output(stranger, tmp_path) as made:
        said(made)
        assert postgres.PASSWORD.encode() not in stranger.heard


def test_an_answer_without_end_costs_a_bounded_memory(tmp_path):
    row = message(
        b"T", struct.pack(">h", 1) + b"a\0" + bytes(6) + struct.pack(">ihih", 25, -1, -1, 0)
    )
    giant = b"D" + struct.pack(">ihi", 2_000_000_000, 1, 1_999_999_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        Stranger(answer=[row + giant] + [bytes(1_000_000)] * 200) as stranger,
        output(stranger, tmp_path) as made,
    ):
        assert "sends more than 4 MB" in said(made)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_notices_without_end_while_it_logs_in_are_given_up(tmp_path):
    class Talker(Loopback):
        url = ""

        def serve(self, client):
            client.recv(4096)
            notice = message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 60_000 + b"\0\0")
            while not self.ended.is_set():
                client.sendall(LET_IN + notice * 20)

    with Talker() as talker:
        talker.url = f"postgresql://127.0.0.1:{talker.port}"
        with output(talker, tmp_path) as made:
            assert len(said(made)) < 500


def test_a_server_that_hangs_in_a_statement_is_given_up(tmp_path):
    with Stranger() as stranger, output(stranger, tmp_path) as made:
        made.patience_s = 0.5
        assert "no complete answer within" in said(made)


# On this computer


def test_the_password_stands_in_no_list_of_processes_and_no_environment(plain, tmp_path):
    plain.forget()
    with output(plain, tmp_path) as made:
        made.write([reading()])
        for file in ("cmdline", "environ"):
            assert postgres.PASSWORD.encode() not in Path(f"/proc/self/{file}").read_bytes()
    logged = (plain.folder / "log").read_text()
    assert not re.search(rf"{postgres.PASSWORD}(?!')", logged)


# TimescaleDB


@pytest.fixture
def timescale(plain):
    if not plain.ask("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"):
        pytest.skip("this PostgreSQL has no TimescaleDB: see docs.timescale.com")
    settings = {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
    with postgres.running(settings) as server:
        server.ask("CREATE EXTENSION timescaledb")
        yield server


def test_timescaledb_keeps_the_table_as_its_own(timescale, tmp_path):
    batch = [reading(NOVEMBER_MS - n * DAY_MS) for n in range(90)]
    with output(timescale, tmp_path, retention=Seconds(30 * 86400)) as made:
        made.write(batch[45:])
        made.write(batch[:45])
        made.write(batch[:45])
        assert timescale.ask("SELECT count(*) FROM electricity") == [(90,)]
        assert made.newest_ms() == NOVEMBER_MS
        made.open()
        made.write([reading(current=1.0)])
    ask = "SELECT hypertable_name::text FROM timescaledb_information.hypertables"
    assert timescale.ask(ask) == [("electricity",)]
    assert "electricity_2025_11" not in tables(timescale)
    (count,) = timescale.ask("SELECT count(*) FROM electricity")[0]
    assert 20 + 31 <= count < 65
    assert timescale.ask("SELECT count(*) FROM readings_long") == [(count + 1,)]
