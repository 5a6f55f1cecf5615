"""``energy-monitor export``: what is asked for, to the last digit, or a sentence and a status."""

import csv
import gzip
import json
import os
import random
import subprocess
from contextlib import suppress
from datetime import UTC
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from collector.cli import export as command
from collector.cli.export_files import spool
from collector.cli.main import main
from collector.journal.journal import Journal
from collector.journal.layout import find_readable
from collector.outputs.file.rows import together, unique
from collector.reading import Reading, decode, encode
from tests.fakes.running import configure, energy_monitor

DAY_S = 86_400
BEGIN_MS = 20_000 * DAY_S * 1000  # 2024-10-04
HOUSE = "  house: {type: simulated}\n"


def typed(*words):
    return CliRunner().invoke(main, ["export", *map(str, words)], catch_exceptions=False)


def meter(device, at_s, kind="electricity"):
    chance = random.Random(f"{device}{at_s}")
    values = {"voltage": 230 + chance.random(), "active_power": -chance.random() * 1e-7}
    if at_s % 10 == 0:
        values["active_energy"] = 1e7 + at_s / 3
    return Reading(kind, device, BEGIN_MS + at_s * 1000, values)


READINGS = [
    *(meter(device, at) for at in range(1, 400) for device in ("mains", "washer")),
    *(meter("mains", DAY_S + at) for at in range(0, 4000, 7)),
    *(meter("bank", DAY_S + at, "battery") for at in range(0, 4000, 60)),
    meter("late", 5),
    Reading("electricity", "mains", BEGIN_MS + 5_000, {"frequency": 50.01}),
]


def journal_of(folder, readings, segment_bytes=1 << 20, after=lambda _: None):
    journal = Journal(folder / "journal", "boot", ["history"])
    journal.open()
    journal.log.segment_bytes = segment_bytes
    for first in range(0, len(readings), 100):
        journal.append([encode(each) for each in readings[first : first + 100]])
    after(journal)
    journal.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    journal_of(folder, READINGS)
    return folder


def truth_of(readings):
    truth: dict[tuple[str, str, int], dict[str, float]] = {}
    for each in readings:
        truth.setdefault((each.kind, each.device, each.at_ms), {}).update(each.values)
    return truth


def query(sql):
    relation = duckdb.sql(sql)
    assert relation is not None
    return relation


def in_lake(lake, form="parquet"):
    """Return what DuckDB finds below *lake*; no row may be there twice."""
    reader = {"parquet": "read_parquet", "csv": "read_csv"}[form]
    options = "hive_partitioning=true, union_by_name=true"
    found = query(f"SELECT * FROM {reader}('{lake}/**/*.{form}', {options}) ORDER BY time")
    rows = {}
    for row in found.fetchall():
        cells = dict(zip(found.columns, row, strict=True))
        at = cells.pop("time")
        key = (cells.pop("kind"), cells.pop("device"), round(at.timestamp() * 1000))
        assert str(cells.pop("date")) == f"{at.astimezone(UTC):%Y-%m-%d}"
        assert cells.pop("site") == "home"
        assert key not in rows
        rows[key] = {name: value for name, value in cells.items() if value is not None}
    return rows


# What is written


def test_duckdb_reads_the_parquet_back_to_the_last_digit(data, tmp_path):
    done = typed("--data-dir", data, "--format", "parquet", "-o", tmp_path / "lake")
    assert done.exit_code == 0
    assert "in 3 files" in done.stderr
    assert in_lake(tmp_path / "lake") == truth_of(READINGS)
    assert not list((tmp_path / "lake").glob(".*"))


def test_csv_in_a_folder_is_the_same_table(data, tmp_path):
    done = typed("--data-dir", data, "--format", "csv", "-o", f"{tmp_path}/lake/")
    assert done.exit_code == 0
    assert in_lake(tmp_path / "lake", "csv") == truth_of(READINGS)


