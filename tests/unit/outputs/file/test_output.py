"""The output 'file': everything is there once, whatever happens to the disk or the process."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from collector.contract import BadOption, Context, OutputOptions
from collector.errors import OutputAway, ReadingsRefused
from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.outputs.file import chunks, parts, working
from collector.outputs.file.forms import CSV, form_of
from collector.outputs.file.output import File, FileOptions
from collector.reading import Reading, decode, encode
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from collector.run.since import newest_ms as newest_of
from tests.fakes.running import collector, configure, energy_monitor, wait_for
from tests.fakes.time_machine import FakeClock

DAY_MS = 86_400_000
BEGIN_MS = 20_000 * DAY_MS  # 2024-10-04
FORMS = ["parquet", "csv", "lp"]
every_format = pytest.mark.parametrize("form", FORMS)


class House:
    """A journal and the output, below *folder*; *lake* is where the files are."""

    def __init__(self, folder, lake, form="parquet", **options):
        self.lake = lake
        self.form = form
        self.journal = Journal(folder / "journal", "boot", ["it"])
        self.journal.open()
        self.options = self.read({"type": "file", "folder": str(lake), "format": form, **options})
        self.context = Context("home", Lines(), folder, folder / "state")
        self.truth: dict[tuple[str, str, int], dict[str, float]] = {}
        self.restart()

    @staticmethod
    def read(options):
        faults = Faults()
        node: Any = yaml.compose(yaml.safe_dump(options))
        found = read_options(FileOptions, node, Place("c.yaml", ""), faults)
        assert faults.found == []
        return found

    def restart(self):
        self.output = File("it", self.options, self.context)
        self.output.settled_s = 0
        self.health = OutputHealth()
        self.clock = FakeClock()
        self.delivery = Delivery(
            "it",
            self.output,
            self.options,
            self.journal,
            self.clock,
            self.health,
            threading.Lock(),
        )

    def add(self, *readings):
        for each in readings:
            key = (each.kind, each.device, each.at_ms)
            self.truth[key] = {**self.truth.get(key, {}), **each.values}
        self.journal.append([encode(each) for each in readings])

    def fill(self, first_s, count, devices=("mains", "washer")):
        for at in range(first_s, first_s + count):
            self.add(*(meter(device, BEGIN_MS + at * 1000, at) for device in devices))

    def deliver(self):
        for _ in range(100):
            pause_s = self.delivery.deliver_once()
            assert self.health.last_error == ""  # after a kill nothing may be left to deliver
            if pause_s and not self.journal.backlog("it"):
                return
        raise AssertionError(self.health.last_error)

    def fails(self, match):
        """Let one delivery fail: everything is kept, and the sentence says why."""
        before = self.journal.backlog("it")
        self.delivery.deliver_once()
        assert self.health.state == "away"
        assert match in self.health.last_error
        assert self.journal.backlog("it") == before

    def end_days(self):
        """Finish every day that is over, as the calls of ``open`` do one by one."""
        for _ in range(20):
            self.output.open()

    @property
    def parts(self):
        return sorted(self.lake.glob(f"site=home/*/*/part-*.{form_of(self.form).suffix}"))

    def stored(self):
        """Return what is in parts and working files by kind, device and time; nothing twice."""
        rows = {}
        form = form_of(self.form)
        for path in self.parts:
            kind = path.parent.parent.name.removeprefix("kind=")
            with path.open("rb") as file:
                for device, at_ms, fields in form.rows(file):
                    assert (kind, device, at_ms) not in rows
                    rows[kind, device, at_ms] = values(fields)
        folder = self.lake / "site=home" / ".open" / "it"
        for path in sorted(folder.glob("*.lp.gz")):
            with path.open("rb") as file:
                for chunk in chunks.scan(file):
                    for line in chunks.read(file, chunk).splitlines():
                        reading = decode(line)
                        key = reading.kind, reading.device, reading.at_ms
                        rows[key] = {**rows.get(key, {}), **reading.values}
        return rows


def values(fields):
    pairs = (field.split(b"=") for field in fields.split(b","))
    return {name.decode(): float(value) for name, value in pairs}


def meter(device, at_ms, at):
    chance = random.Random(at)
    found = {"voltage": 230 + chance.random(), "active_power": -float(at)}
    if at % 10 == 0:
        found["active_energy"] = 1e7 + at / 3
    return Reading("electricity", device, at_ms, found)


def query(sql):
    relation = duckdb.sql(sql)
    assert relation is not None
    return relation.fetchall()


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


@contextmanager
def tmpfs(folder, size):
    """Mount a small disk at *folder* while the block runs; skip where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


