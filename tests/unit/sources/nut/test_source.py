"""The source: UPSs of Debian's own server with its dummy driver, and what goes wrong with them."""

import json
import logging
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli.main import main
from collector.contract import BadOption, Context
from collector.errors import DeviceRefused, LineAway, SecretMissing
from collector.lines.serial import Lines
from collector.reading import decode, encode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scan.render import render
from collector.secrets import Secret
from collector.sources.nut import discover
from collector.sources.nut import source as source_module
from collector.sources.nut.source import Nut, NutOptions
from tests.fakes.nut_talker import Talker
from tests.fakes.running import collector, configure, energy_monitor, wait_for_reads
from tests.fakes.searching import only_at, scanned
from tests.servers import nut_server

CONTEXT = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"))
AT_MS = 1_768_480_200_000
OFFICE = {
    "ups__mfr": "Eaton",
    "ups__model": "5E 850",
    "ups__status": "OL CHRG",
    "ups__load": "30",
    "ups__realpower__nominal": "480",
    "battery__charge": "97",
    "battery__runtime": "1234",
    "battery__voltage": "13.6",
    "input__voltage": "231.4",
    "input__frequency": "50.0",
}
ATTIC = {"ups__status": "OB DISCHRG LB", "ups__load": "12", "ups__realpower": "88.5"}
# Scan goes by NUT's own port, which another may have at 127.0.0.1, and another run elsewhere.
HOST = f"127.78.{os.getpid() >> 8 & 255}.{os.getpid() & 127 | 128}"


@pytest.fixture(scope="module")
def server():
    with nut_server.running(
        {"office": OFFICE, "attic": ATTIC}, without_driver=["cellar"], host=HOST, port=3493
    ) as running:
        yield running


@pytest.fixture
def made(server):
    sources = []

    def make(**options):
        sources.append(made_for(server.line, **options))
        sources[-1].open()
        return sources[-1]

    yield make
    for each in sources:
        each.close()
        each.close()


def made_for(line, **options):
    return Nut("ups", NutOptions(type="nut", line=line, **options), CONTEXT)


def read(source, quantities=()):
    found = source.read(AT_MS, frozenset(quantities or source.quantities))
    return {each.device: dict(each.values) for each in found}


def test_one_ups_is_stored_under_the_name_of_the_source(made):
    source = made(ups="office")
    (reading,) = source.read(AT_MS, frozenset(source.quantities))
    assert (reading.kind, reading.device, reading.at_ms) == ("ups", "ups", AT_MS)
    assert decode(encode(reading)) == reading
    assert reading.values == {
        "state_of_charge": 97,
        "time_to_go": 1234,
        "battery_voltage": 13.6,
        "input_voltage": 231.4,
        "input_frequency": 50,
        "load": 30,
        "nominal_power": 480,
        "estimated_power": 144,
        "ups_status": 1 + 32,
        "on_battery": 0,
        "battery_low": 0,
        "replace_battery": 0,
        "overload": 0,
        "alarm": 0,
    }


def test_every_ups_of_a_server_is_read_and_one_without_a_driver_is_absent(made, caplog):
    caplog.set_level(logging.INFO)
    source = made()
    for _ in range(2):
        found = read(source)
        assert set(found) == {"ups-office", "ups-attic"}
        assert found["ups-attic"]["active_power"] == 88.5
        assert found["ups-attic"]["on_battery"] == found["ups-attic"]["battery_low"] == 1
    told = [record.message for record in caplog.records]
    assert "ups-office: 'Eaton 5E 850', status 'OL'" in told
    assert "ups-attic: 'Dummy Manufacturer Dummy UPS', status 'OB LB'" in told
    assert any(re.search("ups-cellar: .*its driver does not run", each) for each in told)
    assert len(told) == 3


def test_it_fits_the_intake(made):
    source = made()
    fed = feed("ups", source, NutOptions(type="nut", line=source.line), SourceHealth())
    assert fed.groups[0].interval_ms == 5000


def test_what_the_server_will_not_answer_is_told(made):
    with pytest.raises(DeviceRefused, match="no UPS of that name"):
        read(made(ups="nowhere"))
    with pytest.raises(DeviceRefused, match="its driver does not run"):
        read(made(ups="cellar"))


def test_stale_data_is_absence_until_it_is_fresh_again(made, server):
    one, every = made(ups="attic"), made()
    server.freeze("attic")
    try:
        server.wait(lambda: not server.asked("attic"), "the data is stale")
        with pytest.raises(DeviceRefused, match="its values are old"):
            read(one)
        assert set(read(every)) == {"ups-office"}
    finally:
        server.thaw("attic")
    server.wait(lambda: server.asked("attic"), "the data is fresh")
    assert read(one)["ups"]["load"] == 12
    assert set(read(every)) == {"ups-office", "ups-attic"}


def test_every_variable_is_shown_with_its_quantity(made):
    rows = {row["label"]: row for row in made(ups="office").read_raw()}
    assert rows["battery.charge"] == {
        "label": "battery.charge",
        "text": "97",
        "quantity": "state_of_charge",
        "value": 97,
        "meaning": "",
    }
    assert rows["ups.status"]["value"] == 33
    assert rows["driver.name"]["quantity"] == ""
    assert any(row["label"] == "ups-attic ups.load" for row in made().read_raw())


