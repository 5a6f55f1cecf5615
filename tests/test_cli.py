"""What a person types, against the real program: sentences, statuses, and no file of root's."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collector.cli import read as read_command
from collector.cli import show
from collector.cli.arguments import Time
from collector.cli.main import COMMANDS, main
from collector.cli.setup import token_files
from collector.config import load
from collector.contract import SourceOptions
from collector.demo import command as demo
from collector.errors import EnergyMonitorError, LineAway
from collector.journal.journal import Journal
from collector.journal.notes import dead_letters
from collector.journal.reader import read_all
from collector.reading import Reading, decode, encode
from collector.run import control
from collector.scalars import Seconds
from collector.status import JournalStatus, LatestReading, SourceStatus, Status, from_json
from tests.fakes.running import (
    ask,
    collector,
    configure,
    energy_monitor,
    wait_for_reads,
)

HOUSE = "  house: {type: simulated, every: 100ms}\n"
NOBODY = 65534
NOWHERE = "  history: {type: influxdb, url: 'http://127.0.0.1:9', bucket: b, token: !secret gone}\n"


def typed(*words):
    """Run a command inside this process; return what click's runner returns."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


DERIVED = {"energy", "counter_event"}


def stored(folder, device):
    readings = (decode(line) for _, line in read_all(folder / "journal" / "log"))
    return [each for each in readings if each.device == device and each.kind not in DERIVED]


def journal_with(folder, count):
    folder.mkdir(exist_ok=True)
    journal = Journal(folder / "journal", "boot", ["history"])
    journal.open()
    readings = [
        Reading("electricity", "old", 1000 * n, {"voltage": n}) for n in range(1, count + 1)
    ]
    journal.append([encode(each) for each in readings])
    journal.close()


def refused(folder, *entries):
    file = folder / "journal" / "dead-letters" / "history.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return file


def letter(n=1):
    return {"at": "t", "reason": "no", "reading": f"electricity,device=refused v={n}.0 {n}000"}


# The list of commands


def test_the_help_lists_every_command_with_a_sentence_that_is_not_cut_off():
    folder = Path(__file__).parent.parent / "collector" / "cli"
    files = [each for each in folder.glob("*.py") if each.stem != "main"]
    own = {
        each.stem
        for each in files
        if f"def {each.stem}(" in (text := each.read_text()) and re.search("@click.(comm|gr)", text)
    }
    assert {each.replace("_", "-") for each in own} == set(COMMANDS)
    shown = typed("--help").stdout
    for name, sentence in COMMANDS.items():
        assert re.search(rf"(?m)^  {name} +{re.escape(sentence)}$", shown), name
        assert typed(name, "--help").exit_code == 0


def test_an_unknown_command_gets_the_likely_one():
    shown = typed("chekc")
    assert shown.exit_code == 2
    assert "there is no command 'chekc'; did you mean 'check'?" in shown.stderr


def test_the_help_imports_no_command():
    script = "import sys, collector.cli.main; print(*(m for m in sys.modules if 'collector' in m))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "collector.cli.main" in done.stdout
    assert not {"collector.cli.read", "collector.config"} & set(done.stdout.split())


# Files and rights


