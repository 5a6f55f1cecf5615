"""Secrets: every way in which none can be had is a sentence."""

import os

import pytest

from backup import signing
from backup.stores import connect
from collector.errors import EnergyMonitorError, SecretMissing
from collector.outputs.influxdb import setup
from collector.secrets import Secret, write


@pytest.fixture
def token(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return Secret("influxdb-token", tmp_path)


def test_a_file_that_is_not_utf_8_is_told_without_its_content(token, tmp_path):
    (tmp_path / "influxdb-token").write_bytes(b"hidden\xe9")
    with pytest.raises(SecretMissing, match="influxdb-token is not UTF-8 text") as missing:
        token.value()
    assert missing.value.__cause__ is None
    assert "hidden" not in str(missing.value)


def test_a_folder_in_its_place_is_told(token, tmp_path):
    (tmp_path / "influxdb-token").mkdir()
    with pytest.raises(SecretMissing, match="cannot be read: Is a directory"):
        token.value()


def test_a_secret_that_is_nowhere_names_the_places(token, tmp_path, monkeypatch):
    with pytest.raises(SecretMissing, match="ENERGY_MONITOR_INFLUXDB_TOKEN") as missing:
        token.value()
    assert str(tmp_path) in str(missing.value)
    monkeypatch.setenv("ENERGY_MONITOR_INFLUXDB_TOKEN", "from the environment")
    assert token.value() == "from the environment"


def test_of_credentials_the_folders_come_before_one_of_a_drop_in(token, tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    (tmp_path / "influxdb-token").write_text("of the folder beside")
    assert token.value() == "of the folder beside"
    (credentials / "influxdb-token").write_text("of a drop-in")
    assert token.value() == "of a drop-in"
    (credentials / "secrets_influxdb-token").write_text("of the folder\n")
    assert token.value() == "of the folder"


def test_what_has_not_reached_a_service_is_told_with_the_command_that_mends_it(
    token, tmp_path, monkeypatch
):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert not token.is_there()
    with pytest.raises(SecretMissing, match=r"has not reached the service; .* secret set "):
        token.value()


def test_an_empty_credential_hides_none_that_an_owner_loads_himself(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "secrets_backup-azure").write_text("none")
    assert Secret("backup-azure").if_given() is None
    (tmp_path / "backup-azure").write_text("https://x?sas")
    assert Secret("backup-azure").if_given() == "https://x?sas"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led elsewhere")
def test_no_secret_of_roots_is_written_where_another_user_can_exchange_the_folder(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    os.chown(folder, 4321, 4321)
    secrets = folder / "secrets"
    for store in (
        lambda: write(secrets / "one", "value"),
        lambda: signing.own_key(folder, secrets),
        lambda: connect.write_secret(secrets / "two", "value"),
        lambda: setup.kept_or_made(secrets / "three", []),
    ):
        with pytest.raises(EnergyMonitorError, match=f"other than root can change {folder}"):
            store()
    assert not os.path.lexists(secrets)


def test_a_secret_is_for_its_owner_only_and_one_line(tmp_path):
    write(tmp_path / "secrets" / "one", "value")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets/one").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets/one").read_bytes() == b"value\n"