def test_a_user_and_a_password_are_told_but_no_login_is_made(tmp_path, made):
    (tmp_path / "nut-password").write_text('se"cret\n')
    secret = Secret("nut-password", tmp_path)
    assert read(made(ups="office", user="monitor", password=secret))["ups"]["load"] == 30
    variables = b"BEGIN LIST VAR a\nEND LIST VAR a\n"
    with Talker(lambda asked: [variables if "LIST" in asked else b"OK\n"]) as talker:
        source = made_for(talker.line, ups="a", user="me", password=secret)
        assert read(source) == {}
        source.close()
    assert talker.asked == ['USERNAME "me"', r'PASSWORD "se\"cret"', "LIST VAR a"]


def test_without_its_password_nothing_is_asked(tmp_path):
    with Talker(lambda _: [b"ERR ACCESS-DENIED\n"]) as talker:
        source = made_for(talker.line, user="me", password=Secret("no-such", tmp_path))
        with pytest.raises(SecretMissing, match="'no-such' is not found"):
            source.open()
        assert talker.asked == []
        (tmp_path / "no-such").write_text("one\ntwo")
        with pytest.raises(DeviceRefused, match="is not one line of text"):
            source.open()
        (tmp_path / "no-such").write_text("one")
        for _ in range(2):  # not taken for logged in
            with pytest.raises(DeviceRefused, match="USERNAME is answered 'ACCESS-DENIED'"):
                source.read(AT_MS, frozenset(source.quantities))


def test_options_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(BadOption, match="is not a line; write tcp://HOST:PORT, where PORT is 3493"):
        made_for("nas.local")
    for given, missing in (("user", "password"), ("password", "user")):
        value = {"user": "me", "password": Secret("a", tmp_path)}[given]
        with pytest.raises(BadOption, match=f"needs '{missing}'") as bad:
            made_for("tcp://a:3493", **{given: value})
        assert bad.value.option == given


def test_a_line_that_was_idle_is_made_anew(monkeypatch):
    with Talker(lambda _: [b'BEGIN LIST VAR a\nVAR a ups.load "1"\nEND LIST VAR a\n']) as talker:
        source = made_for(talker.line, ups="a")
        read(source)
        read(source)
        assert talker.connections == 1
        monkeypatch.setattr(source_module, "IDLE_S", -1.0)
        read(source)
        assert talker.connections == 2
        source.close()


def test_a_server_without_a_ups_and_one_that_is_not_there_are_told():
    with Talker(lambda _: [b"BEGIN LIST UPS\nEND LIST UPS\n"]) as talker:
        source = made_for(talker.line)
        with pytest.raises(DeviceRefused, match="the server has no UPS"):
            read(source)
        source.close()
    with pytest.raises(LineAway, match="cannot be reached"):
        made_for(talker.line).open()


# The real program


def test_scan_finds_the_server_and_writes_its_configuration(server, tmp_path, monkeypatch):
    (found,) = scanned(server.line).found
    assert "office (In the office)" in found.text
    shown = CliRunner().invoke(main, ["scan", "--line", server.line])
    assert shown.exit_code == 0, shown.output
    assert "NUT server with office (In the office), attic" in shown.stderr
    file = tmp_path / "config.yaml"
    file.write_text(shown.stdout)
    assert config.load(file).sources["ups1"].line == server.line
    told = json.loads(CliRunner().invoke(main, ["scan", "--line", server.line, "--json"]).stdout)
    assert told[0]["type"] == "nut"
    only_at(monkeypatch, [])
    monkeypatch.setattr(discover, "HERE", server.line)
    assert server.line in CliRunner().invoke(main, ["scan"]).stdout


def test_one_ups_is_named_in_what_scan_writes(server):
    one = discover.found(server.line, {"office": "In the office"})
    assert "  ups1:  # In the office\n" in render([one])
    assert "    ups: office\n" in render([one])
    none = discover.found(server.line, {})
    assert "ups:" not in render([none]).replace("'ups: NAME'", "")


def test_the_service_reads_it_and_the_command_read_shows_it(server, tmp_path):
    file = configure(tmp_path, f"  ups: {{type: nut, line: '{server.line}', every: 1s}}\n")
    shown = energy_monitor("read", "ups", "--config", file)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"ups-office +state_of_charge +97 +%", shown.stdout)
    with collector(file):
        status = wait_for_reads(tmp_path, "ups", 2)
    assert status["sources"]["ups"]["latest"]["ups-office"]["values"]["on_battery"] == 0


def test_a_change_of_the_status_is_told_once(made, server, caplog):
    caplog.set_level(logging.INFO)
    source = made(ups="office")
    try:
        for status in ("OL", "OB", "OL"):
            server.show("office", **OFFICE | {"ups__status": status})
            server.wait(
                lambda status=status: server.asked("office").get("ups.status") == status, "it shows"
            )
            read(source)
            read(source)
    finally:
        server.show("office", **OFFICE)
        server.wait(lambda: server.asked("office")["ups.status"] == "OL CHRG", "it shows")
    told = [record.message.rpartition(" ")[2] for record in caplog.records]
    assert told == ["'OL'", "'OB'", "'OL'"]
