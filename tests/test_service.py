"""The service as a whole: it starts, is killed, is asked, is stopped, and nothing is lost."""

import json
import random
import signal
import socket
import threading
import time
from contextlib import suppress
from itertools import pairwise

import pytest

from collector.errors import EnergyMonitorError
from collector.journal.reader import read_all
from collector.reading import decode
from collector.run.control import short_name
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for, wait_for_reads

HOUSE = "  house: {type: simulated, every: 100ms}\n"
KILLS = 100
AT_ONCE = 2


DERIVED = {"energy", "counter_event"}


def stored(folder, device="house"):
    readings = (decode(line) for _, line in read_all(folder / "journal" / "log"))
    return [each for each in readings if each.device == device and each.kind not in DERIVED]


def test_it_reads_answers_and_stops_within_five_seconds(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file) as process:
        status = wait_for_reads(tmp_path, "house", 3)
        assert status["problems"] == []
        assert status["sources"]["house"]["latest"]["house"]["values"]["voltage"] > 200
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5
    assert len(stored(tmp_path)) >= 3
    assert not (tmp_path / "control.sock").exists()


def test_a_storm_of_signals_ends_it_once_and_well(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file) as process:
        wait_for_reads(tmp_path, "house", 3)
        while process.poll() is None:
            process.send_signal(random.choice([signal.SIGTERM, signal.SIGINT]))
        assert process.returncode == 0
    assert len(stored(tmp_path)) >= 3


def test_a_systemd_that_does_not_listen_holds_nothing_up(tmp_path):
    file = configure(tmp_path, HOUSE)
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(address)
        deaf.setblocking(False)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    other.sendto(b"x", address)
        with collector(file, NOTIFY_SOCKET=address, WATCHDOG_USEC="soon") as process:
            wait_for_reads(tmp_path, "house", 3)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.mark.slow
def test_killed_a_hundred_times_it_lacks_only_the_time_it_was_down(tmp_path):
    results: list[list[tuple[float, float]]] = [[] for _ in range(AT_ONCE)]
    threads = [
        threading.Thread(target=kill_again_and_again, args=(tmp_path / str(number), killed))
        for number, killed in enumerate(results)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, killed in enumerate(results):
        assert len(killed) == KILLS // AT_ONCE
        check_gaps([reading.at_ms for reading in stored(tmp_path / str(number))], killed)


def kill_again_and_again(folder, killed):
    """Start it and kill it at random moments; note when it was alive last, in UTC ms."""
    chance = random.Random(folder.name)
    file = configure(folder, HOUSE)
    for _ in range(KILLS // AT_ONCE):
        with collector(file) as process:
            wait_for_reads(folder, "house")
            time.sleep(chance.uniform(0, 0.4))
            before = time.time() * 1000
            process.kill()
            process.wait(10)
            killed.append((before, time.time() * 1000))


def check_gaps(times, killed):
    """Within a life no second is missing; a busy machine may skip a slot of 100 ms."""
    assert len(times) == len(set(times))
    for earlier, later in pairwise(times):
        if later - earlier >= 1000:
            assert any(earlier > before - 1000 and later > after for before, after in killed)


def test_systemd_is_told_ready_and_its_watchdog_is_fed(tmp_path):
    file = configure(tmp_path, HOUSE)
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(address))
        door.settimeout(20)
        with collector(file, NOTIFY_SOCKET=str(address), WATCHDOG_USEC="400000"):
            assert door.recv(1000) == b"READY=1"
            told = [door.recv(1000).decode() for _ in range(3)]
        assert told[0].startswith("WATCHDOG=1\nSTATUS=")
        assert "1 of 1 source alive" in "".join(told)
        rest = door.recv(1000)
        while rest.startswith(b"WATCHDOG"):
            rest = door.recv(1000)
        assert rest == b"STOPPING=1"


def test_a_second_collector_on_the_same_journal_says_so_and_leaves(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file):
        wait_for_reads(tmp_path, "house")
        second = energy_monitor("run", "--config", file)
    assert second.returncode == 74
    assert "in use by another collector" in second.stderr


def test_a_wrong_configuration_is_refused_with_every_fault(tmp_path):
    file = configure(tmp_path, "  house: {type: simulated, evry: 1s}\n", extra="sitee: x\n")
    for word in ("run", "check"):
        refused = energy_monitor(word, "--config", file)
        assert refused.returncode == 78
        assert "sitee: unknown option; did you mean 'site'?" in refused.stderr
        assert "sources.house.evry: unknown option; did you mean 'every'?" in refused.stderr
        assert "2 faults found" in refused.stderr


def test_what_a_source_refuses_has_its_line_too(tmp_path):
    sources = "  house: {type: simulated, quantities: [voltagee]}\n"
    refused = energy_monitor("check", "--config", configure(tmp_path, sources))
    assert refused.returncode == 78
    assert "config.yaml:6: sources.house.quantities: 'voltagee' names no quantity" in refused.stderr


def test_a_missing_secret_is_a_fault_for_check_and_measuring_goes_on_without(tmp_path):
    outputs = (
        "  history: {type: influxdb, url: 'http://127.0.0.1:9', bucket: b, token: !secret gone,"
        " every: 100ms}\n"
    )
    file = configure(tmp_path, HOUSE, outputs)
    refused = energy_monitor("check", "--config", file)
    assert refused.returncode == 78
    assert "outputs.history.token: secret 'gone' is not found; looked in" in refused.stderr
    with collector(file):
        wait_for_reads(tmp_path, "house", 5)
        status = wait_for(
            lambda: told if (told := ask(tmp_path))["outputs"]["history"]["last_error"] else None,
            "the output says what it lacks",
        )
        assert "gone" in status["outputs"]["history"]["last_error"]
        assert energy_monitor("status", "--config", file).returncode == 1


def test_status_prints_a_table_and_json(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file):
        wait_for_reads(tmp_path, "house", 5)
        table = energy_monitor("status", "--config", file)
        told = json.loads(energy_monitor("status", "--json", "--config", file).stdout)
    assert table.returncode == 0
    assert "SOURCE" in table.stdout
    assert "house" in table.stdout
    assert told["sources"]["house"]["state"] == "alive"
    gone = energy_monitor("status", "--config", file)
    assert gone.returncode == 1
    assert "is it running?" in gone.stderr


def test_the_journal_is_shown_and_exported(tmp_path):
    file = configure(tmp_path, HOUSE)
    with collector(file):
        wait_for_reads(tmp_path, "house", 5)
        tail = energy_monitor("journal", "tail", "-n", 3, "--config", file)
    lines = energy_monitor("journal", "export", "--data-dir", tmp_path, "--format", "lp").stdout
    assert [decode(line.encode()) for line in lines.splitlines()] == [
        decode(line) for _, line in read_all(tmp_path / "journal" / "log")
    ]
    assert len(tail.stdout.splitlines()) == 3
    first, second = stored(tmp_path)[:2]
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second.at_ms // 1000))
    table = energy_monitor(
        "journal", "export", "--data-dir", tmp_path, "--since", f"{at}.{second.at_ms % 1000:03d}Z"
    ).stdout.splitlines()
    assert table[0] == "time,kind,device,quantity,value"
    assert table[1].startswith(f"{at}.{second.at_ms % 1000:03d}Z,electricity,house,")
    exported = {line.split(",")[0] for line in table[1:]}
    assert len(exported) == len({each.at_ms for each in stored(tmp_path)} - {first.at_ms})


@pytest.mark.slow  # it tells them every 10 s
def test_the_collector_tells_its_own_figures_as_readings(tmp_path):
    file = configure(tmp_path, HOUSE, extra="journal: {sync: 200ms}\n")
    with collector(file):
        wait_for_reads(tmp_path, "house")
        wait_for(lambda: stored(tmp_path, "collector"), "the collector has told its figures")
    (own,) = stored(tmp_path, "collector")[:1]
    assert own.values["resident_memory"] > 10e6
    assert {"lateness", "reads"} <= set(
        next(each for each in stored(tmp_path) if each.kind == "collector").values
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["journal", "export", "--data-dir", "/nonexistent"], "there is no journal in"),
        (["journal", "export", "--since", "yesterday"], "is not a time; write 2026-01-31"),
        (["check", "--config", "/nonexistent.yaml"], "cannot be read: No such file"),
        (["models", "orno-we-51"], "did you mean"),
        (["demo", "--for", "soon"], "a number with its unit"),
    ],
)
def test_a_wrong_word_gets_a_sentence_and_a_status(words, sentence):
    refused = energy_monitor(*words)
    assert refused.returncode not in (0, 1 << 8)
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        [], ["run"], ["check"], ["read"], ["scan"], ["models"], ["status"], ["demo"],
        ["export"], ["journal", "tail"], ["journal", "export"], ["journal", "replay"],
        ["journal", "dead-letters"], ["setup", "influxdb"],
        *(["backup", each] for each in ("now", "list", "verify", "rotate", "upload", "rehearse")),
        ["backup", "connect"],
    ],
)  # fmt: skip
def test_every_command_has_help_with_an_example(words):
    shown = energy_monitor(*words, "--help")
    assert shown.returncode == 0
    assert "energy-monitor" in shown.stdout.split("Options:")[0].split("\n\n", 1)[1]


