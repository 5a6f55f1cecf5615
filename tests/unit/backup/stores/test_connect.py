"""Connecting a store: what is read, what is refused in which words, and what is kept."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from backup import signing
from backup.putback import OF_THIS_MACHINE
from backup.stores.azure import from_settings
from backup.stores.blobs import Container
from backup.stores.connect import NAMES, connect, off_site, off_sites, open_store
from backup.stores.credential import Certificate, Sas
from backup.stores.folder import Folder
from backup.stores.sftp_line import NotAdmitted, OtherServer
from collector import backup_options, config
from collector.cli.secret import USED_BY
from collector.errors import BackupFault, StoreAway
from tests.fakes.backups import keep_backup
from tests.servers import azurite, sshd

SYSTEMD = Path(__file__).parents[4] / "systemd"
ID = "20261120T100000Z"
GOOD = {
    "format": 1,
    "store": "azure",
    "account_url": "https://house.blob.core.windows.net",
    "container": "backups",
    "sas": "sp=rcl&sig=abc",
}
PRINCIPAL = {
    "tenant_id": str(uuid.UUID(int=1)),
    "client_id": str(uuid.UUID(int=2)),
    "certificate_pem": "-----BEGIN PRIVATE KEY-----\n…",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with azurite.running(tmp_path_factory.mktemp("azurite")) as running:
        running.container("backups")
        yield running


@pytest.fixture
def settings(tmp_path):
    """The configuration of a house that keeps its backups in tmp_path/backups."""
    file = tmp_path / "config.yaml"
    file.write_text(
        f"sources: {{m: {{type: simulated}}}}\n"
        f"backup: {{folder: {tmp_path}/backups, upload_rate: 200 kB}}\n"
    )
    return config.load(file)


def text_for(server, **sas):
    return json.dumps({**GOOD, "account_url": server.url, "sas": server.sas("backups", **sas)})


def test_a_connected_store_is_used_from_then_on(server, settings, tmp_path):
    assert off_site(settings) is None
    said = connect(text_for(server), settings)
    assert said[0].endswith("backups: it is empty")
    kept = settings.secrets / "backup-azure"
    assert kept.stat().st_mode & 0o777 == 0o600
    expected = backup_options.read_runs(tmp_path / "backups")["upload"]
    assert expected.first_at
    assert expected.done_at is None
    ours = off_site(settings)
    assert ours is not None
    keep_backup(ours, tmp_path, ID, {"config/a": b"a"})
    assert ours.rate == 200_000
    assert open_store("azure", settings).ids() == [ID]
    assert connect(text_for(server), settings)[0].endswith(f"1 backup there, the newest {ID}")


def test_a_store_that_refuses_leaves_what_was_connected(server, settings):
    connect(text_for(server), settings)
    before = (settings.secrets / "backup-azure").read_text()
    with pytest.raises(StoreAway, match="expired"):
        connect(text_for(server, ends_in_s=-60), settings)
    assert (settings.secrets / "backup-azure").read_text() == before


def test_rights_beyond_what_is_needed_are_told(server, settings):
    said = "\n".join(connect(text_for(server, rights="rcwdl"), settings))
    assert "more rights than it needs (d, w)" in said
    assert "It ends at 20" in said
    assert "under no stored access policy" in said
    policy = {**GOOD, "account_url": server.url, "sas": server.sas_under_policy("backups")}
    said = "\n".join(connect(json.dumps(policy), settings))
    assert "more rights" not in said
    assert "stored access policy" not in said


def test_the_address_that_azures_portal_gives_will_do(server, settings):
    connect(f"{server.url}/backups?{server.sas('backups')}\n", settings)
    assert open_store("azure", settings).name == f"{server.url}/backups"


def test_what_terraform_prints_is_a_certificate():
    document = {name: value for name, value in GOOD.items() if name != "sas"} | PRINCIPAL
    container = from_settings(json.dumps(document)).container
    assert isinstance(container, Container)
    assert container.credential == Certificate(
        PRINCIPAL["tenant_id"], PRINCIPAL["client_id"], PRINCIPAL["certificate_pem"]
    )
    assert isinstance(from_settings(json.dumps(GOOD)).container.credential, Sas)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "made for a newer one; upgrade first"),
        ({"store": "s3"}, "not the settings of a store"),
        ({"account_url": None}, "account_url must be like https://"),
        ({"account_url": "http://house.blob.core.windows.net"}, "account_url must be like"),
        ({"account_url": "https://house.blob.core.windows.net?sig=1"}, "account_url must be like"),
        ({"account_url": "https://u:p@house"}, "account_url must be like"),
        ({"account_url": "https://[bad"}, "account_url must be like"),
        ({"account_url": "https://house:port"}, "account_url must be like"),
        ({"container": "No Good"}, "container must be 3 to 63"),
        ({"container": "ab"}, "container must be 3 to 63"),
        ({"sas": ""}, "a credential is missing"),
        ({"sas": "sp=rcl"}, "sas must be one line with 'sig='"),
        ({"sas": "sig=a b"}, "sas must be one line"),
        (PRINCIPAL, "a credential is missing: either sas, or"),
        ({"sas": "", **PRINCIPAL, "tenant_id": "mine"}, "tenant_id and client_id must be like"),
    ],
)
def test_wrong_settings_are_told(changes, said):
    with pytest.raises(BackupFault, match=said):
        from_settings(json.dumps(GOOD | changes))


@pytest.mark.parametrize("text", ["", "sp=rcl&sig=secret", "[1]", "{", '"x"'])
def test_what_is_no_settings_at_all_is_told_without_repeating_it(text):
    with pytest.raises(BackupFault) as error:
        from_settings(text)
    assert "secret" not in str(error.value)


def test_a_unit_without_the_secret_has_no_store(settings, monkeypatch, tmp_path):
    (tmp_path / "backup-azure").write_text("none\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert off_site(settings) is None
    with pytest.raises(BackupFault, match="backup connect FILE"):
        open_store("azure", settings)


def test_a_store_is_a_name_or_a_folder(settings, tmp_path):
    assert open_store(None, settings).name == f"{tmp_path}/backups"
    stick = Folder(tmp_path / "stick")
    keep_backup(stick, tmp_path, ID, {"config/a": b"a"})
    assert open_store(str(tmp_path / "stick"), settings).ids() == [ID]
    with pytest.raises(BackupFault, match="expected azure, sftp or a folder with manifests/"):
        open_store(str(tmp_path / "nowhere"), settings)


# Over SFTP.


@pytest.fixture
def nas(tmp_path):
    with sshd.running(tmp_path / "sshd") as server:
        yield server


def admit(nas, address, settings):
    """Connect for the first time, and do what is asked for."""
    with pytest.raises(NotAdmitted, match="add this line to the file") as told:
        connect(address, settings)
    nas.admit(str(told.value).rpartition(": ")[2])


def yes(_):
    """Compare nothing, and believe the server."""


def test_a_server_that_nobody_has_compared_is_refused_with_what_to_do(nas, settings, tmp_path):
    address = nas.address(tmp_path / "nas")
    admit(nas, address, settings)
    with pytest.raises(BackupFault, match="nobody has compared: run 'ssh-keygen -lf") as told:
        connect(address, settings)
    assert off_sites(settings) == []
    assert not (tmp_path / "nas").exists(), "nothing is written to a server that is not believed"
    option, fingerprint = str(told.value).split()[-2:]
    assert option == "--host-key"
    for wrong in (fingerprint[:-1], "ssh-ed25519 AAAA", f"MD5:{fingerprint}"):
        with pytest.raises(BackupFault, match="not the fingerprint of a host key"):
            connect(address, settings, host_key=wrong)
    other = "SHA256:" + "A" * 43
    with pytest.raises(BackupFault, match=f"not {other}: .* somebody stands in between"):
        connect(address, settings, yes, other)
    assert off_sites(settings) == []
    connect(address, settings, host_key=fingerprint)
    assert [each.name for each in off_sites(settings)] == [address]
    connect(address, settings)
    with pytest.raises(BackupFault, match="somebody stands in between"):
        connect(address, settings, host_key=other)


def test_settings_without_the_key_of_the_server_are_not_believed_either(nas, settings, tmp_path):
    admit(nas, nas.address(tmp_path / "nas"), settings)
    text = (settings.secrets / "backup-sftp").read_text()
    with pytest.raises(BackupFault, match="nobody has compared"):
        connect(text, settings)


def test_a_store_over_sftp_is_connected_once_its_server_has_our_key(nas, settings, tmp_path):
    address = nas.address(tmp_path / "nas" / "house")
    admit(nas, address, settings)
    assert off_sites(settings) == []
    seen: list[str] = []
    said = connect(address, settings, seen.append)
    assert said[0] == f"{address}: it is empty"
    assert seen[0].startswith("127.0.0.1 has the host key SHA256:")
    kept = settings.secrets / "backup-sftp"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert backup_options.read_runs(tmp_path / "backups")["upload"].first_at
    ours = off_site(settings)
    assert ours is not None
    assert ours.rate == 200_000
    keep_backup(ours, tmp_path, ID, {"config/a": b"a"})
    for where in ("sftp", address, f"{address}/"):
        assert open_store(where, settings).ids() == [ID]
    assert open_store(nas.address(tmp_path / "nas" / "other"), settings).ids() == []
    seen.clear()
    assert "1 backup there" in connect(address, settings, seen.append)[0]
    assert seen == []


def test_what_was_kept_connects_another_machine(nas, settings, tmp_path):
    address = nas.address(tmp_path / "nas")
    admit(nas, address, settings)
    connect(address, settings, yes)
    kept = settings.secrets / "backup-sftp"
    text = kept.read_text()
    kept.unlink()
    connect(text, settings)
    assert kept.read_text() == text


def test_a_server_that_is_not_the_one_we_know_is_not_connected(nas, settings, tmp_path):
    address = nas.address(tmp_path / "nas")
    admit(nas, address, settings)
    connect(address, settings, yes)
    kept = settings.secrets / "backup-sftp"
    document = json.loads(kept.read_text())
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPn6LgJ8ofZnJ2ZDrEwe9gGfNnVQQ4h4vEy6c/oa0AJ0"
    kept.write_text(json.dumps(document | {"host_key": other}))
    with pytest.raises(OtherServer):
        connect(address, settings)


@pytest.mark.parametrize("where", ["azure", "sftp", "sftp://pi@nas/backups"])
def test_what_is_not_connected_is_told_with_the_command(where, settings):
    with pytest.raises(
        BackupFault, match=f"{where} is not connected: .* backup connect (FILE|sftp:)"
    ):
        open_store(where, settings)


def test_what_lets_into_a_store_reaches_the_units_and_is_never_replaced_by_a_backup():
    for name in NAMES.values():
        assert name in OF_THIS_MACHINE
        assert name in USED_BY
        for task in ("upload", "rehearse"):
            unit = (SYSTEMD / f"energy-monitor-{task}.service").read_text()
            assert f"LoadCredential=secrets_{name}:/etc/energy-monitor/secrets/{name}\n" in unit
            assert f"SetCredential=secrets_{name}:none\n" in unit


def test_a_folder_of_another_house_is_told(nas, settings, tmp_path):
    address = nas.address(tmp_path / "nas" / "shared")
    with pytest.raises(NotAdmitted) as refused:
        connect(address, settings)
    nas.admit(str(refused.value).rpartition(": ")[2])
    manifest = keep_backup(Folder(tmp_path / "aside"), tmp_path, ID, {"config/a": b"a"})
    shared, theirs = Folder(tmp_path / "nas" / "shared"), signing.new_key()
    shared.put_manifest(signing.sign(replace(manifest, site="hut"), theirs))
    assert "another installation" not in "\n".join(connect(address, settings, yes))
    signing.own_key(settings.file.parent, settings.secrets)
    assert "The newest is of another installation, hut" in "\n".join(connect(address, settings))
    signing.trust(settings.file.parent, signing.public_of(theirs))
    assert "another installation" not in "\n".join(connect(address, settings))
