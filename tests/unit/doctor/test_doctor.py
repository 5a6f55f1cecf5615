"""The doctor's checks: what each says of a small tree, and that none hangs, raises or is silent."""

import base64
import json
import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.clock import utc
from collector.contract import OutputOptions, RenameOptions, SelectOptions
from collector.doctor import (
    access,
    clock,
    configuration,
    disk,
    examine,
    journal,
    lines,
    machine,
    outputs,
    secrets,
    sources,
    stack,
    stored,
    units,
)
from collector.doctor.case import run
from collector.doctor.finding import SEVERITIES, CannotTell, Finding
from collector.run.identity import installation, make_installation
from collector.status import ClockStatus, JournalStatus, LatestReading
from tests.fakes.doctor_case import (
    COMPOSE,
    HISTORY,
    HOUSE,
    STACK_IS_ON,
    a_source,
    a_status,
    an_output,
    fill_journal,
    open_in,
    plant,
    programs,
)
from tests.fakes.http_answers import Reply, serving
from tests.fakes.running import (
    ask,
    collector,
    configure,
    energy_monitor,
    wait_for,
    wait_for_reads,
)
from tests.servers import influxd
from tests.unit.sources import test_host

ROOT = Path(__file__).parents[3]
GIB = 1 << 30
METER = "  mains: {type: modbus, line: /dev/ttyUSB0, model: orno-we-515}\n"
PASSWD = "root:x:0:0::/root:/bin/sh\nenergy-monitor:x:990:990::/:/usr/sbin/nologin\n"


@pytest.fixture
def case(tmp_path, monkeypatch):
    """Return a function that makes a case: of files, a source, an output, a status …"""
    monkeypatch.setattr(access, "DEFAULT_FILE", tmp_path / "etc/config.yaml")
    return partial(open_in, tmp_path)


def found(check, opened):
    """Return what one check finds, a check that cannot be done like the doctor itself."""
    ((_, findings),) = examine.examine(opened, {"": (check,)})
    return findings


def only(check, opened):
    (finding,) = found(check, opened)
    return finding


# --- no check hangs, none raises, none is silently left out ------------------------------------


def says(*findings):
    def check(_):
        yield from findings

    return check


def test_a_check_that_raises_or_hangs_is_told_and_the_others_are_heard(case):
    def breaks(_):
        yield Finding("ok", "before")
        raise ZeroDivisionError("by zero")

    def hangs(_):
        yield Finding("ok", "begun")
        time.sleep(60)

    good = says(Finding("ok", "fine"))
    areas = {"bad": (breaks, hangs, good), "good": (good,)}
    told = dict(examine.examine(case(), areas, patience_s=0.3))
    assert [each.what for each in told["bad"]] == [
        "before",
        "the check 'breaks' failed: ZeroDivisionError: by zero",
        "begun",
        "the check 'hangs' takes too long: left out",
        "fine",
    ]
    assert told["good"] == [Finding("ok", "fine")]


def test_on_a_machine_with_nothing_on_it_every_area_still_says_something(case):
    told = dict(examine.examine(case({}, METER), examine.AREAS))
    assert set(told) == set(examine.AREAS)
    assert all(told.values())
    assert not [
        each for many in told.values() for each in many if "mistake in the doctor" in each.why
    ]


def test_every_finding_that_is_not_well_says_why_or_what_to_do(case):
    told = dict(examine.examine(case({}, METER), examine.AREAS))
    for each in (each for many in told.values() for each in many):
        assert each.severity in {"ok", "unknown"} or (each.why and each.mend), each


def test_a_program_that_fails_is_missing_or_hangs_says_so(monkeypatch):
    with pytest.raises(CannotTell, match="no-such-program is not installed"):
        run(["no-such-program"])
    with pytest.raises(CannotTell, match=r"'ls /no/such' failed: .*No such file"):
        run(["ls", "/no/such"])
    monkeypatch.setattr("collector.doctor.case.COMMAND_S", 0.1)
    with pytest.raises(CannotTell, match="did not finish within"):
        run(["sleep", "60"])
    assert run(["echo", "yes"]) == "yes\n"


# --- configuration -----------------------------------------------------------------------------


def test_every_fault_of_the_configuration_is_an_error_with_its_line(case):
    opened = case({}, "  house: {type: simulated, evry: 1s}\n", extra="sitee: x\n")
    first, second = found(configuration.form, opened)
    assert first.severity == second.severity == "error"
    assert "config.yaml:5: sitee: unknown option" in first.what
    assert "sources.house.evry" in second.what
    assert "energy-monitor check" in first.mend


def test_what_only_building_the_sources_shows_is_a_fault_too(case):
    opened = case({}, "  mains: {type: modbus, line: /dev/x, model: orno-we515}\n")
    assert "did you mean 'orno-we-515'" in only(configuration.form, opened).what


