"""The recovery sheet: what it says, how large it is, and that its code can be read."""

import json
import subprocess
import uuid
from dataclasses import replace

import pytest
import segno

from backup import sheet, signing
from backup.stores import ssh
from collector import config

KEYS = [f"age1{'q' * 57}{letter}" for letter in "abcdef"]
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPn6LgJ8ofZnJ2ZDrEwe9gGfNnVQQ4h4vEy6c/oa0AJ0"
AZURE = "https://house.blob.core.windows.net/backups"
SFTP = "sftp://pi@nas.local:2222/volume1/backups"


@pytest.fixture
def house(tmp_path):
    def make(*recipients):
        file = tmp_path / "config.yaml"
        file.write_text(
            "sources: {m: {type: simulated}}\n"
            f"backup: {{folder: {tmp_path}/backups, encrypt_to: {list(recipients)}}}\n"
        )
        (tmp_path / "secrets").mkdir()
        return config.load(file)

    return make


def connect_sftp(house, address=SFTP):
    login = replace(ssh.from_address(address), host_key=HOST_KEY, private_key=ssh.new_key("h"))
    (house.secrets / "backup-sftp").write_text(login.settings())
    return login


def connect_azure(house, sas="sp=rcl&se=2027-01-01T00:00:00Z&sig=qwertyuiop"):
    (house.secrets / "backup-azure").write_text(f"{AZURE}?{sas}\n")


def connect_principal(house):
    document = {
        "format": 1,
        "store": "azure",
        "account_url": AZURE.rpartition("/")[0],
        "container": "backups",
        "tenant_id": str(uuid.UUID(int=1)),
        "client_id": str(uuid.UUID(int=2)),
        "certificate_pem": "-----BEGIN PRIVATE KEY-----\n" + "qwertyuiop" * 300,
    }
    (house.secrets / "backup-azure").write_text(json.dumps(document))


def test_it_says_where_the_backups_are_and_how_to_get_at_them(house):
    ours = house(*KEYS[:1])
    connect_azure(ours)
    connect_sftp(ours)
    page = "\n".join(sheet.page(ours))
    for words in (
        AZURE,
        "account house, container backups",
        "SAS until 2027-01-01",
        SFTP,
        f"host key {ssh.fingerprint(HOST_KEY)}",
        "for the file .ssh/authorized_keys of pi",
        KEYS[0],
        "sudo ./install.sh --restore azure\n",
        f"sudo ./install.sh --restore {SFTP}\n",
        "It holds no secret.",
    ):
        assert words in page


def test_without_a_store_it_warns_and_names_the_folder(house):
    page = "\n".join(sheet.page(house()))
    assert "Nothing leaves the house" in page
    assert "/backups" in page
    assert "The backups are not encrypted" in page


@pytest.mark.parametrize("connect", [connect_azure, connect_principal])
def test_it_holds_a_secret_only_where_that_is_asked_for(house, connect):
    ours = house()
    connect(ours)
    login = connect_sftp(ours)
    page = "\n".join(sheet.page(ours))
    assert "qwertyuiop" not in page
    assert "PRIVATE KEY" not in page
    assert "IT HOLDS SECRETS" in "\n".join(sheet.page(ours, with_credentials=True))
    lines = sheet.page(ours, with_credentials=True)
    begin = next(number for number, line in enumerate(lines) if line.startswith("{"))
    end = next(number for number, line in enumerate(lines) if line.endswith("}"))
    joined = "".join(lines[begin : end + 1])
    assert ssh.from_settings(joined) == login
    (ours.secrets / "backup-sftp").unlink()
    lines = sheet.page(ours, with_credentials=True)
    assert ("qwertyuiop" in "\n".join(lines)) == (connect is connect_azure)


@pytest.mark.parametrize("with_credentials", [False, True])
def test_it_is_one_page_whatever_is_in_it(house, tmp_path, with_credentials):
    ours = house(*KEYS)
    connect_azure(ours, f"sp=rcl&si={'p' * 64}&sig={'s' * 100}")
    connect_sftp(ours, f"sftp://pi@nas.local/{'a' * 170}")
    (tmp_path / "backup-signing.pub").write_text("".join(f"{n:064x}\n" for n in range(9)))
    page = sheet.page(ours, with_credentials=with_credentials)
    assert len(page) <= 60
    assert max(map(len, page)) <= 80
    assert "and 2 more" in "\n".join(page)


def test_the_key_that_signs_is_on_it_where_there_is_one(house):
    ours = house()
    assert "No backup is signed yet" in "\n".join(sheet.page(ours))
    key = signing.own_key(ours.file.parent, ours.secrets)
    page = "\n".join(sheet.page(ours))
    assert f"    {key}\n" in page
    signing.trust(ours.file.parent, "0" * 64)  # of the machine before, whose backup is here
    assert commands_of(sheet.page(ours)) == [[f"{ours.backups}", "--signed-by", key]]


@pytest.mark.parametrize(
    "folder", ["a", "a" * 60, "a" * 170, "~/b", "a;reboot", "$(reboot)&" * 17, "a/" + "b!" * 70]
)
def test_its_command_reaches_a_shell_as_it_is(house, folder):
    ours = house()
    key = signing.own_key(ours.file.parent, ours.secrets)
    login = connect_sftp(ours, f"sftp://pi@nas.local/{folder}")
    assert commands_of(sheet.page(ours)) == [[login.address, "--signed-by", key]]


def commands_of(page):
    """Return the words after --restore of each command, as a shell has them."""
    begin, end = (next(n for n, line in enumerate(page) if word in line) for word in ("3. ", "4. "))
    script = "sudo() { printf '%s\\n' \"$@\"; }\n" + "\n".join(page[begin + 1 : end])
    said = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    commands = said.stdout.split("./install.sh\n--restore\n")[1:]
    return [each.splitlines() for each in commands]


def test_the_code_is_drawn_as_it_is(house):
    ours = house(*KEYS[:1])
    connect_sftp(ours)
    drawn = [line for line in sheet.page(ours) if sheet.is_code(line)]
    text = f"sudo ./install.sh --restore {SFTP}\n{KEYS[0]}"
    wanted = [list(row) for row in segno.make(text, error="l").matrix_iter(border=4)]
    upper = {" ": 0, "▄": 0, "▀": 1, "█": 1}
    lower = {" ": 0, "▀": 0, "▄": 1, "█": 1}
    found = [[half[each] for each in line] for line in drawn for half in (upper, lower)]
    assert found[: len(wanted)] == wanted
