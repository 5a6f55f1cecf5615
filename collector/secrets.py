"""Secrets by reference: ``!secret NAME`` in the configuration, the value somewhere safer.

A value is looked for each time it is used, so that a mended one works without a restart: first
as a systemd credential, then in the folder ``secrets`` beside the configuration, then in the
environment variable ``ENERGY_MONITOR_NAME``.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from collector.errors import SecretMissing

ABSENT = {"", "none"}  # systemd hands over 'none' where there is no file (SetCredential=)


@dataclass(frozen=True)
class Secret:
    """A reference to a secret. It prints as its name, never as its value."""

    name: str
    folder: Path | None = field(default=None, compare=False)

    def value(self) -> str:
        """Return the secret's value. Raise SecretMissing where it is in none of the places."""
        found = self.look()
        if found is None:
            places = [*map(str, self.files()), f"the environment variable {self.variable}"]
            raise SecretMissing(f"secret {self.name!r} is not found; looked in {', '.join(places)}")
        return found

    def if_given(self) -> str | None:
        """Return the value of a secret that there need not be. Raise SecretMissing where it is
        there and cannot be read.
        """  # noqa: D205  one sentence
        found = self.look()
        return None if found in ABSENT else found

    @property
    def variable(self) -> str:
        return f"ENERGY_MONITOR_{self.name.upper().replace('-', '_')}"

    def look(self) -> str | None:
        for file in self.files():
            try:
                return file.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                continue
            except OSError as error:
                msg = f"secret {self.name!r}: {file} cannot be read: {error.strerror}"
                raise SecretMissing(msg) from error
            except UnicodeDecodeError:
                msg = f"secret {self.name!r}: {file} is not UTF-8 text: write it again"
                raise SecretMissing(msg) from None  # the error holds what is in the file
        return os.environ.get(self.variable)

    def files(self) -> list[Path]:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        folders = [Path(credentials)] if credentials else []
        folders += [self.folder] if self.folder else []
        return [folder / self.name for folder in folders]