# Days


@every_format
def test_a_day_becomes_a_part_when_it_is_over_and_holds_every_digit(tmp_path, lake, form):
    house = House(tmp_path, lake, form, tags={"floor": "ground"})
    house.fill(0, 500)
    house.add(Reading("battery", "bank", BEGIN_MS + 1, {"voltage": 1e-07, "charge": 10.0**16}))
    house.deliver()
    assert house.parts == []
    assert house.stored() == house.truth
    house.fill(86_400 + 3_600, 10)
    house.deliver()
    house.end_days()
    suffix = form_of(form).suffix
    assert [str(path.relative_to(lake)) for path in house.parts] == [
        f"site=home/kind=battery/date=2024-10-04/part-20241004T000000001-20241004T000000001.{suffix}",
        f"site=home/kind=electricity/date=2024-10-04/part-20241004T000000000-20241004T000819000.{suffix}",
    ]
    assert house.stored() == house.truth


def test_a_day_is_not_over_while_readings_come_or_by_a_forecast(tmp_path, lake):
    house = House(tmp_path, lake)
    house.output.settled_s = 600
    house.fill(0, 10)
    house.add(Reading("weather", "here", BEGIN_MS + 7 * DAY_MS, {"outdoor_temperature": 3.5}))
    house.deliver()
    house.end_days()
    assert house.parts == []
    house.output.settled_s = 0
    house.end_days()
    assert len(house.parts) == 1


@every_format
def test_what_comes_after_its_day_was_finished_is_taken_into_the_same_part(tmp_path, lake, form):
    house = House(tmp_path, lake, form)
    house.fill(100, 100)
    house.fill(2 * 86_400, 1)
    house.deliver()
    house.end_days()
    (first,) = house.parts
    late = meter("dryer", BEGIN_MS + 150_500, 3)
    early = Reading("electricity", "mains", BEGIN_MS + 5_000, {"frequency": 50.0})
    house.add(late, early)
    house.deliver()
    house.end_days()
    (second,) = house.parts
    assert (first.name, second.name) == (
        f"part-20241004T000140000-20241004T000319000.{form_of(form).suffix}",
        f"part-20241004T000005000-20241004T000319000.{form_of(form).suffix}",
    )
    assert house.stored() == house.truth


@every_format
def test_new_tags_are_those_of_the_whole_part_and_an_export_changes_none(tmp_path, lake, form):
    house = House(tmp_path, lake, form, tags={"floor": "ground", "room": "7"})
    house.fill(0, 20)
    house.fill(2 * 86_400, 1)
    house.deliver()
    house.end_days()
    words = ("export", "--data-dir", tmp_path, "--format", form, "-o", f"{lake}/")
    refused = energy_monitor(*words, "--until", "2024-10-05")
    assert refused.returncode == 1
    assert "has other tags (floor, room), so nothing can be added to it" in refused.stderr
    house.journal.close()
    house = House(tmp_path, lake, form)
    house.fill(0, 40)
    house.deliver()
    house.end_days()
    (part,) = house.parts
    with part.open("rb") as file:
        assert form_of(form).heads(file).tags == []
    house.truth |= {key: each for key, each in truth_of(tmp_path).items() if key not in house.truth}
    assert house.stored() == house.truth
    assert energy_monitor(*words, "--until", "2024-10-05").returncode == 0


@every_format
def test_a_resend_changes_no_byte(tmp_path, lake, form):
    house = House(tmp_path, lake, form)
    house.fill(0, 300)
    house.fill(2 * 86_400, 5)
    house.deliver()
    house.end_days()
    before = {path: path.read_bytes() for path in house.parts}
    house.journal.rewind("it", 0)
    house.deliver()
    house.journal.rewind("it", BEGIN_MS + 100_000)
    house.deliver()
    house.end_days()
    assert {path: path.read_bytes() for path in house.parts} == before
    assert house.stored() == house.truth