def test_a_secret_that_is_missing_or_open_to_all_is_told(case, tmp_path):
    opened = case({}, output=HISTORY.format(url="http://localhost:1"))
    plant(tmp_path / "etc/secrets", {"influxdb-token": "abc", "influxdb-read-token": ""})
    (tmp_path / "etc/secrets/influxdb-token").chmod(0o644)
    (tmp_path / "etc/secrets/influxdb-read-token").chmod(0o600)
    empty, readable = found(secrets.stored, opened)
    assert "read_token: secret 'influxdb-read-token' is empty" in empty.what
    assert empty.mend == "sudo energy-monitor setup influxdb"
    assert readable.severity == "warning"
    assert readable.what == f"others than their owner may read {opened.secrets / 'influxdb-token'}"
    assert readable.mend == f"sudo chmod -R u=rwX,go= {opened.secrets}"
    opened.secrets.chmod(0o700)
    (opened.secrets / "influxdb-read-token").write_text("def")
    assert only(secrets.stored, opened).severity == "ok"


def plug_in(opened, mode=0o600):
    """Have /dev/ttyUSB0 lead to a pseudo-terminal, which goes with the process of the tests."""
    _, port = os.openpty()
    os.fchown(port, -1, os.getgid())
    os.fchmod(port, mode)
    link = opened.machine.at("dev/ttyUSB0")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.ttyname(port))


# --- lines -------------------------------------------------------------------------------------


def test_a_port_that_is_not_there_is_told_with_those_that_are(case):
    opened = case({"dev/serial/by-id/usb-FTDI_A1-if00-port0": ""}, METER)
    told = only(lines.ports, opened)
    assert told.severity == "error"
    assert told.what == "mains: /dev/ttyUSB0 is not there"
    assert "/dev/serial/by-id/usb-FTDI_A1-if00-port0" in told.why


def test_a_port_with_a_number_for_a_name_gets_the_command_that_names_it_for_good(case):
    opened = case({"etc/passwd": "", "etc/group": ""}, METER)
    plug_in(opened)
    link = opened.machine.at("dev/serial/by-id/usb-FTDI_A1-if00-port0")
    link.parent.mkdir(parents=True)
    link.symlink_to("../../ttyUSB0")
    opens, number = found(lines.ports, opened)
    assert opens.severity == "ok"
    assert number.severity == "warning"
    assert "s|/dev/ttyUSB0|/dev/serial/by-id/usb-FTDI_A1-if00-port0|" in number.mend


@pytest.mark.parametrize(
    ("mode", "members", "unit", "severity"),
    [
        (0o660, "", "", "error"),
        (0o660, "pi,energy-monitor", "", "ok"),
        (0o660, "", "SupplementaryGroups=dialout\n", "ok"),
        (0o666, "", "", "ok"),
        (0o640, "energy-monitor", "", "error"),
    ],
)
def test_whether_the_service_may_open_a_port_is_told_from_owner_group_and_mode(
    case, mode, members, unit, severity
):
    group = f"dialout:x:{os.getgid()}:{members}\n"
    files = {"etc/passwd": PASSWD, "etc/group": group}
    opened = case(files, METER, run=programs(systemctl=unit))
    plug_in(opened, mode)
    told = found(lines.ports, opened)[0]
    assert told.severity == severity
    if severity == "error":
        assert "may not be opened by energy-monitor: it belongs to the group dialout" in told.what
        mend = "sudo chmod g+rw /dev/ttyUSB0" if members else "sudo usermod -aG dialout energy-mon"
        assert told.mend.startswith(mend)


@pytest.mark.parametrize(
    ("allowed", "devices", "severity"),
    [
        ("DeviceAllow=char-ttyUSB rw\n", "136 ttyUSB", "ok"),
        ("DeviceAllow=char-ttyUSB rw\nDeviceAllow=char-ttyACM rw\n", "136 ttyACM", "ok"),
        ("DeviceAllow=char-tty* rw\n", "136 ttyACM", "ok"),
        ("DeviceAllow=/dev/ttyUSB0 rw\n", "136 ttyXR", "ok"),
        ("DeviceAllow=char-ttyUSB r\n", "136 ttyUSB", "error"),
        ("DeviceAllow=char-ttyUSB rw\n", "136 ttyXR", "error"),
        ("DeviceAllow=\n", "136 ttyXR", "error"),
    ],
)
def test_a_port_whose_kind_the_unit_denies_is_told_with_the_drop_in_that_allows_it(
    case, allowed, devices, severity
):
    devices = f"Character devices:\n  4 ttyS\n{devices}\n\nBlock devices:\n136 sd\n"
    files = {"etc/passwd": PASSWD, "etc/group": "", "proc/devices": devices}
    unit = f"User=energy-monitor\nDevicePolicy=closed\n{allowed}"
    opened = case(files, METER, run=programs(systemctl=unit))
    plug_in(opened, 0o666)
    told = found(lines.ports, opened)[0]
    assert told.severity == severity, told
    if severity == "error":
        kind = devices.split("136 ")[1].split()[0]
        assert f"its unit allows no device of the kind char-{kind}" in told.what
        assert f"DeviceAllow=char-{kind} rw" in told.mend


def test_a_file_in_the_place_of_a_port_is_no_port(case):
    told = found(lines.ports, case({"dev/ttyUSB0": "ATZ"}, METER))[0]
    assert told.severity == "error"
    assert "is not a serial port but a file" in told.what


