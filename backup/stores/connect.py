"""Which stores there are beside the folder: those that were connected, or a path."""

import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backup import signing, state
from backup.ownership import step_down
from backup.paths import make_folder
from backup.stores import ssh
from backup.stores.azure import Azure
from backup.stores.azure import from_settings as azure_from_settings
from backup.stores.credential import Sas
from backup.stores.folder import Folder, Store
from backup.stores.sftp import Sftp
from backup.stores.ssh import Login
from collector.config import Config
from collector.contract.documents import parsed
from collector.errors import BackupFault, Damaged, SecretMissing
from collector.secrets import Secret, write
from collector.text import counted, plain

NAMES = {"azure": "backup-azure", "sftp": "backup-sftp"}  # their secrets
SFTP = "sftp://"
ADD_AND_READ = set("rcla")
UPLOADS = "The hourly timer uploads from now on; at once: 'sudo energy-monitor backup upload'"
EMPTY = "it is empty"
AT_THE_SERVER = "'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub'"
Connected = Azure | Sftp


def connect(
    text: str,
    config: Config,
    confirm: Callable[[str], None] | None = None,
    host_key: str | None = None,
) -> list[str]:
    """Try the store that *text* names and keep it as a secret; return what to say of it.

    A server is believed that has the fingerprint *host_key*, or that a person says yes to in
    *confirm*. Raise BackupFault where *text* is wrong or a server is not believed, StoreAway where
    the store does not let us in.
    """
    if names_sftp(text):
        return connect_sftp(text.strip(), config, confirm, host_key)
    if host_key:
        raise BackupFault("--host-key is for a store over SFTP: Azure proves itself by TLS")
    azure = azure_from_settings(text)
    ids = azure.check()
    lines = kept("azure", azure.name, ids, text.strip(), config)
    credential = azure.container.credential
    if isinstance(credential, Sas):
        lines += remarks(credential)
    return [*lines, UPLOADS]


def names_sftp(text: str) -> bool:
    """Return whether *text* is an address of SFTP, or the settings of such a store."""
    try:
        document = parsed(text)
    except ValueError:
        return text.startswith(SFTP)
    return isinstance(document, dict) and document.get("store") == "sftp"


def connect_sftp(
    text: str, config: Config, confirm: Callable[[str], None] | None, host_key: str | None
) -> list[str]:
    if host_key and not ssh.FINGERPRINT.fullmatch(host_key):
        raise BackupFault(
            f"{plain(host_key)!r} is not the fingerprint of a host key: expected SHA256: and 43 "
            f"characters, as {AT_THE_SERVER} prints"
        )
    login = login_for(text, config.secrets) if text.startswith(SFTP) else ssh.from_settings(text)
    store = Sftp(login)
    believe(login, store.fingerprint(), confirm, host_key)
    ids = store.check()
    foreign = of_another(store, ids, signing.known(config.file.parent))
    store.hang_up()  # as the user who began it
    return [*kept("sftp", store.name, ids, store.login.settings(), config), *foreign, UPLOADS]


def believe(
    login: Login, has: str, confirm: Callable[[str], None] | None, host_key: str | None
) -> None:
    """Raise BackupFault unless the server's key is known, given, or compared by a person."""
    said = f"{login.host} has the host key {has}"
    if host_key and host_key != has:
        raise BackupFault(
            f"{said}, not {host_key}: is it the fingerprint of another of its keys? Else somebody "
            "stands in between"
        )
    if login.host_key or host_key:
        return
    if confirm is None:
        raise BackupFault(
            f"{said}, which nobody has compared: run {AT_THE_SERVER} there, and where it is the "
            f"same, add --host-key {has}"
        )
    confirm(f"{said}; on the server: {AT_THE_SERVER}")


def of_another(store: Store, ids: list[str], known: Collection[str]) -> list[str]:
    """Say whose the newest backup is, where it is not of this house: each one thins its folder."""
    with suppress(Damaged):
        newest = store.manifest(ids[-1]) if ids and known else None
        if newest and newest.signed_by and newest.signed_by not in known:
            whose = f"The newest is of another installation, {plain(newest.site, 40)}"
            mend = "connect a folder for each, or they remove each other's backups"
            return [f"{whose}: where that one uploads here too, {mend}"]
    return []