def test_readings_in_any_order_and_twice_are_sorted_rows_each_once(tmp_path, lake):
    house = House(tmp_path, lake)
    chance = random.Random(7)
    times = [at for at in range(400) for _ in range(2)]
    chance.shuffle(times)
    for first in range(0, len(times), 50):
        some = times[first : first + 50]
        house.add(*(meter(chance.choice("ab"), BEGIN_MS + at * 1000, at) for at in some))
        house.deliver()
    house.add(meter("a", BEGIN_MS + 2 * DAY_MS, 1))
    house.deliver()
    house.end_days()
    assert house.stored() == house.truth
    (path,) = house.parts
    rows = query(f"SELECT device, epoch_ms(time) FROM '{path}'")
    assert rows == sorted(set(rows))


def test_duckdb_reads_the_layout_with_types_nulls_and_times_in_utc(tmp_path, lake):
    house = House(tmp_path, lake, tags={"floor": "ground"})
    house.fill(0, 100)
    house.fill(86_400, 100)
    house.fill(3 * 86_400, 1)
    house.deliver()
    house.end_days()
    table = f"read_parquet('{lake}/**/*.parquet', hive_partitioning=true)"
    types = dict(query(f"SELECT column_name, column_type FROM (DESCRIBE FROM {table})"))
    assert types == {
        "time": "TIMESTAMP WITH TIME ZONE",
        "device": "VARCHAR",
        "floor": "VARCHAR",
        "active_energy": "DOUBLE",
        "active_power": "DOUBLE",
        "voltage": "DOUBLE",
        "date": "DATE",
        "kind": "VARCHAR",
        "site": "VARCHAR",
    }
    rows = query(
        f"SELECT kind, device, epoch_ms(time), voltage, active_power, active_energy FROM {table}"
    )
    truth = {key: each for key, each in house.truth.items() if key[2] < BEGIN_MS + 2 * DAY_MS}
    assert len(rows) == len(truth)
    for kind, device, at_ms, *found in rows:
        each = truth[kind, device, at_ms]
        assert found == [each.get(name) for name in ("voltage", "active_power", "active_energy")]
    metadata = f"SELECT DISTINCT compression FROM parquet_metadata('{house.parts[0]}')"
    assert query(metadata) == [("ZSTD",)]


def test_old_days_are_deleted_and_nothing_else(tmp_path, lake):
    house = House(tmp_path, lake, keep="2d")
    for day in range(7):
        house.fill(day * 86_400 + 7_200, 5)
    house.deliver()
    own = lake / "site=home" / "kind=electricity"
    (own / "date=2020-01-01").mkdir(parents=True)
    (own / "date=2020-01-01" / "mine.parquet").touch()
    (own / "notes").mkdir()
    house.end_days()
    assert [path.parent.name for path in house.parts] == [
        "date=2024-10-07",
        "date=2024-10-08",
        "date=2024-10-09",
    ]
    assert (own / "date=2020-01-01" / "mine.parquet").exists()
    assert (own / "notes").exists()


def test_a_reading_of_a_far_future_deletes_no_day(tmp_path, lake):
    house = House(tmp_path, lake, keep="2d")
    house.fill(0, 5)
    for day in (4000, 4002):
        house.add(meter("mains", BEGIN_MS + day * DAY_MS, 1))
        house.deliver()
    for file in (lake / "site=home" / ".open" / "it").iterdir():
        os.utime(file, (BEGIN_MS / 1000, BEGIN_MS / 1000))  # the day that it is really
    house.end_days()
    assert len(house.parts) == 2
    assert house.stored() == house.truth


# The disk


def test_no_folder_is_made_where_the_disk_may_be_missing(tmp_path, lake):
    house = House(tmp_path, lake)
    lake.rmdir()
    house.fill(0, 10)
    house.fails(f"there is no folder {lake}: attach its disk, or make it with 'sudo install -d -o")
    assert not lake.exists()
    lake.mkdir()
    house.deliver()
    assert house.stored() == house.truth