def test_a_port_of_a_login_gets_the_command_that_ends_the_login(case):
    files = {"etc/passwd": PASSWD, "etc/group": f"tty:x:{os.getgid()}:\n"}
    opened = case(files, METER)
    plug_in(opened, 0o620)
    assert found(lines.ports, opened)[0].mend.startswith(
        "sudo systemctl disable --now serial-getty"
    )


def test_an_adapter_that_holds_bytes_back_is_told_once_it_is_in_use(case):
    latency = {"sys/bus/usb-serial/devices/ttyUSB0/latency_timer": "16\n"}
    assert found(lines.adapters, case(latency, METER)) == []
    opened = case(latency, METER, status=a_status(sources={"mains": a_source()}))
    told = only(lines.adapters, opened)
    assert told.what == "/dev/ttyUSB0 holds received bytes back for 16 ms"
    assert 'ATTR{latency_timer}="1"' in told.mend


def test_the_mini_uart_is_told_where_a_parity_is_asked_of_it(case):
    model = {"sys/firmware/devicetree/base/model": "Raspberry Pi 3 Model B Plus Rev 1.3\0"}
    meter = "  mains: {type: modbus, line: /dev/ttyS0, model: orno-we-515}\n"
    told = only(lines.adapters, case(model, meter))
    assert "which knows no parity, and 9600 8E1 is asked for" in told.what
    assert "disable-bt" in told.mend


def test_a_line_that_is_asked_for_too_much_is_told(case):
    meter = METER.replace("}", ", every: 50ms}")
    told = only(lines.load, case({}, meter))
    assert told.severity == "warning"
    assert found(lines.load, case({}, METER)) == []  # of a port that is not there, no 'ok'
    opened = case({}, METER)
    plug_in(opened)
    assert only(lines.load, opened).severity == "ok"


# --- sources and clock -------------------------------------------------------------------------


def test_a_service_that_does_not_answer_is_an_error(case):
    told = only(sources.running, case())
    assert told.severity == "error"
    assert "sudo systemctl restart energy-monitor-collector" in told.mend


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, "ok", "alive, read 0.5 s ago"),
        ({"state": "silent", "last_error": "no answer"}, "error", "silent: no answer"),
        ({"state": "starting", "age_s": None}, "warning", "has not answered since"),
        ({"age_s": 7200.0}, "advice", "its newest reading is of 2 h ago"),
        ({"failures": 800}, "warning", "10.0% of 8,000 reads failed"),
        ({"skipped": 800}, "warning", "10.0% of 8,000 slots were skipped"),
        ({"out_of_range": 3, "last_out_of_range": "voltage = 9999 V"}, "warning", "voltage = 9999"),
    ],
)
def test_each_source_is_told_as_it_is(case, changes, severity, words):
    opened = case(status=a_status(sources={"house": a_source(**changes)}))
    told = found(sources.each_source, opened)
    assert examine.worst(told) == severity
    assert words in " ".join(each.what for each in told)


def test_a_source_that_the_service_does_not_know_yet_asks_for_a_reload(case):
    told = only(sources.each_source, case(status=a_status()))
    assert told.what == "house: in the configuration, but not read"
    assert told.mend == "sudo energy-monitor reload"


def test_readings_that_wait_for_the_clock_are_told(case):
    status = a_status(clock=ClockStatus(trusted=False), journal=JournalStatus(undated=1234))
    told = only(clock.synchronised, case(status=status, synchronised=lambda: False))
    assert told.severity == "warning"
    assert "1,234 readings are kept but not delivered" in told.what


def test_a_clock_that_is_right_or_was_stepped_is_told(case):
    opened = case(status=a_status(clock=ClockStatus(trusted=True, steps=2)))
    assert only(clock.synchronised, opened).severity == "ok"
    assert "stepped 2 times" in only(clock.steps, opened).what


# --- journal -----------------------------------------------------------------------------------


def test_a_journal_that_is_nearly_full_warns(case):
    opened = case(extra="journal: {max_size: 10 MB}\n", status=a_status())
    fill_journal(opened, 9_000_000)
    told = only(journal.size, opened)
    assert told.severity == "warning"
    assert told.what == "7,200 readings of 12 h in 9.0 MB of at most 10.0 MB"


def test_a_disk_that_takes_nothing_is_an_error_with_its_reason(case):
    faults = {"/data/journal/log": "Input/output error: back up now and replace the card or disk"}
    told = only(journal.taken, case(status=a_status(journal=JournalStatus(held=12, faults=faults))))
    assert told.severity == "error"
    assert told.what.startswith("/data/journal/log: Input/output error: back up now")
    assert "12 readings are only in memory" in told.why
    assert only(journal.taken, case(status=a_status())).severity == "ok"


def test_losses_are_told_by_cause_and_only_new_ones_warn(case):
    opened = case()
    long_ago = utc((datetime.now(UTC) - timedelta(days=90)).timestamp() * 1000)
    now = utc(time.time() * 1000)
    torn = {"at": long_ago, "cause": "torn", "readings": 9}
    damaged = {"at": now, "cause": "damaged", "readings": 2000}
    fill_journal(opened, losses=[torn, torn, damaged])
    old, new = found(journal.losses, opened)
    assert old.severity == "ok"
    assert old.what.startswith("18 readings were lost: torn")
    assert "power cut" in old.why
    assert new.severity == "warning"
    assert new.what.startswith("2,000 readings were lost: damaged")
    assert "dmesg" in new.mend


