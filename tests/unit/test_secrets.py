"""Secrets: every way in which none can be had is a sentence."""

import pytest

from collector.errors import SecretMissing
from collector.secrets import Secret


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
