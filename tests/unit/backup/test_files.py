"""What a backup holds besides InfluxDB, and that nothing of it stands in the way of the rest."""

import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest

from backup import files
from backup.chosen import choose
from backup.manifest import File
from backup.pack import pack, unpack
from backup.progress import Progress
from backup.putback import put_back_installation, put_back_ledger
from backup.stores.folder import Folder
from collector import files as collector_files
from collector.config import load
from collector.ledger import rebuilt
from collector.ledger.database import create, open_to_read
from collector.run.identity import installation
from tests.fakes.backups import keep_backup
from tests.fakes.running import configure

HOUSE = "  house: {type: simulated}\n"
KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
NOBODY = 65534


class House:
    """The house in *folder*, of which files are gathered into *store*."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Folder(folder / "backups")

    def __call__(self, previous=(), **changes):
        config = load(self.folder / "config.yaml")
        for name, value in changes.items():
            object.__setattr__(config.main.backup, name, value)
        known: dict[str, File] = {}
        return files.gather(
            config,
            dict(previous),
            lambda chunks: pack(chunks, self.store, known),
            Progress("test", stream=StringIO()),
            self.store.part(),
        )

    def content(self, file):
        return b"".join(unpack(self.store.get("", file.object), file.size))


@pytest.fixture
def house(tmp_path):
    configure(tmp_path, HOUSE)
    return House(tmp_path)


def write(file, content=b"x"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def grafana_db(file, rows=10):
    """Make a database as Grafana does; return the open connection of who uses it."""
    connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE dashboard (id INTEGER PRIMARY KEY, title TEXT)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO dashboard (title) VALUES (?)", [("Home" * 50,)] * rows)
    connection.execute("COMMIT")
    return connection


def rows_in(content, tmp_path):
    write(tmp_path / "restored.db", content)
    with closing(sqlite3.connect(f"file:{tmp_path}/restored.db?mode=ro", uri=True)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return copy.execute("SELECT count(*) FROM dashboard").fetchone()[0]


def test_the_configuration_comes_with_its_imports_maps_and_settings_and_nothing_else(
    house, tmp_path
):
    configure(tmp_path, HOUSE, extra="import: [sub/more.yaml, ../outside.yaml]\n")
    write(tmp_path / "sub/more.yaml", b"timezone: Europe/Rome\n")
    write(tmp_path.parent / "outside.yaml", b"{}\n")
    write(tmp_path / "devices/modbus/own-meter.yaml")
    write(tmp_path / "stack.env")
    write(tmp_path / "tariffs.yaml")
    write(tmp_path / "config.yaml~")
    write(tmp_path / "secrets/token", b"hush")
    found, notes = house()
    assert sorted(found) == [
        "config/config.yaml",
        "config/devices/modbus/own-meter.yaml",
        "config/stack.env",
        "config/sub/more.yaml",
        "config/tariffs.yaml",
    ]
    assert house.content(found["config/sub/more.yaml"]) == b"timezone: Europe/Rome\n"
    assert any("outside.yaml is left out: it is not in" in note for note in notes)
    assert any("secrets are skipped: backups are not encrypted" in note for note in notes)
    (tmp_path.parent / "outside.yaml").unlink()


def test_secrets_are_in_encrypted_backups_only(house, tmp_path):
    write(tmp_path / "secrets/token", b"hush")
    write(tmp_path / "secrets/.token.new")
    write(tmp_path / "secrets/picture", b"\xff")
    found, notes = house(encrypt_to=(KEY,))
    assert [path for path in found if path.startswith("secrets")] == ["secrets/all.json"]
    assert json.loads(house.content(found["secrets/all.json"]))["secrets"] == {"token": "hush"}
    assert not any("secrets are left out" in note for note in notes)
    assert any("secrets/picture is skipped: it is not UTF-8 text" in note for note in notes)


def test_the_hash_that_a_manifest_tells_does_not_let_anyone_try_out_passwords(house, tmp_path):
    write(tmp_path / "secrets/token", b"1234")
    first, second = (house(encrypt_to=(KEY,))[0]["secrets/all.json"] for _ in range(2))
    assert first.sha256 != second.sha256
    assert first.size == second.size


def test_closed_segments_are_kept_and_those_of_before_are_not_read_again(house, tmp_path):
    log = tmp_path / "journal/log"
    write(log / "0000000000000001-1763654400000.z", b"one")
    write(log / "0000000000000002-1763654500000.z", b"two")
    write(log / "0000000000000003-1763654600000.log", b"open")
    found, _ = house()
    assert [path for path in found if path.startswith("journal")] == [
        "journal/0000000000000001-1763654400000.z",
        "journal/0000000000000002-1763654500000.z",
    ]
    write(log / "0000000000000001-1763654400000.z", b"One")  # it never would; nobody looks
    write(log / "0000000000000002-1763654500000.z", b"other size")
    again, _ = house(found)
    assert house.content(again["journal/0000000000000001-1763654400000.z"]) == b"one"
    assert house.content(again["journal/0000000000000002-1763654500000.z"]) == b"other size"


def test_a_segment_dropped_between_listing_and_reading_is_left_out(house, tmp_path, monkeypatch):
    log = tmp_path / "journal/log"
    write(log / "0000000000000002-1763654500000.z")
    names = ["0000000000000001-1763654400000.z", "0000000000000002-1763654500000.z"]
    monkeypatch.setattr("backup.files.os.listdir", lambda _: names)
    found, _ = house()
    assert [path for path in found if path.startswith("journal")] == [f"journal/{names[1]}"]


def test_grafana_is_copied_while_it_writes(house, tmp_path):
    database = tmp_path / "grafana.db"
    using = grafana_db(database, rows=3000)
    stop = threading.Event()

    def write_on():
        while not stop.wait(0.002):
            using.execute("INSERT INTO dashboard (title) VALUES ('new')")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        counts = []
        for _ in range(5):
            found, _ = house(grafana=str(database))
            counts.append(rows_in(house.content(found["grafana/grafana.db"]), tmp_path))
    finally:
        stop.set()
        writer.join()
        using.close()
    assert counts[0] >= 3000
    assert counts == sorted(counts)
    assert not list(house.store.folder.glob("part-*"))


def test_grafana_that_is_stopped_is_copied_too(house, tmp_path):
    database = tmp_path / "grafana.db"
    grafana_db(database).close()
    assert not Path(f"{database}-wal").exists()
    before = sorted(tmp_path.iterdir())
    found, _ = house(grafana=str(database))
    assert rows_in(house.content(found["grafana/grafana.db"]), tmp_path) == 10
    assert sorted(set(tmp_path.iterdir()) - {tmp_path / "restored.db", tmp_path / "backups"}) == [
        each for each in before if each.name != "backups"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize("running", [True, False])
def test_who_may_only_read_copies_grafana_of_another_user(tmp_path, running):
    """As the unit does it: the service's user may read Docker's volume, and not write there."""
    folder, draft = (Path("/var/tmp") / f"{name}-{os.getpid()}" for name in ("grafana", "draft"))
    folder.mkdir(mode=0o755)
    try:
        using = grafana_db(folder / "grafana.db")
        using.execute("INSERT INTO dashboard (title) VALUES ('only in the log')")
        if not running:
            using.close()
        for file in folder.iterdir():
            file.chmod(0o644)
        notes: list[str] = []
        os.seteuid(NOBODY)
        try:
            copy = files.copied(folder / "grafana.db", draft, notes)
        finally:
            os.seteuid(0)
        assert (copy, notes) == (draft, [])
        assert rows_in(draft.read_bytes(), tmp_path) == 11
        using.close()
    finally:
        shutil.rmtree(folder)
        draft.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No such file"), (b"no database" * 100, "file is not a database")],
)
def test_what_is_no_database_is_told_and_everything_else_is_backed_up(
    house, tmp_path, content, sentence
):
    if content:
        write(tmp_path / "grafana.db", content)
    found, notes = house(grafana=str(tmp_path / "grafana.db"))
    assert "config/config.yaml" in found
    assert "grafana/grafana.db" not in found
    assert any("grafana.db is left out" in note and sentence in note for note in notes)
    assert not list(house.store.folder.glob("part-*"))


def test_a_damaged_database_is_told(house, tmp_path):
    database = tmp_path / "grafana.db"
    grafana_db(database, rows=3000).close()
    data = bytearray(database.read_bytes())
    data[4096 * 3 : 4096 * 5] = os.urandom(8192)
    database.write_bytes(data)
    found, notes = house(grafana=str(database))
    assert "grafana/grafana.db" not in found
    assert any("grafana.db is left out: " in note for note in notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(house, tmp_path):
    write(tmp_path / "stack.env")
    (tmp_path / "stack.env").chmod(0)
    found, notes = house()
    assert "config/config.yaml" in found
    assert any("stack.env is left out: Permission denied" in note for note in notes)


@pytest.mark.parametrize("error", [PermissionError("denied"), FileNotFoundError("gone")])
def test_a_folder_that_takes_nothing_is_not_told_as_files_that_cannot_be_read(house, error):
    write(house.folder / "journal/log/1.z")

    def keep(_):
        raise error

    config, progress = load(house.folder / "config.yaml"), Progress("test", stream=StringIO())
    with pytest.raises(type(error)):
        files.gather(config, {}, keep, progress, house.store.part())


def test_a_file_that_the_disk_does_not_give_back_is_left_out_alone(house, monkeypatch):
    path = house.folder / "journal/log/1.z"
    write(path)
    real = collector_files.open_file

    class Failing:
        def __init__(self, file):
            self.fileno, self.close = file.fileno, file.close

        def read(self, _):
            raise OSError(5, "Input/output error")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

    def open_file(file, folder=None, **how):
        return Failing(real(file, folder)) if file == "1.z" else real(file, folder, **how)

    monkeypatch.setattr(files, "open_file", open_file)
    found, notes = house()
    assert list(found) == ["config/config.yaml"]
    assert "journal/1.z is left out: Input/output error" in notes


def test_a_pipe_where_grafana_has_its_database_is_left_out_and_not_waited_for(house, tmp_path):
    os.mkfifo(tmp_path / "grafana.db")
    found, notes = house(grafana=str(tmp_path / "grafana.db"))
    assert list(found) == ["config/config.yaml"]
    assert any("grafana.db is left out: it is not a regular file" in note for note in notes)


def test_the_ledger_is_backed_up_in_use_and_comes_back_where_its_keeper_takes_it(tmp_path):
    ledger = tmp_path / "house/ledger/ledger.sqlite"
    database = create(ledger)
    with database.transaction():
        database.keep("number", 7)
    notes: list[str] = []
    copy = files.copied(ledger, tmp_path / "draft", notes)
    database.close()
    assert copy is not None
    assert notes == []
    store = Folder(tmp_path / "store")
    manifest = keep_backup(store, tmp_path, "20261120T100000Z", {files.LEDGER: copy.read_bytes()})
    chosen = choose(store, manifest.id)
    ready = rebuilt.ready(ledger)
    assert put_back_ledger(chosen, ledger, ready) == ledger.with_name("ledger.sqlite.restored")
    ledger.unlink()
    assert put_back_ledger(chosen, ledger, ready) == ready
    rebuilt.take(ledger)
    again = open_to_read(ledger)
    assert again.kept("number") == 7
    again.close()


def test_a_ledger_is_not_restored_through_a_link_that_the_service_could_plant(tmp_path):
    store = Folder(tmp_path / "store")
    database = b"SQLite format 3\0" + bytes(84)
    manifest = keep_backup(store, tmp_path, "20261120T100000Z", {files.LEDGER: database})
    chosen = choose(store, manifest.id)
    (tmp_path / "etc").mkdir()
    (tmp_path / "house").mkdir()
    ledger = tmp_path / "house/ledger/ledger.sqlite"
    ledger.parent.symlink_to(tmp_path / "etc")
    with pytest.raises(NotADirectoryError):
        put_back_ledger(chosen, ledger, rebuilt.ready(ledger))
    assert not list((tmp_path / "etc").iterdir())
    ledger.parent.unlink()
    assert put_back_ledger(chosen, ledger, rebuilt.ready(ledger)).read_bytes() == database


def test_a_machine_that_is_restored_is_the_installation_that_was_backed_up(tmp_path):
    store = Folder(tmp_path / "store")
    word = b"0123456789abcdef\n"
    manifest = keep_backup(store, tmp_path, "20261120T100000Z", {files.INSTALLATION: word})
    put_back_installation(choose(store, manifest.id), tmp_path)
    assert installation(tmp_path) == "0123456789abcdef"