def test_refused_readings_are_told_with_the_last_reason(case):
    opened = case(output=HISTORY.format(url="http://localhost:1"))
    letter = {"at": utc(0), "reason": "field type conflict", "reading": "x"}
    fill_journal(opened, letters=[letter, letter])
    told = only(journal.dead_letters, opened)
    assert "2 readings were refused for ever" in told.what
    assert "field type conflict" in told.what
    assert told.mend.startswith("energy-monitor journal dead-letters history")


def test_a_journal_that_is_not_there_yet_says_so_once(case):
    ((_, told),) = examine.examine(case(), {"journal": journal.CHECKS})
    assert [each.severity for each in told] == ["unknown"]
    assert "there is no journal in" in told[0].what


# --- outputs and what is stored ----------------------------------------------------------------


def behind(case, monkeypatch, first, second, seconds=2):
    """Tell what is said of a backlog of *first*, and *seconds* later of *second*."""
    monkeypatch.setattr(outputs, "BETWEEN_SAMPLES_S", 0)
    status = a_status(outputs={"history": an_output(backlog=first, backlog_s=9000)})
    later = a_status(
        now_ms=status.now_ms + seconds * 1000,
        outputs={"history": an_output(backlog=second, backlog_s=8990)},
    )
    opened = case(output=HISTORY.format(url="http://localhost:1"), status=status)
    monkeypatch.setattr("collector.doctor.case.ask", lambda _: (later, None))
    return only(outputs.delivering, opened)


def test_a_backlog_says_when_it_will_be_gone(case, monkeypatch):
    told = behind(case, monkeypatch, 100_000, 90_000)
    assert told.severity == "ok"
    assert "90,000 readings behind" in told.what
    assert "it gains 5,000 a second and is done in 18 s" in told.what


def test_a_backlog_that_grows_warns(case, monkeypatch):
    told = behind(case, monkeypatch, 100_000, 100_002)
    assert told.severity == "warning"
    assert "it gains nothing" in told.what


def test_an_output_that_is_away_says_why_and_how_long_the_journal_has_room(case):
    held = JournalStatus(readings=86_400, bytes=10_000_000, days=1.0)
    gone = an_output(state="away", backlog=500, since_ms=0, last_error="Connection refused")
    output = HISTORY.format(url="http://localhost:1")
    opened = case(output=output, status=a_status(outputs={"history": gone}, journal=held))
    told = only(outputs.delivering, opened)
    assert told.severity == "error"
    assert "Connection refused" in told.what
    assert told.why.endswith("the journal has room for another 199 d.")
    assert told.mend.startswith("curl -i http://localhost:1/health")
    plant(opened.machine.root, STACK_IS_ON)
    assert only(outputs.delivering, opened).mend == "sudo systemctl restart energy-monitor-stack"


def test_an_output_that_speaks_no_http_is_not_asked_by_curl(case):
    gone = an_output(state="away", backlog=500, since_ms=0, last_error="Connection refused")
    output = (
        "  history: {type: postgresql, url: 'postgresql://localhost:5432', database: energy, "
        "password: !secret postgresql-password}\n"
    )
    opened = case(output=output, status=a_status(outputs={"history": gone}))
    assert only(outputs.delivering, opened).mend.startswith("journalctl")


def test_an_output_to_another_web_server_is_asked_at_its_own_address(case):
    gone = an_output(state="away", backlog=500, since_ms=0, last_error="Connection refused")
    output = "  history: {type: emoncms, url: 'http://localhost/a$(b)', key: !secret emoncms-key}\n"
    opened = case(output=output, status=a_status(outputs={"history": gone}))
    plant(opened.machine.root, STACK_IS_ON)
    mend = only(outputs.delivering, opened).mend
    assert mend == "curl -i 'http://localhost/a$(b)'    # is it running there?"


def test_a_login_that_a_broker_refuses_is_mended_by_its_password(case):
    refused = "Not authorized; store the right password with 'sudo energy-monitor secret set {}'"
    output = "  history: {type: mqtt, url: 'mqtt://localhost', user: u, password: !secret pass}\n"
    mends = []
    for name in ("pass", "pass-2"):
        gone = an_output(state="away", since_ms=0, last_error=refused.format(name))
        opened = case(output=output, status=a_status(outputs={"history": gone}))
        mends.append(only(outputs.delivering, opened).mend)
    assert "energy-monitor secret set pass" in mends[0]
    assert mends[1].startswith("journalctl")


def test_an_output_that_failed_is_a_bug_to_report(case):
    broken = an_output(state="failed", backlog=500, last_error="KeyError: 'x'")
    output = HISTORY.format(url="http://localhost:1")
    told = only(
        outputs.delivering, case(output=output, status=a_status(outputs={"history": broken}))
    )
    assert told.severity == "error"
    assert told.what == "history: failed, an internal error: KeyError: 'x'"
    assert "please report it" in told.mend


