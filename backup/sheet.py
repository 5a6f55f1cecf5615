"""The recovery sheet: one page to keep away from the machine, with what a blank card needs."""

import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

from backup import signing
from backup.stores import ssh
from backup.stores.azure import Azure
from backup.stores.connect import Connected, off_sites
from backup.stores.credential import Certificate, Sas
from backup.stores.sftp import Sftp
from collector.config import Config
from collector.secrets import Secret
from collector.text import plain

WIDTH = 80
MOST_LINES = 60
MOST_KEYS = 4
BLANK = "____________________________________________________"
TERRAFORM = "terraform output -raw collector_settings"
CHUNK = re.compile(r"\S(?:.{0,77}\S)?(?=\S|$)")  # of a long line, with no blank at its ends
SPECIAL = re.compile(r"[^\w@%+=:,./~-]")  # what a shell may take for more than itself
INDENT = " " * 5
BORDER = 4  # modules of white that a reader wants around the code
HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


def page(config: Config, *, with_credentials: bool = False) -> list[str]:
    """Return the lines of the sheet, at most 60 of 80 columns. Raise BackupFault.

    The code is left out where it would not fit.
    """
    stores = off_sites(config)
    key = signing_key(config)  # first of all: what else is read is nobody's secret
    lines = [*head(config, with_credentials), "", *places(config, stores), "", *keys(config), ""]
    lines += commands(config, stores, key)
    if with_credentials:
        lines += ["", *credentials(stores)]
    code = drawn("\n".join(typed(config, stores, key)))
    whole = [*lines, "", "To type less, read this with a telephone:", *code]
    return whole if len(whole) <= MOST_LINES else lines[:MOST_LINES]


def head(config: Config, with_credentials: bool) -> list[str]:
    today = datetime.now(UTC).date()
    return [
        f"ENERGY MONITOR: RECOVERY SHEET   {plain(config.main.site, 20)}, {today}",
        "Print this page and keep it where the machine is not.",
        "IT HOLDS SECRETS: lock it away." if with_credentials else "It holds no secret.",
    ]


def places(config: Config, stores: list[Connected]) -> Iterator[str]:
    yield "WHERE THE BACKUPS ARE"
    for store in stores:
        yield from over_sftp(store) if isinstance(store, Sftp) else in_azure(store)
    yield from indented(f"on this machine: {config.backups}")
    if not stores:
        yield from indented("Nothing leaves the house: a fire or a thief takes the backups along.")


def over_sftp(store: Sftp) -> Iterator[str]:
    yield from indented(store.name)
    yield from indented(f"host key {ssh.fingerprint(store.login.host_key)}", 4)
    user = store.login.user
    way = f"A new machine shows its own key, for the file .ssh/authorized_keys of {user}."
    yield from indented(way, 4)


def in_azure(store: Azure) -> Iterator[str]:
    account, _, container = store.name.removeprefix("https://").partition("/")
    yield from indented(store.name)
    yield from indented(f"account {account.partition('.')[0]}, container {container}", 4)
    credential = store.container.credential
    if isinstance(credential, Sas):
        ends = credential.fields().get("se", "the end of its policy")
        yield from indented(f"Let in by a SAS until {ends}.", 4)
        again = "A new one: Azure's portal, 'Shared access tokens': read, create and list."
        yield from indented(again, 4)
    if isinstance(credential, Certificate):
        yield from indented(f"Let in by the service principal {credential.client}.", 4)
        yield from indented(f"Its settings: '{TERRAFORM}' in your folder terraform/.", 4)


def keys(config: Config) -> Iterator[str]:
    yield "THE KEYS"
    recipients = config.main.backup.encrypt_to
    if recipients:
        yield from indented("The backups are encrypted to:")
        yield from (f"    {each}" for each in recipients[:MOST_KEYS])
        if more := recipients[MOST_KEYS:]:
            yield f"    and {len(more)} more"
        yield from indented(
            "The private half (AGE-SECRET-KEY-1…) is not on the machine. It lies at:"
        )
        yield f"    {BLANK}"
        yield from indented("Without it nobody can read the backups.")
    else:
        yield from indented("The backups are not encrypted, and hold no passwords and tokens.")
    if known := sorted(signing.known(config.file.parent)):
        yield from indented("The backups are signed; the public key (--signed-by below):")
        yield from (f"    {each}" for each in known[:MOST_KEYS])
    else:
        yield from indented("No backup is signed yet: print this page again after the first one.")


