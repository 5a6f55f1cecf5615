"""What an error of PostgreSQL means for the readings, and what mends it."""

import re
from dataclasses import dataclass

from collector.errors import OutputAway
from collector.text import plain

LONGEST = 300
# https://www.postgresql.org/docs/current/errcodes-appendix.html
OF_A_ROW = {"22", "23", "54"}  # data, constraint, a limit such as the number of columns
TABLES_CHANGED = {"42P01", "42703"}  # somebody dropped a table or a column that was known
NO_PART = "23514"  # also of a CHECK, which then has a name
AGAIN_AT_ONCE = {"40001", "40P01"}
SERVERS_WORDS = re.compile(r"(?:FATAL|ERROR|PANIC): +(.*)", re.DOTALL)


class Failed(OutputAway):
    """A statement failed; *code* is its SQLSTATE, *words* are the server's."""

    def __init__(self, message: str, code: str, words: str, constraint: str) -> None:
        super().__init__(message, 0 if code in AGAIN_AT_ONCE else None)
        self.code = code
        self.words = words
        # No part for a time is told like a CHECK, which has a name.
        self.tables_changed = code in TABLES_CHANGED or (code == NO_PART and not constraint)

    @property
    def is_of_a_row(self) -> bool:
        """Whether one row of the statement can never be stored."""
        return self.code[:2] in OF_A_ROW and not self.tables_changed


@dataclass(frozen=True)
class Login:
    """Where and as whom the output logs in, as far as it may be shown."""

    where: str
    host: str
    user: str
    database: str
    secret: str

    def refused(self, words: str) -> OutputAway:
        """Say why there is no connection, by the *words* of libpq or the server, and what helps.

        They have no code, and a server may speak another language.
        """
        found = SERVERS_WORDS.search(words)
        said = plain((found[1] if found else words).strip(), LONGEST)
        return OutputAway(f"{self.where}: {said}{self.mend(words, by_server=bool(found))}")

    def mend(self, words: str, *, by_server: bool) -> str:
        for mark, mend in self.mends().items():
            if mark in words:
                return f"; {mend}" if mend else ""
        return f"; are 'user', 'database' and secret {self.secret!r} right?" if by_server else ""

    def mends(self) -> dict[str, str]:
        """Return what helps, by words that stand in what is said."""
        role = f'"{self.user}"'
        wrong = (
            f"the password of role {role} in secret {self.secret!r} is not known there: store the "
            f"right one with 'sudo energy-monitor secret set {self.secret}', or there: "
            f"ALTER ROLE {role} PASSWORD '…'"
        )
        untrusted = (
            "'ca' names the file of the CA that signed its certificate, and the host of 'url' must "
            f"stand in it: {self.host}"
        )
        return {
            "does not support SSL": "give it a certificate, or set 'sslmode: disable' where nobody "
            "else is on the way",
            "certificate": untrusted,
            "SSL error": untrusted,
            "no pg_hba.conf entry": "the server lets this role in from elsewhere only, or "
            "with TLS: add a line to pg_hba.conf there, or set 'sslmode: verify-full'",
            "authentication failed": wrong,
            f'database "{self.database}" does not exist': "make it there: CREATE DATABASE "
            f'"{self.database}" OWNER {role}',
            "not permitted to log in": f"there: ALTER ROLE {role} LOGIN",
            "starting up": "",
            "shutting down": "",
            "too many": "",
            "reserved for": "",
        }

    def away(self, code: str, words: str, constraint: str | None = None) -> Failed:
        """Say why a statement failed, and what helps."""
        said = plain(words.strip() or "connection was closed by the server", LONGEST)
        shown = f" ({code})" if code else ""
        mend = self.grant(words) if code == "42501" else ""
        if code.startswith("42") and not mend:
            mend = "; give Energy Monitor a database of its own"
        if code == "53100":
            mend = "; make room on the disk of the server, or set 'retention'"
        return Failed(f"{self.where}: {said}{shown}{mend}", code, said + shown, constraint or "")

    def grant(self, words: str) -> str:
        """Return the statement that gives the right whose lack the server names."""
        role = f'"{self.user}"'
        found = re.search(r"(table|view|relation|schema|database) ([\w.-]{1,63})", plain(words))
        if found and found[1] == "schema":
            return f'; there: GRANT USAGE, CREATE ON SCHEMA "{found[2]}" TO {role}'
        if found and found[1] in {"table", "view", "relation"}:
            return f'; there: ALTER TABLE "{found[2]}" OWNER TO {role}'
        return f'; there: ALTER DATABASE "{self.database}" OWNER TO {role}'