@pytest.mark.parametrize(
    ("reply", "severity", "words"),
    [
        (Reply(200, b'{"status":"pass","version":"v2.9.1"}'), "ok", "InfluxDB 2.9.1 at"),
        (Reply(503, b"starting"), "warning", "answered 503"),
        (Reply(302, b"", {"Location": "http://localhost/"}), "warning", "answered 302"),
    ],
)
def test_influxdb_is_told_as_it_answers(case, reply, severity, words):
    with serving(lambda _: reply) as server:
        told = only(outputs.reachable, case(output=HISTORY.format(url=server.url)))
    assert told.severity == severity
    assert words in told.what


def test_influxdb_that_does_not_answer_is_an_error(case):
    told = only(outputs.reachable, case(output=HISTORY.format(url="http://127.0.0.1:1")))
    assert told.severity == "error"
    assert "does not answer: it cannot be reached: Connection refused" in told.what


def influxql(**newest_ms):
    series = [
        {"name": "electricity", "tags": {"device": name}, "columns": ["time"], "values": [[at_ms]]}
        for name, at_ms in newest_ms.items()
    ]
    result = {"statement_id": 0} | ({"series": series} if series else {})
    return Reply(200, json.dumps({"results": [result]}).encode())


def asked_for_stored(case, reply, **source):
    """Tell what is said of the source 'house' when the database answers *reply*."""
    status = a_status(sources={"house": a_source(**source)}, outputs={"history": an_output()})
    with serving(lambda _: reply) as server:
        opened = case(output=HISTORY.format(url=server.url), status=status)
        plant(opened.secrets, {"influxdb-token": "w", "influxdb-read-token": "r"})
        return only(stored.stored, opened)


def test_what_is_stored_is_looked_for_as_the_output_selects_and_renames_it():
    status = a_source(
        latest={
            name: LatestReading(kind="electricity", at_ms=at_ms, values={"voltage": 230.0})
            for name, at_ms in (("mains", 5), ("shed", 6))
        }
    )
    select, rename = SelectOptions(devices=("mains",)), RenameOptions(devices={"mains": "house"})
    options = OutputOptions(type="influxdb", select=select, rename=rename)
    assert stored.sent_to(options, status) == {"house": 5}
    assert stored.sent_to(OutputOptions(type="influxdb"), status) == {"mains": 5, "shed": 6}


def test_the_age_of_the_newest_stored_point_decides(case):
    now_ms = round(time.time() * 1000)
    assert asked_for_stored(case, influxql(house=now_ms - 5000)).severity == "ok"
    late = asked_for_stored(case, influxql(house=now_ms - 600_000))
    assert late.severity == "warning"
    assert "house in history: newest point 10 min ago" in late.what
    never = asked_for_stored(case, influxql(other=now_ms))
    assert "nothing of house is stored in the last 30 days" in never.what
    new = asked_for_stored(case, influxql(), since_ms=now_ms - 2000)
    assert new.severity == "unknown"


def test_a_source_whose_readings_are_old_by_nature_is_well_when_they_are_stored(case):
    yesterday = round(time.time() * 1000) - 86_400_000
    latest = {"house": LatestReading(kind="electricity", at_ms=yesterday)}
    told = asked_for_stored(case, influxql(house=yesterday), latest=latest)
    assert told.severity == "ok"


@pytest.mark.parametrize(
    "reply",
    [Reply(401, b'{"message":"unauthorized access"}'), Reply(200, b"<html>"), Reply(200, b"{}")],
)
def test_a_database_that_may_not_be_asked_is_told(case, reply):
    told = asked_for_stored(case, reply)
    assert told.severity == "unknown"
    assert "what is stored cannot be asked for: it answered" in told.what


def test_without_a_read_token_there_is_the_advice_to_make_one(case):
    output = HISTORY.format(url="http://localhost:1")
    told = only(
        stored.stored, case(output=output.replace(", read_token: !secret influxdb-read-token", ""))
    )
    assert told.severity == "advice"
    assert "setup influxdb history" in told.mend


def test_another_installation_that_writes_the_same_site_is_an_error(case):
    def marks(*words):
        series = [{"tags": {"installation": each}, "values": [[1, 1.0]]} for each in words]
        document = {"results": [{"statement_id": 0, "series": series}]}
        return Reply(200, json.dumps(document).encode())

    with serving(lambda _: reply) as server:
        opened = case(output=HISTORY.format(url=server.url))
        plant(opened.secrets, {"influxdb-token": "w", "influxdb-read-token": "r"})
        make_installation(opened.sound().data_dir)
        reply = marks(ours := installation(opened.sound().data_dir))
        assert found(stored.alone, opened) == []
        reply = marks(ours, "another\x1b")
        told = only(stored.alone, opened)
    assert told.severity == "error"
    assert "another installation writes site" in told.what
    assert "\x1b" not in told.what


# --- stack -------------------------------------------------------------------------------------


def test_without_a_stack_its_checks_say_so_once(case):
    ((_, told),) = examine.examine(case(), {"stack": stack.CHECKS})
    assert [each.severity for each in told] == ["unknown"]