def commands(config: Config, stores: list[Connected], key: str | None) -> Iterator[str]:
    yield "ON A BLANK CARD"
    yield from indented("1. Write Raspberry Pi OS Lite (64-bit) to it, start the Pi, sign in.")
    yield from indented("2. Copy the folder of the project there, and go into it.")
    yield from indented(
        "3. Type this; it asks for what lets the machine in, and for the private key:"
    )
    for where in wheres(config, stores):
        yield from cut(command(where, key))
    yield from indented("4. See what came back: energy-monitor status; energy-monitor doctor")
    yield from indented("One backup, another server, a folder: energy-monitor restore --help")


def wheres(config: Config, stores: list[Connected]) -> list[str]:
    far = [each.name if isinstance(each, Sftp) else "azure" for each in stores]
    return far or [str(config.backups)]


def signing_key(config: Config) -> str | None:
    """Return the public key that the next backup is signed with, or the only one that is known."""
    known = signing.known(config.file.parent)
    private = Secret(signing.NAME, config.secrets).if_given()
    if private:
        return signing.public_of(private)
    return next(iter(known)) if len(known) == 1 else None


def command(where: str, key: str | None) -> list[str]:
    """Return the words for the restoration, as a shell takes them."""
    words = ["sudo", "./install.sh", "--restore", SPECIAL.sub(r"\\\g<0>", where)]
    return [*words, "--signed-by", key] if key else words


def cut(words: list[str]) -> Iterator[str]:
    """Yield a command as lines that a shell joins again."""
    line = INDENT + words[0]
    for word in words[1:]:
        if len(line) + len(f" {word} \\") > WIDTH:
            yield f"{line} \\"
            line = INDENT + word
        else:
            line += f" {word}"
        while len(line) > WIDTH:
            end = WIDTH - 1 - line[: WIDTH - 1].endswith("\\")
            yield f"{line[:end]}\\"
            line = line[end:]
    yield line


def typed(config: Config, stores: list[Connected], key: str | None) -> Iterator[str]:
    """Yield what the code holds: the first command, and what it asks for that is no secret."""
    yield " ".join(command(wheres(config, stores)[0], key))
    yield from (each.name for each in stores[:1] if not isinstance(each, Sftp))
    yield from config.main.backup.encrypt_to[:1]


def credentials(stores: list[Connected]) -> Iterator[str]:
    """Yield what lets a machine in, for 'install.sh --settings FILE'."""
    yield "SECRET: WHAT LETS A MACHINE IN, FOR install.sh --settings FILE"
    yield from indented("Each is one line in its file: join these lines with nothing between them.")
    for store in stores:
        if isinstance(store, Sftp):
            yield from indented(f"{store.name}:")
            yield from CHUNK.findall(store.login.settings())
        elif isinstance(credential := store.container.credential, Sas):
            yield from indented(f"{store.name}:")
            yield from CHUNK.findall(f"{store.name}?{credential.query}")
        else:
            yield from indented(f"{store.name}: {TERRAFORM}")


def indented(text: str, by: int = 2) -> list[str]:
    indent = " " * by
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def drawn(text: str) -> list[str]:
    """Return a QR code of *text*, two rows of it in a line, dark where the characters are."""
    import segno  # noqa: PLC0415  5 MB that only this needs

    code = segno.make(text, error="l", micro=False)
    rows = [bytes(row) for row in code.matrix_iter(border=BORDER)]
    if len(rows) % 2:
        rows.append(bytes(len(rows[0])))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(HALVES[each] for each in zip(*pair, strict=True)) for pair in pairs]


def is_code(line: str) -> bool:
    """Return whether a line of the sheet is one of the code."""
    return not line.strip(" ▀▄█") and len(line) > WIDTH // 4