def test_a_file_in_place_of_the_folder_is_said(tmp_path, lake):
    house = House(tmp_path, lake)
    lake.rmdir()
    lake.write_text("mine")
    house.fill(0, 10)
    house.fails(f"{lake} is a link or not what belongs there")
    assert lake.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["site=home", "site=home/.open", "site=home/.open/it", "site=home/kind=electricity"]
)
def test_a_link_in_the_way_is_not_followed(tmp_path, lake, name):
    house = House(tmp_path, lake)
    (tmp_path / "elsewhere").mkdir()
    (lake / name).parent.mkdir(parents=True, exist_ok=True)
    (lake / name).symlink_to(tmp_path / "elsewhere")
    house.fill(0, 10)
    house.fill(2 * 86_400, 1)
    if name.endswith("electricity"):
        house.deliver()
        with pytest.raises(OutputAway, match="kind=electricity is a link"):
            house.end_days()
    else:
        house.fails(f"{lake / name} is a link or not what belongs there; links are not followed")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (lake / name).unlink()
    house.deliver()
    house.end_days()
    assert house.stored() == house.truth


@pytest.mark.parametrize("made", ["link", "pipe"])
def test_what_is_in_the_place_of_a_part_is_not_read(tmp_path, lake, made):
    house = House(tmp_path, lake, "csv")
    house.fill(0, 10)
    house.fill(2 * 86_400, 1)
    house.deliver()
    house.end_days()
    (part,) = house.parts
    part.unlink()
    os.mkfifo(part) if made == "pipe" else part.symlink_to(tmp_path / "elsewhere")
    house.fill(5, 10)
    house.deliver()
    with pytest.raises(OutputAway, match=part.name):
        house.end_days()
    part.unlink()
    house.end_days()
    assert len(house.parts) == 1


@pytest.mark.parametrize("made", ["link", "pipe", "folder"])
def test_what_is_in_the_place_of_a_working_file_is_not_written_to(tmp_path, lake, made):
    house = House(tmp_path, lake)
    place = lake / "site=home" / ".open" / "it" / "2024-10-04.electricity.lp.gz"
    place.parent.mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    {"link": lambda: place.symlink_to(tmp_path / "mine"), "pipe": lambda: os.mkfifo(place)}.get(
        made, place.mkdir
    )()
    house.fill(0, 10)
    house.fails("2024-10-04.electricity.lp.gz")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_that_may_not_be_written_is_said_with_the_way_out(tmp_path, lake):
    house = House(tmp_path, lake)
    house.fill(0, 10)
    tmp_path.chmod(0o755)
    os.seteuid(65534) if os.geteuid() == 0 else lake.chmod(0o500)
    try:
        with pytest.raises(OutputAway, match=r"may not be written: .*ReadWritePaths="):
            house.output.write([encode(meter("mains", BEGIN_MS, 1))])
    finally:
        os.seteuid(os.getuid())
        lake.chmod(0o755)
    house.deliver()
    assert house.stored() == house.truth


def test_a_disk_that_is_read_only_loses_nothing(tmp_path):
    with tmpfs(tmp_path / "disk", "10m") as disk:
        house = House(tmp_path, disk)
        house.fill(0, 10)
        house.deliver()
        house.fill(10, 10)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        house.fails("is read-only: is its disk sound?")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        house.deliver()
        assert house.stored() == house.truth


@every_format
def test_a_disk_that_fills_up_loses_nothing_and_is_left_as_it_was(tmp_path, form):
    with tmpfs(tmp_path / "disk", "400k") as disk:
        house = House(tmp_path, disk, form)
        house.fill(0, 200)
        house.fill(2 * 86_400, 1)
        house.deliver()
        ballast = disk / "ballast"
        fill_up(ballast)
        before = {path: path.read_bytes() for path in disk.rglob("*.lp.gz")}
        house.fill(200, 2_000)
        with pytest.raises(OutputAway, match="the disk is full: free some space"):
            house.output.open()
        house.fails("the disk is full: free some space")
        with pytest.raises(OutputAway, match="the disk is full"):
            house.output.write([line for _, line in read_all(tmp_path / "journal" / "log")])
        assert {path: path.read_bytes() for path in disk.rglob("*.lp.gz")} == before
        assert list(disk.rglob("*.new")) == []
        ballast.unlink()
        house.deliver()
        house.end_days()
        assert house.stored() == house.truth
        assert len(house.parts) == 1