@pytest.mark.parametrize(
    "image",
    ["influxdb", "influxdb:latest", "influxdb:2", "influxdb:2.9-alpine", "host:5000/influxdb"],
)
def test_an_image_without_an_exact_version_warns(case, image):
    compose = f"services:\n  influxdb: {{image: '{image}'}}\n  grafana: {{image: 'g:13.2.3'}}\n"
    told = only(stack.pins, case(STACK_IS_ON | {COMPOSE: compose}))
    assert told.severity == "warning"
    assert image in told.what


def test_exact_versions_and_digests_are_well_and_an_override_is_looked_at(case):
    pinned = f"postgres:18-alpine@sha256:{'0' * 64}"
    defaulted = "${INFLUXDB_IMAGE:-influxdb:2.9.1-alpine}"
    services = f"services:\n  a: {{image: '{defaulted}'}}\n  b: {{image: '{pinned}'}}\n"
    assert only(stack.pins, case(STACK_IS_ON | {COMPOSE: services})).severity == "ok"
    override = {
        COMPOSE: services,
        "etc/energy-monitor/stack.env": "INFLUXDB_IMAGE=influxdb:latest\n",
    }
    assert only(stack.pins, case(STACK_IS_ON | override)).severity == "warning"


def test_the_projects_own_images_are_pinned(case):
    ours = ROOT / "docker-compose.yml"
    if not ours.exists():
        pytest.skip("no docker-compose.yml beside this release")
    assert only(stack.pins, case(STACK_IS_ON | {COMPOSE: ours.read_text()})).severity == "ok"


def test_containers_are_told_as_docker_tells_them(case):
    printed = (
        "influxdb\tenergy-monitor-influxdb-1\trunning\tUp 3 hours (healthy)\n"
        "grafana\tenergy-monitor-grafana-1\trestarting\tRestarting (1) 5 seconds ago\n"
        "redis\tenergy-monitor-redis-1\trunning\tUp 2 minutes (unhealthy)\n"
    )
    opened = case(STACK_IS_ON, run=programs(docker=printed))
    influxdb, grafana, redis = found(stack.containers, opened)
    assert influxdb == Finding("ok", "influxdb: up 3 hours (healthy)")
    assert grafana.severity == redis.severity == "error"
    assert "docker logs --tail 20 energy-monitor-grafana-1" in grafana.mend


def test_who_may_not_ask_docker_is_told_to_be_root(case):
    denied = CannotTell("'docker ps' failed: permission denied while trying to connect")
    told = only(stack.containers, case(STACK_IS_ON, run=programs(docker=denied)))
    assert (told.severity, told.mend) == ("unknown", "sudo energy-monitor doctor")


def a_grafana(health=200, said="datasource is working. 7 measurements found", login=200):
    """Answer as Grafana 12 was seen to."""

    def answer(asked):
        if asked.path == "/api/health":
            return Reply(200, b'{"database":"ok","version":"13.2.3"}')
        wanted = base64.b64encode(b"admin:the-password-of-grafana").decode()
        if login != 200 or asked.headers.get("Authorization") != f"Basic {wanted}":
            return Reply(401, b'{"message":"Invalid username or password"}')
        if asked.path == "/api/datasources":
            return Reply(200, b'[{"uid":"influxdb","name":"InfluxDB"}]')
        return Reply(health, json.dumps({"message": said}).encode())

    return answer


@pytest.mark.parametrize(
    ("server", "severities"),
    [
        (a_grafana(), ["ok", "ok"]),
        (a_grafana(400, "unauthorized access"), ["ok", "error"]),
        (a_grafana(login=401), ["ok", "unknown"]),
        (lambda _: Reply(503, b"{}"), ["error"]),
    ],
)
def test_grafana_is_asked_how_it_and_its_data_sources_are(case, server, severities):
    with serving(server) as answers:
        opened = case(STACK_IS_ON, grafana=answers.url)
        plant(opened.secrets, {"grafana-admin": "the-password-of-grafana\n"})
        told = found(stack.grafana, opened)
    assert [each.severity for each in told] == severities
    assert "the-password-of-grafana" not in str(told)


def test_grafana_without_roll_ups_is_told_how_to_get_them(case):
    def server(asked):
        if asked.path == "/api/datasources":
            return Reply(200, b'[{"uid":"influxdb-1d","name":"InfluxDB, days"}]')
        return a_grafana(400, "unauthorized access")(asked)

    with serving(server) as answers:
        opened = case(STACK_IS_ON, grafana=answers.url)
        plant(opened.secrets, {"grafana-admin": "the-password-of-grafana\n"})
        _, told = found(stack.grafana, opened)
    assert told.severity == "warning"
    assert told.mend == "sudo energy-monitor setup influxdb --rollups"


def test_grafana_that_does_not_answer_is_an_error(case):
    told = only(stack.grafana, case(STACK_IS_ON, grafana="http://127.0.0.1:1"))
    assert told.severity == "error"


# --- units -------------------------------------------------------------------------------------