def test_line_protocol_in_a_folder_has_the_site(data, tmp_path):
    typed("--data-dir", data, "--format", "lp", "-o", f"{tmp_path}/lake/")
    lines = [
        line
        for path in (tmp_path / "lake").rglob("*.lp.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    found = [decode(line.replace(b",site=home ", b" ")) for line in lines]
    assert truth_of(found) == truth_of(READINGS)
    assert len(found) == len(truth_of(READINGS))


@pytest.mark.parametrize("form", ["parquet", "csv", "lp"])
def test_a_second_run_overwrites_itself_byte_for_byte(data, tmp_path, form):
    words = ["--data-dir", data, "--format", form, "-o", f"{tmp_path}/lake/"]
    typed(*words)
    before = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("part-*")}
    typed(*words, "--since", "2024-10-04T00:02:00Z")
    typed(*words)
    assert {path: path.read_bytes() for path in (tmp_path / "lake").rglob("part-*")} == before
    assert len(before) == 3


def test_a_range_is_added_to_what_is_there(data, tmp_path):
    words = ["--data-dir", data, "--format", "parquet", "-o", tmp_path / "lake"]
    typed(*words, "--until", "2024-10-04T00:03:20Z")
    typed(*words, "--since", "2024-10-04T00:02:00Z")
    assert in_lake(tmp_path / "lake") == truth_of(READINGS)


def test_csv_as_a_stream_is_rfc_4180_with_a_row_per_value(data, tmp_path):
    out = tmp_path / "all.csv"
    assert typed("--data-dir", data, "-o", out).exit_code == 0
    text = out.read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n")
    head, *rows = csv.reader(text.decode().splitlines())
    assert head == ["time", "kind", "device", "quantity", "value"]
    assert len(rows) == sum(len(each.values) for each in READINGS)
    assert rows[0][:4] == ["2024-10-04T00:00:01.000Z", "electricity", "mains", "voltage"]
    assert float(rows[0][4]) == READINGS[0].values["voltage"]
    assert not any(cell[:1] in "=+@\t" for row in rows for cell in row)


def test_a_file_that_ends_so_is_compressed_and_standard_output_is_the_same(data, tmp_path):
    typed("--data-dir", data, "--format", "lp", "-o", tmp_path / "all.lp.gz")
    shown = energy_monitor("export", "--data-dir", data, "--format", "lp").stdout
    assert gzip.decompress((tmp_path / "all.lp.gz").read_bytes()).decode() == shown
    assert [decode(line.encode()) for line in shown.splitlines()] == READINGS


def test_the_older_name_of_the_command_is_the_same_one(data):
    shown = energy_monitor("export", "--data-dir", data)
    assert energy_monitor("journal", "export", "--data-dir", data).stdout == shown.stdout


def test_devices_and_quantities_are_chosen_by_pattern(data):
    shown = typed(
        *("--data-dir", data, "--format", "lp", "--device", "wash*", "--device", "bank"),
        *("--quantity", "active_energy", "--quantity", "volt*"),
    )
    found = [decode(line.encode()) for line in shown.stdout.splitlines()]
    assert {each.device for each in found} == {"washer", "bank"}
    assert {name for each in found for name in each.values} == {"voltage", "active_energy"}


def test_a_summary_for_programs_names_the_files(data, tmp_path):
    done = typed("--data-dir", data, "--format", "parquet", "-o", tmp_path / "lake", "--json")
    summary = json.loads(done.stdout)
    files = [Path(each) for each in summary["files"]]
    assert sorted(files) == sorted((tmp_path / "lake").rglob("part-*"))
    assert summary["bytes"] == sum(each.stat().st_size for each in files)
    assert (summary["format"], summary["readings"], summary["lacks"]) == (
        "parquet",
        len(READINGS),
        [],
    )


def test_a_terminal_sees_how_far_it_is(capsys):
    progress = command.Progress(shown=True)
    lines = [encode(each) for each in READINGS[:3]]
    assert list(progress.over(lines)) == lines
    progress.told("too soon to be read")
    progress.end()
    shown = capsys.readouterr().err
    assert "read up to 2024-10-04T00:00, 0 readings" in shown
    assert "too soon" not in shown


# Resampling


@pytest.mark.parametrize(
    ("words", "step_s"), [("1m", 60), ("15m", 900), ("1h", 3600), ("1d", 86_400)]
)
def test_gauges_get_their_mean_and_counters_their_last_value(data, tmp_path, words, step_s):
    resample = ("--resample", words)
    typed("--data-dir", data, "--format", "parquet", "-o", tmp_path / "lake", *resample)
    want: dict[tuple[str, str, int], dict[str, list[float]]] = {}
    for (kind, device, at_ms), values in sorted(truth_of(READINGS).items()):
        begin = at_ms - at_ms % (step_s * 1000)
        for name, value in values.items():
            want.setdefault((kind, device, begin), {}).setdefault(name, []).append(value)
    found = in_lake(tmp_path / "lake")
    assert found.keys() == want.keys()
    for key, values in found.items():
        assert values.keys() == want[key].keys()
        for name, value in values.items():
            every = want[key][name]
            mean = every[-1] if name == "active_energy" else sum(every) / len(every)
            assert value == pytest.approx(mean, rel=1e-14)
    shown = typed("--data-dir", data, "--format", "lp", *resample).stdout.splitlines()
    assert truth_of(decode(line.encode()) for line in shown) == found


@pytest.mark.parametrize("words", ["30s", "90s", "7m", "2d", "0", "soon"])
def test_an_interval_that_does_not_divide_a_day_is_refused(data, words):
    done = typed("--data-dir", data, "--resample", words)
    assert done.exit_code == 2
    assert "1m" in done.stderr or "a number with its unit" in done.stderr


def test_rows_of_one_time_become_one_and_the_later_value_counts():
    rows = [("a", 1, b"x=1.0"), ("a", 1, b"y=2.0,x=3.0"), ("a", 2, b"x=1.0"), ("b", 2, b"x=1.0")]
    assert list(unique(rows)) == [("a", 1, b"x=3.0,y=2.0"), *rows[2:]]
    assert together(b"x=1.0", b"x=1.0") == b"x=1.0"


# What could not be had


def test_what_names_nothing_is_said_and_the_rest_is_there(data):
    done = typed("--data-dir", data, "--device", "mains", "--device", "wahser", "--format", "lp")
    assert done.exit_code == 1
    assert "nothing in this range is of --device wahser" in done.stderr
    assert "device=mains" in done.stdout


@pytest.mark.parametrize("out", ["none.csv", "none/"])
def test_where_nothing_is_found_no_file_is_made(data, tmp_path, out):
    done = typed("--data-dir", data, "--until", "2001-01-01", "-o", f"{tmp_path}/{out}")
    assert done.exit_code == 1
    assert "there are no readings of this choice in this range" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_readings_that_are_damaged_are_counted(tmp_path):
    journal_of(tmp_path, READINGS)
    (segment,) = find_readable(tmp_path / "journal" / "log")
    content = bytearray(segment.path.read_bytes())
    content[len(content) // 2] ^= 1
    segment.path.write_bytes(content)
    done = typed("--data-dir", tmp_path, "--format", "lp", "-o", tmp_path / "x.lp")
    assert done.exit_code == 1
    assert "the journal lacks 1 reading of this range" in done.stderr
    assert len((tmp_path / "x.lp").read_bytes().splitlines()) == len(READINGS) - 1
    early = typed("--data-dir", tmp_path, "--until", "2024-10-04T00:00:30Z", "--format", "lp")
    assert early.exit_code == 0


def test_a_range_that_begins_before_the_journal_is_said(tmp_path):
    def drop(journal):
        journal.drop_oldest("the disk is full")

    journal_of(tmp_path, READINGS[:800], segment_bytes=4_000, after=drop)
    words = ["--data-dir", tmp_path, "--format", "lp"]
    assert typed(*words).exit_code == 0
    done = typed(*words, "--since", "2024-01-01")
    assert done.exit_code == 1
    assert "the journal begins at 2024-10-04T00:01:40.000Z" in done.stderr
    assert "'--from influxdb' may have it" in done.stderr
    assert len(done.stdout.splitlines()) < 800
    assert typed(*words, "--since", "2024-10-04T00:05:00Z").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--format", "parquet"], "name one with '-o FOLDER'"),
        (["--json"], "--json needs '-o'"),
        (["--since", "2024-10-05", "--until", "2024-10-04"], "--since is not before --until"),
        (["--quantity", "voltge"], "did you mean 'voltage'?"),
        (["--device", "a b"], "can match no name"),
        (["--from", "elsewhere"], "cannot be read: No such file"),
    ],
)
def test_a_wrong_choice_gets_a_sentence(data, words, sentence):
    done = typed("--data-dir", data, *words, "--config", "/nonexistent.yaml")
    assert done.exit_code in {2, 78}
    assert sentence in done.stderr


