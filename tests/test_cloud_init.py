"""What the first start without keyboard does with backups; ``tests/appliance`` has all of it."""

import subprocess
import tarfile

import pytest
import yaml

from tests.appliance.lab import ROOT

COMMAND = """#!/bin/sh
[ ! -e {folder}/refuse ] || exit 1
echo "$@" >> {folder}/words
"""
SFTP = '{"format": 1, "store": "sftp", "address": "sftp://a@b/c", "private_key": "A\\nB\\n"}'


@pytest.fixture
def first_start(tmp_path):
    """Return a function that runs the script of user-data below a folder, with these settings."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/install.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "project/install.sh").chmod(0o755)
    with tarfile.open(tmp_path / "project.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "project", "project")
    (tmp_path / "bin").mkdir()
    for name, text in (
        ("energy-monitor", COMMAND.format(folder=tmp_path)),
        ("systemctl", "#!/bin/sh\n"),
    ):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)

    def run(line="nothing", folder=""):
        user_data = (ROOT / "cloud-init/user-data").read_text().replace("nothing\n", f"{line}\n", 1)
        for place in ("/etc/", "/usr/local/src/", "/boot/firmware/"):
            user_data = user_data.replace(place, f"{tmp_path}{place}")
        files = {each["path"]: each["content"] for each in yaml.safe_load(user_data)["write_files"]}
        (tmp_path / "boot/firmware").mkdir(parents=True, exist_ok=True)
        (tmp_path / "boot/firmware/user-data").write_text(user_data)
        (tmp_path / "etc/install-energy-monitor").mkdir(parents=True, exist_ok=True)
        store = tmp_path / "etc/install-energy-monitor/store"
        store.write_text(files[str(store)])
        script = files["/usr/local/sbin/install-energy-monitor"]
        settings = {"PROJECT": f"{tmp_path}/project.tar.gz", "OPTIONS": "--yes", "FOLDER": folder}
        path = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", script], env=path | settings, check=False)
        words = tmp_path / "words"
        said = words.read_text().splitlines() if words.exists() else []
        return done.returncode, said

    return run


@pytest.mark.parametrize(
    ("line", "name"), [(SFTP, "sftp"), ('{"store":"azure","account_url":"x"}', "azure")]
)
def test_a_store_that_is_named_is_restored_from_and_its_key_wiped(
    first_start, tmp_path, line, name
):
    (tmp_path / "refuse").touch()
    assert first_start(line) == (1, [])
    card = tmp_path / "boot/firmware/user-data"
    assert line in card.read_text(), "to be tried again"
    (tmp_path / "refuse").unlink()
    store = tmp_path / "etc/install-energy-monitor/store"
    said = [f"backup connect {store}", f"restore latest --from {name} --replace"]
    assert first_start(line) == (0, said)
    assert line not in card.read_text()
    assert not store.exists()


def test_a_folder_that_is_named_is_restored_from(first_start):
    assert first_start(folder="/mnt/backups") == (
        0,
        ["restore latest --from /mnt/backups --replace"],
    )


def test_without_backups_nothing_is_restored(first_start):
    assert first_start() == (0, [])