@pytest.mark.parametrize(("option", "status"), [("data_dir", 74), ("runtime_dir", 1)])
def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, option, status):
    (tmp_path / "file").touch()
    file = configure(tmp_path, HOUSE)
    file.write_text(file.read_text().replace(f"{option}: {tmp_path}", f"{option}: {tmp_path}/file"))
    ended = energy_monitor("run", "--config", file)
    assert ended.returncode == status
    assert f"{tmp_path}/file" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_error_of_the_system_is_a_sentence_with_the_way_out(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", "/etc/energy-monitor/x")

    monkeypatch.setattr("collector.cli.check.read", denied)
    shown = typed("check", "--config", tmp_path / "config.yaml")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("/etc/energy-monitor/x: Permission denied: try 'sudo energy-mon")


def test_a_reader_who_leaves_is_no_error(tmp_path):
    journal_with(tmp_path, 20_000)
    words = "energy-monitor journal export --data-dir"
    command = (
        f"set -o pipefail; python -m {words.replace('energy-monitor', 'collector.cli')} {tmp_path}"
    )
    ended = subprocess.run(
        ["bash", "-c", f"PATH={Path(sys.executable).parent}:$PATH; {command} | head -n 1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "time,kind,device,quantity,value\n"
    assert ended.stderr == ""


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01", "9999-12-31T23:59:59+00:00", "∞"])
def test_a_time_is_read_or_told_to_be_none(text):
    shown = typed("journal", "export", "--data-dir", "/nonexistent", "--since", text)
    assert shown.exit_code in (1, 2)
    assert "is not a time; write" in shown.stderr or "there is no journal" in shown.stderr


# The journal


def test_none_of_the_last_readings_is_nothing(tmp_path):
    journal_with(tmp_path, 30)
    assert typed("journal", "tail", "--data-dir", tmp_path, "-n", 0).stdout == ""
    assert len(typed("journal", "tail", "--data-dir", tmp_path, "-n", 3).stdout.splitlines()) == 3
    assert typed("journal", "tail", "--data-dir", tmp_path, "-n", -1).exit_code == 2


def test_following_without_the_last_ones_shows_only_what_comes(tmp_path):
    file = configure(tmp_path, HOUSE)
    journal_with(tmp_path, 30)
    tail = ["journal", "tail", "-n", 0, "-f", "--config", file]
    with (
        collector(file),
        subprocess.Popen(
            [sys.executable, "-m", "collector.cli", *map(str, tail)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()
    assert "device=old" not in line
    assert "device=" in line


def test_until_the_beginning_of_time_is_nothing(tmp_path):
    journal_with(tmp_path, 3)
    export = ["journal", "export", "--format", "lp", "--data-dir", tmp_path]
    assert typed(*export, "--until", "1970-01-01T00:00:00Z").stdout == ""
    assert len(typed(*export, "--until", "1970-01-01T00:00:02Z").stdout.splitlines()) == 1
    assert Time().convert("1970-01-01T00:00:00Z", None, None) == 0


def test_a_row_of_csv_says_each_value_as_a_float(tmp_path):
    values = {"voltage": 230.1, "active_power": -412, "active_energy": 10**16, "current": 1e-07}
    journal = Journal(tmp_path / "journal", "boot")
    journal.open()
    journal.append([encode(Reading("electricity", "mains", 1_763_654_400_123, values))])
    journal.close()
    start = "2025-11-20T16:00:00.123Z,electricity,mains"
    assert typed("journal", "export", "--data-dir", tmp_path).stdout.splitlines()[1:] == [
        f"{start},{quantity},{float(value)!r}" for quantity, value in values.items()
    ]


@pytest.mark.parametrize("name", ["other", "../x", "history/../history", ""])
def test_an_output_that_is_not_known_is_told_with_those_that_are(tmp_path, name):
    file = configure(tmp_path, HOUSE, NOWHERE)
    refused(tmp_path, letter())
    for words in (["dead-letters", name], ["replay", name, "--since", "2025-01-01"]):
        shown = typed("journal", *words, "--config", file)
        if name or words[0] == "replay":
            assert shown.exit_code == 1
            assert f"no output named {name!r}; known: history" in shown.stderr


@pytest.mark.parametrize("running", [True, False])
def test_refused_readings_are_sent_again_also_beside_damaged_entries(tmp_path, running):
    file = configure(tmp_path, HOUSE, NOWHERE)
    journal_with(tmp_path, 1)
    letters = refused(
        tmp_path, {"at": "t"}, letter(1), {"reading": 7}, *map(letter, range(2, 2500))
    )
    resend = ["journal", "dead-letters", "history", "--resend", "--config", file]
    if running:
        with collector(file):
            wait_for_reads(tmp_path, "house")
            shown = energy_monitor(*resend)
    else:
        shown = typed(*resend)
    assert "history: 2499 readings will be sent again" in shown.stdout
    assert "history  t  ?" in shown.stdout
    assert [each.values["v"] for each in stored(tmp_path, "refused")] == [*range(1, 2500)]
    assert not letters.exists()


@pytest.mark.parametrize("running", [True, False])
def test_a_damaged_reading_stops_sending_again_and_the_list_stays(tmp_path, running):
    file = configure(tmp_path, HOUSE, NOWHERE)
    journal_with(tmp_path, 1)
    letters = refused(tmp_path, letter(1), {"at": "t", "reason": "no", "reading": "x"})
    resend = ["journal", "dead-letters", "history", "--resend", "--config", file]
    if running:
        with collector(file):
            wait_for_reads(tmp_path, "house")
            shown = energy_monitor(*resend)
            assert ask(tmp_path)["sources"]["house"]["reads"]
        status = shown.returncode
    else:
        shown = typed(*resend)
        status = shown.exit_code
    assert status == 1
    assert "not a reading as the journal writes it: 'x'" in shown.stderr
    assert f"remove it from {letters}" in shown.stderr
    assert stored(tmp_path, "refused") == []
    assert len(list(dead_letters(tmp_path / "journal", "history"))) == 2


def test_a_full_disk_leaves_the_list_where_it_is(tmp_path, monkeypatch):
    file = configure(tmp_path, HOUSE, NOWHERE)
    journal_with(tmp_path, 1)
    letters = refused(tmp_path, letter())
    monkeypatch.setattr(Journal, "resend", lambda *_: 0)
    shown = typed("journal", "dead-letters", "history", "--resend", "--config", file)
    assert shown.exit_code == 1
    assert "the disk is full: the readings stay" in shown.stderr
    assert letters.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_what_root_does_to_a_stopped_journal_belongs_to_its_owner(open_folder):
    file = configure(open_folder, HOUSE, NOWHERE)
    journal_with(open_folder, 10)
    refused(open_folder, letter())
    journal = open_folder / "journal"
    for path in (journal, *journal.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    replay = ["journal", "replay", "history", "--since", "1970-01-01T00:00:00Z", "--config", file]
    assert typed(*replay).exit_code == 0
    resend = ["journal", "dead-letters", "--resend", "--config", file]
    assert "1 readings will be sent again" in typed(*resend).stdout
    assert (journal / "cursors" / "history").exists()
    assert {path.owner() for path in journal.rglob("*")} == {journal.owner()}
    assert {path.group() for path in journal.rglob("*")} == {journal.group()}
    assert os.geteuid() == 0


def test_a_journal_that_is_not_there_is_not_made(tmp_path):
    file = configure(tmp_path, HOUSE, NOWHERE)
    shown = typed("journal", "replay", "history", "--since", "2025-01-01", "--config", file)
    assert shown.exit_code == 1
    assert "there is no journal in" in shown.stderr
    assert not (tmp_path / "journal").exists()


def test_a_service_that_does_not_answer_keeps_its_journal(tmp_path, monkeypatch):
    file = configure(tmp_path, HOUSE, NOWHERE)
    journal_with(tmp_path, 1)
    monkeypatch.setattr(control, "ANSWER_WITHIN_S", 0.2)
    with control.listen(tmp_path / "control.sock"):
        shown = typed("journal", "replay", "history", "--since", "2025-01-01", "--config", file)
    assert shown.exit_code == 1
    assert "is running, but did not answer" in shown.stderr


# Reading once


def test_one_reading_is_what_the_service_would_store(tmp_path, monkeypatch):
    source = (
        "  house:\n    type: simulated\n    quantities: [active_energy_import, voltage]\n"
        "    rename: {active_energy_import: active_energy}\n"
    )
    file = configure(tmp_path, source)
    shown = typed("read", "house", "--json", "--config", file)
    assert set(json.loads(shown.stdout)["values"]) == {"active_energy", "voltage"}
    impossible = {"voltage": 9e9, "active_energy_import": 1.0}
    monkeypatch.setattr(
        "collector.sources.simulated.source.Simulated.values", lambda *_: impossible
    )
    shown = typed("read", "house", "--json", "--config", file)
    assert set(json.loads(shown.stdout)["values"]) == {"active_energy"}
    assert "house: 1 value left out: cannot be true, the last voltage = 9e+09 V" in shown.stderr
    assert not (tmp_path / "journal").exists()


def test_watching_goes_on_after_a_missed_answer_and_says_why(tmp_path, monkeypatch, capsys):
    intake = read_command.find_intake(load(configure(tmp_path, HOUSE)), "house")
    (feed,) = intake.feeds
    answers: list[Any] = [LineAway("unplugged"), feed.source.read, KeyboardInterrupt()]
    opened: list[bool] = []
    monkeypatch.setattr(feed.source, "open", lambda: opened.append(True))

    def read(*arguments):
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer(*arguments)

    monkeypatch.setattr(feed.source, "read", read)
    with pytest.raises(KeyboardInterrupt):
        read_command.read_on(
            intake, SourceOptions(type="simulated", every=Seconds(0.01)), as_json=True
        )
    told = capsys.readouterr()
    assert told.err == "house: unplugged\n"
    assert json.loads(told.out)["device"] == "house"
    assert len(opened) == 2


# Meters


def test_a_line_that_is_none_is_told():
    shown = typed("scan", "--line", "bogus://x")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("'bogus://x' is not a line; it begins with ")


def test_the_owners_device_maps_are_listed_and_scanned_for(tmp_path, monkeypatch):
    (tmp_path / "devices").mkdir()
    ours = Path(__file__).parent.parent / "collector" / "devices" / "modbus" / "orno-we-515.yaml"
    (tmp_path / "devices" / "acme-m1.yaml").write_text(ours.read_text())
    config = ["--config", tmp_path / "config.yaml"]
    assert "acme-m1" in typed("models", *config).stdout
    assert "REGISTER" in typed("models", "acme-m1", *config).stdout
    assert "acme-m1" not in typed("models", "--config", tmp_path / "elsewhere" / "c.yaml").stdout
    asked = {}
    monkeypatch.setattr("collector.scan.scan.scan", lambda *_, **named: asked.update(named) or [])
    assert typed("scan", "--line", "/dev/null", *config).exit_code == 1
    assert asked["device_dirs"] == [tmp_path / "devices"]


def test_a_devices_folder_that_cannot_be_read_is_told_and_the_rest_is_listed(tmp_path):
    (tmp_path / "devices").touch()
    shown = typed("models", "--config", tmp_path / "config.yaml")
    assert shown.exit_code == 0
    assert "orno-we-515" in shown.stdout
    assert "your own device maps are left out" in shown.stderr


# Status


def test_values_that_were_left_out_are_in_the_table_of_the_status(tmp_path):
    with collector(configure(tmp_path, HOUSE)):
        status = wait_for_reads(tmp_path, "house", 2)
    assert "cannot be true" not in show.status(from_json(status))
    status["sources"]["house"] |= {"out_of_range": 3, "last_out_of_range": "voltage = 999 V"}
    text = show.status(from_json(status))
    assert "house: 3 impossible values were left out, the last voltage = 999 V" in text


# The demo


def test_only_one_demo_runs_in_a_folder(tmp_path):
    with (
        demo.alone_in(tmp_path),
        pytest.raises(EnergyMonitorError, match="a demo is running in"),
        demo.alone_in(tmp_path),
    ):
        pass
    with demo.alone_in(tmp_path):
        pass


def test_the_demo_tells_of_a_reading_whose_lateness_is_not_known_yet():
    values = {"active_power": 1.0}
    mains = SourceStatus(latest={"mains": LatestReading(values=values)})
    answer = Status(sources={"mains": mains}, journal=JournalStatus(readings=1))
    assert "0 skipped, 1 reading in the journal" in demo.sentence(answer)


# Setting up InfluxDB


def test_tokens_go_where_the_output_looks_for_them(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "out.yaml").write_text(
        "outputs:\n  history: {type: influxdb, url: 'http://a', bucket: b, token: !secret w}\n"
    )
    file = configure(tmp_path, HOUSE, extra="import: [more/out.yaml]\n")
    output = load(file).outputs["history"]
    secrets = tmp_path / "more" / "secrets"
    assert token_files("history", output) == {
        "write": secrets / "w",
        "read": secrets / "influxdb-read-token",
    }
    text = (tmp_path / "more" / "out.yaml").read_text()
    (tmp_path / "more" / "out.yaml").write_text(text.replace("}", ", read_token: !secret w}"))
    shown = typed("setup", "influxdb", "--config", file)
    assert shown.exit_code == 1
    assert "must be different secrets" in shown.stderr