def shown(**units_shown):
    """Print units as systemctl 257 does, with --timestamp=unix."""
    plain = {
        "LoadState": "loaded",
        "UnitFileState": "enabled",
        "ActiveState": "active",
        "SubState": "running",
        "Result": "success",
        "NRestarts": "0",
        "ActiveEnterTimestamp": f"@{time.time() - 7200:.0f}",
        "LastTriggerUSec": f"@{time.time() - 600:.0f}",
    }
    blocks = []
    for name, changes in units_shown.items():
        unit = f"energy-monitor-{name.replace('_', '.')}"
        lines_shown = {"Id": unit, **plain, **changes}
        blocks.append("\n".join(f"{key}={value}" for key, value in lines_shown.items()))
    return programs(systemctl="\n\n".join(blocks) + "\n")


SYSTEMD = {"run/systemd/system/.keep": ""}


def test_without_systemd_that_is_said_and_is_no_error(case):
    for check in (units.services, units.timers, machine.system_log):
        assert only(check, case()).severity == "unknown"


def test_services_are_told_as_systemd_tells_them(case):
    failed = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code"}
    opened = case(SYSTEMD, run=shown(collector_service={}, stack_service=failed))
    good, bad = found(units.services, opened)
    assert good == Finding("ok", "energy-monitor-collector is active since 2 h")
    assert bad.severity == "error"
    assert "journalctl -u energy-monitor-stack" in bad.mend


def test_a_service_that_was_restarted_or_is_not_enabled_is_told(case):
    changed = {"NRestarts": "5", "UnitFileState": "disabled"}
    missing = {"LoadState": "not-found"}
    opened = case(SYSTEMD, run=shown(collector_service=changed, stack_service=missing))
    restarted, disabled, absent = found(units.services, opened)
    assert "restarted by systemd 5 times" in restarted.what
    assert disabled.mend == "sudo systemctl enable energy-monitor-collector"
    assert absent.severity == "unknown"


def test_timers_that_are_off_or_whose_run_failed_are_told(case):
    off = {"ActiveState": "inactive"}
    failed = {"Result": "exit-code"}
    absent = {"LoadState": "not-found"}
    run_shown = shown(
        backup_timer={},
        backup_service=failed,
        rotate_timer={},
        rotate_service={},
        upload_timer=off,
        upload_service={},
        rehearse_timer=absent,
    )
    told = found(units.timers, case(SYSTEMD, run=run_shown))
    assert [each.severity for each in told] == ["error", "ok", "advice"]
    assert told[1].what == "energy-monitor-rotate: last run 10 min ago"
    assert told[2].mend == "sudo systemctl enable --now energy-monitor-upload.timer"


# --- machine -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "severity"), [(50, "ok"), (20, "warning"), (6, "warning"), (4, "error")]
)
def test_a_disk_warns_from_80_percent_and_is_an_error_from_95(case, free, severity):
    def usage(_):
        return 100 * GIB, (100 - free) * GIB, free * GIB

    told = only(disk.disks, case(disk_usage=usage))
    assert told.severity == severity


def a_pi(size_bytes=32 * 10**9, **files):
    tree = {f"proc/{path}": text for path, text in test_host.PROC.items()}
    tree |= {f"sys/{path}": text for path, text in test_host.SYS.items()}
    tree[f"sys/{test_host.CARD}/size"] = f"{size_bytes // 512}\n"
    return tree | files


def link_card(opened):
    """Link the card's partition as /sys/dev/block does."""
    link = opened.machine.at("sys/dev/block/179:2")
    link.parent.mkdir(parents=True)
    link.symlink_to(opened.machine.at(f"sys/{test_host.CARD}/mmcblk0p2"))
    return opened


def test_a_cards_wear_is_told_in_years_with_what_is_assumed(case):
    told = only(disk.wear, link_card(case(a_pi())))
    # 8,000,000 sectors in 86,412 s: 4.1 GB a day; 32 GB, 300 times, last 6.4 years
    assert told.severity == "ok"
    assert told.what == (
        "4.1 GB are written to mmcblk0 a day: the card lasts about 6 years, if its 32.0 GB can be "
        "written 300 times over (9.6 TB)"
    )


def test_a_small_card_that_is_written_much_warns(case):
    told = only(disk.wear, link_card(case(a_pi(8 * 10**9))))
    assert told.severity == "warning"
    assert "about 2 years" in told.what


def test_what_is_written_a_day_is_not_told_in_the_first_hour(case):
    files = a_pi() | {"proc/uptime": "600.0 900.0\n"}
    told = only(disk.wear, link_card(case(files)))
    assert told.severity == "unknown"
    assert "up for 10 min" in told.what


def test_missing_limits_of_memory_are_told_with_the_command_for_this_boot_partition(case):
    files = {
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
        "boot/firmware/cmdline.txt": "console=tty1 root=PARTUUID=1 rootwait\n",
    }
    told = only(machine.memory_groups, case(files))
    assert told.severity == "advice"
    assert "/boot/firmware/cmdline.txt && sudo reboot" in told.mend
    assert only(machine.memory_groups, case(files | STACK_IS_ON)).severity == "warning"
    set_already = {**files, "boot/firmware/cmdline.txt": "rootwait cgroup_enable=memory\n"}
    assert only(machine.memory_groups, case(set_already)).mend.startswith("sudo reboot")
    good = {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}
    assert only(machine.memory_groups, case(good)).severity == "ok"