def fill_up(file):
    with file.open("wb", buffering=0) as opened:
        for size in (4096, 1):
            try:
                while True:
                    opened.write(b"x" * size)
            except OSError:
                pass


# Power cuts and kills


@pytest.mark.parametrize("cut", [1, 8, 40, 100])
def test_an_append_that_a_power_cut_tore_is_cut_off_and_repeated(tmp_path, lake, cut, caplog):
    house = House(tmp_path, lake)
    house.fill(0, 50)
    house.deliver()
    (file,) = lake.rglob("*.lp.gz")
    whole = file.read_bytes()
    cursor = house.journal.cursors["it"]
    house.fill(50, 50, devices=("mains",))
    house.deliver()
    torn = file.read_bytes()[:-cut]
    file.write_bytes(torn + b"\0" * (cut == 8) * 4096)
    house.journal.cursors["it"] = cursor
    house.restart()
    house.output.open()
    assert file.read_bytes() == whole
    assert "an append was interrupted; it is repeated" in caplog.text
    house.deliver()
    assert house.stored() == house.truth


def test_what_a_disk_lost_although_it_was_forced_onto_it_is_sent_again(tmp_path, lake):
    house = House(tmp_path, lake)
    house.fill(0, 200)
    house.deliver()
    (file,) = lake.rglob("*.lp.gz")
    whole = file.read_bytes()
    house.fill(200, 300)
    house.deliver()
    file.write_bytes(whole)
    house.restart()
    house.deliver()
    assert house.stored() == house.truth


def test_damage_within_a_working_file_costs_its_own_chunk(tmp_path, lake, caplog):
    house = House(tmp_path, lake)
    house.fill(0, 50, devices=("mains",))
    house.deliver()
    (file,) = lake.rglob("*.lp.gz")
    first = file.stat().st_size
    house.fill(50, 50, devices=("mains",))
    house.deliver()
    house.fill(100, 50, devices=("mains",))
    house.fill(2 * 86_400, 1)
    house.deliver()
    data = bytearray(file.parent.joinpath("2024-10-04.electricity.lp.gz").read_bytes())
    data[first + 90] ^= 1
    file.parent.joinpath("2024-10-04.electricity.lp.gz").write_bytes(data)
    house.restart()
    house.output.open()
    house.end_days()
    found = {at_ms for _, _, at_ms in house.stored()}
    lost = {at_ms for _, _, at_ms in house.truth} - found
    assert lost == {BEGIN_MS + at * 1000 for at in range(50, 100)}
    assert "damaged" in caplog.text


def test_a_working_file_is_gzip_that_zcat_reads(tmp_path, lake):
    house = House(tmp_path, lake)
    house.fill(0, 50)
    house.deliver()
    house.fill(50, 50)
    house.deliver()
    (file,) = lake.rglob("*.lp.gz")
    shown = subprocess.run(["zcat", file], check=True, capture_output=True).stdout
    assert {decode(line).at_ms for line in shown.splitlines()} == {at for *_, at in house.truth}


