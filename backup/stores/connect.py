"""Which stores there are beside the folder: one that was connected, or a path."""

from datetime import UTC, datetime
from pathlib import Path

from backup import state
from backup.paths import make_folder
from backup.stores.azure import Azure, from_settings
from backup.stores.credential import Sas
from backup.stores.folder import Folder, Store
from collector import files
from collector.config import Config
from collector.errors import BackupFault, SecretMissing
from collector.ownership import step_down
from collector.secrets import Secret

NAME = "backup-azure"
ADD_AND_READ = set("rcla")


def connect(text: str, config: Config) -> list[str]:
    """Try the store that *text* names and keep it as a secret; return what to say of it.

    Raise BackupFault where *text* is wrong, StoreAway where the store does not let us in.
    """
    azure = from_settings(text)
    ids = azure.check()
    file = config.secrets / NAME
    write_secret(file, text.strip() + "\n")
    folder = config.backups
    step_down(folder)
    expect_uploads(folder)
    found = f"{len(ids)} backups are there, the newest {ids[-1]}" if ids else "it is empty"
    lines = [f"{azure.name}: {found}", f"The credential is kept in {file}"]
    credential = azure.container.credential
    if isinstance(credential, Sas):
        lines += remarks(credential)
    return [*lines, "The hourly timer uploads from now on; at once: energy-monitor backup upload"]


def expect_uploads(folder: Path) -> None:
    """Have uploads missed from now on. Raise BackupFault."""
    try:
        make_folder(folder)
        state.expect(folder, "upload", datetime.now(UTC))
    except OSError as error:
        raise BackupFault(f"{folder} cannot be written to: {error.strerror}; try sudo") from error


def remarks(sas: Sas) -> list[str]:
    """Say what a SAS allows beyond what is needed, and when it ends."""
    lines = []
    if end := sas.fields().get("se"):
        lines.append(f"It ends at {end}: provide a new one before")
    if excess := set(sas.rights) - ADD_AND_READ:
        lines.append(
            f"It has more rights than it needs ({', '.join(sorted(excess))}): who steals this "
            "machine could overwrite or delete backups. Make one with 'rcl' only"
        )
    if "si" not in sas.fields():
        lines.append("It is under no stored access policy: only a new account key revokes it")
    return lines


def off_site(config: Config) -> Azure | None:
    """Return the store that is connected, None where none is. Raise BackupFault."""
    try:
        text = Secret(NAME, config.secrets).if_given()
    except SecretMissing as error:
        raise BackupFault(f"{error}; try it with sudo") from error
    return from_settings(text, int(config.main.backup.upload_rate)) if text else None


def open_store(where: str | None, config: Config) -> Store:
    """Return the store that a user means: 'azure', a folder's path, or None for the usual folder.

    Raise BackupFault where it isn't one.
    """
    if where == "azure":
        azure = off_site(config)
        if azure is None:
            raise BackupFault(
                "no store is connected: provide its settings with "
                "'sudo energy-monitor backup connect FILE'"
            )
        return azure
    return open_folder(Path(where)) if where else Folder(config.backups)


def open_folder(folder: Path) -> Folder:
    if not (folder / "manifests").is_dir():
        raise BackupFault(
            f"{folder} contains no backups: expected 'azure' or a folder with manifests/"
        )
    return Folder(folder)


def write_secret(file: Path, text: str) -> None:
    """Write *file* for its owner only, whole or not at all. Raise BackupFault."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(file, text.encode(), mode=0o600)
    except OSError as error:
        raise BackupFault(f"{file} cannot be written: {error.strerror}; try sudo") from error