@pytest.mark.parametrize(
    ("total", "swap", "area", "severity"),
    [
        (926_000, 0, "", "warning"),
        (926_000, 463_000, "/dev/zram0", "ok"),
        (926_000, 102_396, "/var/swap", "advice"),
        (3_884_344, 0, "", "ok"),
    ],
)
def test_a_small_machine_wants_swap_and_not_on_its_card(case, total, swap, area, severity):
    swaps = "Filename\tType\tSize\tUsed\tPriority\n" + (
        f"{area} file {swap} 0 -2\n" if area else ""
    )
    meminfo = f"MemTotal: {total} kB\nSwapTotal: {swap} kB\n"
    told = only(machine.swap, case({"proc/meminfo": meminfo, "proc/swaps": swaps}))
    assert told.severity == severity


@pytest.mark.parametrize(
    ("bits", "severities"),
    [
        ("0", ["ok"]),
        ("1", ["error"]),
        ("50005", ["error", "warning"]),
        ("50000", ["warning", "advice"]),
    ],
)
def test_low_voltage_is_an_error_now_and_a_warning_since_the_start(case, bits, severities):
    told = found(machine.power, case({f"sys/{test_host.THROTTLED}": f"{bits}\n"}))
    assert [each.severity for each in told] == severities


def test_a_32_bit_system_is_told_what_it_cannot_do(case):
    assert only(machine.word_size, case(bits=32)).severity == "advice"
    assert only(machine.word_size, case(bits=64)).severity == "ok"


def test_a_system_log_without_a_limit_gets_the_command_that_sets_one(case):
    kept = {**SYSTEMD, "var/log/journal/.keep": ""}
    told = only(machine.system_log, case(kept))
    assert told.severity == "advice"
    assert "SystemMaxUse=200M" in told.mend
    limit = {"etc/systemd/journald.conf.d/energy-monitor.conf": "[Journal]\nSystemMaxUse=200M\n"}
    assert "200M at most" in only(machine.system_log, case(kept | limit)).what


def test_a_system_log_in_memory_needs_no_limit(case):
    files = {**SYSTEMD, "usr/lib/systemd/journald.conf.d/40-rpi.conf": "Storage=volatile\n"}
    assert "in memory" in only(machine.system_log, case(files)).what


# --- the command ------------------------------------------------------------------------------


def test_the_exit_status_is_that_of_the_gravest_finding(tmp_path, monkeypatch):
    file = configure(tmp_path, HOUSE)
    for severity in SEVERITIES:
        status = {"warning": 1, "error": 2}.get(severity, 0)
        told = Finding(severity, "what it is", "why it matters", "the command")
        monkeypatch.setattr(examine, "AREAS", {"lines": (says(Finding("ok", "x"), told),)})
        done = CliRunner().invoke(main, ["doctor", "--config", str(file)])
        assert done.exit_code == status, done.output
        assert "LINES\n  ok       x\n" in done.output
        assert f"  {severity:<8} what it is\n           why it matters\n" in done.output
        assert "           → the command\n" in done.output
        done = CliRunner().invoke(main, ["doctor", "--json", "--config", str(file)])
        assert json.loads(done.output)["severity"] == severity
        assert json.loads(done.output)["findings"][1] == {
            "area": "lines",
            "severity": severity,
            "what": "what it is",
            "why": "why it matters",
            "mend": "the command",
        }


# --- the whole, against a running service ------------------------------------------------------


def test_a_running_service_without_outputs_is_found_well(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file):
        wait_for_reads(tmp_path, "house")
        done = energy_monitor("doctor", "--json", "--config", file)
    told = json.loads(done.stdout)["findings"]
    by_area = {area: [each for each in told if each["area"] == area] for area in examine.AREAS}
    assert [each["severity"] for each in by_area["sources"]] == ["ok", "ok"]
    assert {each["severity"] for each in by_area["journal"]} == {"ok"}
    assert not [each for each in told if each["severity"] == "error" and each["area"] != "machine"]


def test_from_the_simulated_meter_to_a_real_influxdb_all_is_found_well(tmp_path):
    (tmp_path / "influxd").mkdir()
    with influxd.running(tmp_path / "influxd", set_up=False) as influx:
        output = HISTORY.format(url=influx.url).replace(
            "bucket:", "org: home, every: 200ms, bucket:"
        )
        file = configure(tmp_path, HOUSE, output)
        done = energy_monitor("setup", "influxdb", "--config", file)
        assert done.returncode == 0, done.stderr
        with collector(file):
            wait_for(lambda: ask(tmp_path)["outputs"]["history"]["delivered"], "it is delivered")
            done = energy_monitor("doctor", "--json", "--config", file)
    told = [each for each in json.loads(done.stdout)["findings"] if each["area"] == "outputs"]
    assert {each["severity"] for each in told} == {"ok"}, told
    assert "house in history: newest point" in told[-1]["what"]
    assert "InfluxDB 2." in told[1]["what"]