def test_a_part_that_is_damaged_is_named_and_nothing_lost(tmp_path, lake):
    for form in FORMS:
        own = lake / form
        own.mkdir()
        house = House(tmp_path / form, own, form)
        house.fill(0, 50)
        house.fill(2 * 86_400, 1)
        house.deliver()
        house.end_days()
        (part,) = house.parts
        whole = part.read_bytes()
        part.write_bytes(whole[: len(whole) // 2 - 3] if form != "csv" else b"\xff" * 100)
        house.add(meter("mains", BEGIN_MS + 500, 1))
        house.deliver()
        with pytest.raises(OutputAway, match="is damaged, so nothing can be added to it: move it"):
            house.output.open()
        part.write_bytes(whole)
        house.end_days()
        assert house.stored() == house.truth


@pytest.mark.parametrize("form", ["parquet", "lp"])
def test_killed_at_any_moment_every_reading_is_there_once(tmp_path, lake, form):
    """Fill and deliver in a process that is killed; days are finished all the time."""
    house = House(tmp_path, lake, form)
    house.journal.close()
    chance = random.Random(form)
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.outputs.file.test_output import run_on\n"
        "run_on(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])\n"
    )
    for _ in range(6):
        command = [sys.executable, "-c", script, tmp_path, lake, form]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"runs\n"
            time.sleep(chance.uniform(0.05, 0.5))
            process.send_signal(signal.SIGKILL)
    house = House(tmp_path, lake, form)
    house.deliver()
    house.end_days()
    house.truth = truth_of(tmp_path)
    assert len(house.truth) > 20
    assert house.stored() == house.truth
    assert len({path.parent for path in house.parts}) == len(house.parts) > 0
    for path in house.parts:
        assert list(path.parent.iterdir()) == [path]
    house.journal.close()


def truth_of(folder):
    readings = (decode(line) for _, line in read_all(folder / "journal" / "log"))
    return {(each.kind, each.device, each.at_ms): dict(each.values) for each in readings}


def run_on(folder, lake, form):
    """Journal and deliver until the process is killed: a reading each three hours."""
    house = House(folder, lake, form)
    newest_ms = max(
        (int(line[line.rindex(b" ") :]) for _, line in read_all(folder / "journal" / "log")),
        default=BEGIN_MS,
    )
    assert newest_of(house.journal) <= newest_ms
    print("runs", flush=True)
    for number in range(100_000):
        at_ms = newest_ms + (number + 1) * DAY_MS // 8
        house.add(meter("mains", at_ms, number), meter("washer", at_ms - DAY_MS // 2, number))
        house.deliver()
        house.output.open()


# What it is asked


def test_the_service_writes_and_check_accepts_it(tmp_path, lake):
    outputs = f"  lake: {{type: file, folder: {lake}, every: 100ms, format: lp}}\n"
    file = configure(tmp_path, "  house: {type: simulated, every: 100ms}\n", outputs)
    assert energy_monitor("check", "--config", file).returncode == 0
    with collector(file):
        wait_for(lambda: list(lake.rglob("*.lp.gz")), "something is written")
    (name,) = lake.rglob("*electricity.lp.gz")
    with name.open("rb") as opened:
        assert sum(chunk.device == "house" for chunk in chunks.scan(opened)) > 0


def test_a_name_that_is_no_plain_word_becomes_no_path(tmp_path, lake):
    house = House(tmp_path, lake)
    good = encode(meter("mains", BEGIN_MS, 1))
    bad = b"../../x,device=mains voltage=1.0 %d" % BEGIN_MS
    with pytest.raises(ReadingsRefused) as refused:
        house.output.write([good, bad])
    assert refused.value.reasons == {1: "its kind or device is not a plain name"}
    assert len(list(lake.rglob("*.lp.gz"))) == 1


def test_only_parquet_needs_an_extra(tmp_path, lake):
    assert House(tmp_path, lake).output.options.extras() == ("parquet",)
    assert House(tmp_path / "other", lake, "csv").output.options.extras() == ()


def test_a_url_is_not_a_folder(tmp_path):
    context = Context("home", Lines(), tmp_path, tmp_path)
    with pytest.raises(BadOption, match="is not a folder of this machine"):
        File("it", House.read({"type": "file", "folder": "s3://bucket/x"}), context)


def test_its_options_are_those_of_an_output():
    assert issubclass(FileOptions, OutputOptions)
    assert working.head_of(b"electricity,device=mains") == ("electricity", "mains")
    assert Path(working.file_name(parts.Day("2024-10-04", "a.b"))).name == "2024-10-04.a.b.lp.gz"


def test_a_csv_tells_what_is_rolled_up_from_tags():
    heads = CSV.split(["time", "device", "site", "active_power_mean", "floor", "voltage"])
    assert (heads.tags, heads.names) == (["site", "floor"], ["active_power_mean", "voltage"])