def test_a_database_that_is_not_configured_is_said(tmp_path):
    outputs = (
        "  history: {type: influxdb, url: 'http://127.0.0.1:9', bucket: b, token: !secret t}\n"
    )
    file = configure(tmp_path, HOUSE, outputs)
    done = typed("--config", file, "--from", "grafana")
    assert done.exit_code == 1
    assert "--from grafana: expected one of journal, history" in done.stderr
    done = typed("--config", file, "--from", "influxdb")
    assert done.exit_code == 1
    assert "output 'history' has no read_token" in done.stderr


def test_another_export_into_the_same_folder_waits_its_turn(data, tmp_path):
    (tmp_path / "lake").mkdir()
    with spool(tmp_path / "lake"):
        done = typed("--data-dir", data, "--format", "parquet", "-o", tmp_path / "lake")
    assert done.exit_code == 1
    assert "another export writes into" in done.stderr
    assert list((tmp_path / "lake").iterdir()) == []
    (tmp_path / "lake" / ".export").mkdir()
    (tmp_path / "lake" / ".export" / "2024-10-04.electricity.lp.gz").write_bytes(b"of a killed run")
    assert typed("--data-dir", data, "--format", "parquet", "-o", tmp_path / "lake").exit_code == 0
    assert in_lake(tmp_path / "lake") == truth_of(READINGS)