def login_for(address: str, secrets: Path) -> Login:
    """Return the login at *address*, with the key that lets us in, made where there is none yet.

    It is kept at once: whoever runs the server must take it before it is of use. Raise BackupFault.
    """
    login = ssh.from_address(address)
    before = kept_login(secrets)
    if before is None:
        before = replace(login, private_key=ssh.new_key(f"energy-monitor@{socket.gethostname()}"))
        write_secret(secrets / NAMES["sftp"], before.settings())
    same = (before.host, before.port) == (login.host, login.port)
    host_key = before.host_key if same else ""
    return replace(login, host_key=host_key, private_key=before.private_key)


def kept(name: str, where: str, ids: list[str], text: str, config: Config) -> list[str]:
    """Keep the secret of a store that was tried; return what to say. Raise BackupFault."""
    file = config.secrets / NAMES[name]
    write_secret(file, text)
    step_down(config.backups)
    expect_uploads(config.backups)
    found = f"{counted(len(ids), 'backup')} there, the newest {ids[-1]}" if ids else EMPTY
    return [f"{where}: {found}", f"The credential is kept in {file}"]


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


def off_sites(config: Config, failures: list[BackupFault] | None = None) -> list[Connected]:
    """Return the stores that are connected. Raise BackupFault, or note it in *failures*."""
    found = []
    for name in NAMES:
        try:
            store = connected(name, config.secrets, int(config.main.backup.upload_rate))
            found += [store] if store else []
        except BackupFault as error:
            if failures is None:
                raise
            failures.append(error)
    return found


def off_site(config: Config) -> Connected | None:
    """Return the store that is farthest away, None where none is connected. Raise BackupFault."""
    return next(iter(off_sites(config)), None)


def connected(name: str, secrets: Path, rate: int = 0) -> Connected | None:
    """Return the store *name* of ``NAMES``, None where it is not connected. Raise BackupFault."""
    try:
        if name == "sftp":
            login = kept_login(secrets)
            return Sftp(login, rate) if login and login.host_key else None
        text = secret(name, secrets)
        return azure_from_settings(text, rate) if text else None
    except BackupFault as error:
        raise BackupFault(f"the store {name} is not usable: {error}") from None


def kept_login(secrets: Path) -> Login | None:
    """Return what is kept for SFTP, also where it was never let in. Raise BackupFault."""
    text = secret("sftp", secrets)
    return ssh.from_settings(text) if text else None


def secret(name: str, secrets: Path) -> str | None:
    try:
        return Secret(NAMES[name], secrets).if_given()
    except SecretMissing as error:
        raise BackupFault(f"{error}; try it with sudo") from error


def is_far(where: str) -> bool:
    """Return whether a user means a store that must be connected."""
    return where in NAMES or where.startswith(SFTP)


def open_far(where: str, secrets: Path) -> Connected:
    """Return the connected store that a user means: its name, or sftp:// and so on.

    Raise BackupFault where it is not connected.
    """
    name = "sftp" if where.startswith(SFTP) else where
    store = connected(name, secrets)
    if isinstance(store, Sftp) and where != name:
        login = ssh.from_address(where)
        there = (store.login.user, store.login.host, store.login.port)
        is_there = there == (login.user, login.host, login.port)
        store = Sftp(replace(store.login, path=login.path)) if is_there else None
    if store is None:
        example = {"azure": "FILE", "sftp": f"{SFTP}USER@HOST/FOLDER"}.get(where, where)
        raise BackupFault(
            f"{where} is not connected: 'sudo energy-monitor backup connect {example}'"
        )
    return store


def open_store(where: str | None, config: Config) -> Store:
    """Return the store that a user means: a connected one, a folder's path, or the usual folder.

    Raise BackupFault where it isn't one.
    """
    if where and is_far(where):
        return open_far(where, config.secrets)
    return open_folder(Path(where)) if where else Folder(config.backups)


def open_folder(folder: Path) -> Folder:
    if not (folder / "manifests").is_dir():
        raise BackupFault(
            f"{folder} contains no backups: expected {', '.join(NAMES)} or a folder with manifests/"
        )
    return Folder(folder)


def write_secret(file: Path, text: str) -> None:
    """Write *file* for its owner only, whole or not at all.

    Raise BackupFault; UnsafeFolder where its folder isn't safe.
    """
    try:
        write(file, text)
    except OSError as error:
        raise BackupFault(f"{file} cannot be written: {error.strerror}; try sudo") from error