def test_readings_are_sent_again_from_a_time_and_after_a_refusal(tmp_path):
    outputs = (
        "  history: {type: influxdb, url: 'http://127.0.0.1:9', bucket: b, token: !secret gone}\n"
    )
    file = configure(tmp_path, HOUSE, outputs)
    letters = tmp_path / "journal" / "dead-letters"
    with collector(file):
        wait_for_reads(tmp_path, "house", 5)
        letters.mkdir()
        refused = "electricity,device=refused voltage=1.0 1763654400000"
        entry = {"at": "2025-11-20T16:00:00.000Z", "reason": "no", "reading": refused}
        (letters / "history.jsonl").write_text(json.dumps(entry) + "\n")
        shown = energy_monitor("journal", "dead-letters", "--config", file)
        assert refused in shown.stdout
        again = energy_monitor("journal", "dead-letters", "history", "--resend", "--config", file)
        assert "1 readings will be sent again" in again.stdout
        assert [reading.values for reading in stored(tmp_path, "refused")] == [{"voltage": 1.0}]
        replay = ["journal", "replay", "history", "--since", "2025-01-01", "--config", file]
        assert "readings will be sent again" in energy_monitor(*replay).stdout
    assert not (letters / "history.jsonl").exists()
    assert "readings will be sent again" in energy_monitor(*replay).stdout
    unknown = energy_monitor(
        "journal", "replay", "other", "--since", "2025-01-01", "--config", file
    )
    assert unknown.returncode == 1
    assert "no output named 'other'; known: history" in unknown.stderr


def test_a_deep_folder_and_a_caller_that_talks_nonsense_do_no_harm(tmp_path):
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    file = configure(deep, HOUSE)
    with collector(file):
        wait_for_reads(deep, "house")
        for nonsense in (b"\xff\n", b"[]\n", b'{"ask": "resend", "readings": ["x"]}\n', b"{"):
            with socket.socket(socket.AF_UNIX) as door, short_name(deep / "control.sock") as name:
                door.connect(name)
                door.sendall(nonsense)
        assert ask(deep)["problems"] == []
        with pytest.raises(EnergyMonitorError, match="does not support the request 'x'"):
            ask(deep, {"ask": "x"})