def test_a_full_disk_leaves_what_was_there(data, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        (disk / "all.csv").write_text("mine")
        (disk / "lake").mkdir()
        fill_up(disk / "ballast")
        for words in (["-o", disk / "all.csv"], ["--format", "parquet", "-o", disk / "lake"]):
            done = typed("--data-dir", data, *words)
            assert done.exit_code == 1
            assert f"{words[-1]}: No space left on device" in done.stderr
        assert (disk / "all.csv").read_text() == "mine"
        left = [path.name for path in disk.rglob("*")]
        assert sorted(left) == ["all.csv", "ballast", "lake"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_in_place_of_the_file_is_said(data, tmp_path):
    done = typed("--data-dir", data, "-o", tmp_path)
    assert done.exit_code == 1
    assert f"to have a file per day in it write '{tmp_path}/'" in done.stderr


def fill_up(file):
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        while True:
            opened.write(b"x")


@pytest.mark.parametrize("place", ["pipe", "link"])
def test_what_is_no_file_is_not_replaced(data, tmp_path, place):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    done = typed("--data-dir", data, "-o", tmp_path / place)
    assert done.exit_code == 1
    assert "is not a file: without '-o' the readings go to standard output" in done.stderr
    assert {each.name for each in tmp_path.iterdir()} >= {"pipe", "link"}
