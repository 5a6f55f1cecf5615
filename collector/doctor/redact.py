"""Takes every secret out of a text, whatever way it came in."""

import os
import re
from contextlib import suppress
from pathlib import Path

from collector.doctor.case import Case
from collector.errors import EnergyMonitorError, SecretMissing
from collector.safe_text import MARK, pattern_of

# What looks like a secret, though it is none that we know: one that was replaced since, or that
# stands where it should not. Each takes time in proportion to the text: what is matched begins at
# one place of a word, and nothing is tried again.
SUSPICIOUS = (
    (re.compile(r"(?<=://)[^/@\s]++(?=@)"), MARK),  # user and password in an address
    (re.compile(r"(?i)(?<=sig=)[^&\s\"']+"), MARK),  # the signature in an Azure address
    (
        re.compile(r"(?i)\b((?:authorization: *)?(?:token|bearer|basic) )[\w+/.=-]{20,}"),
        rf"\1{MARK}",
    ),
    (
        re.compile(
            r"(?i)(?<![\w-])((?=[\w-]*(?:token|tokn|password|passwd|secret|api[_-]?key))"
            r"[\w-]++[\"']? *+[:=] *)"
            r"(?!!secret|secret |/run/|/etc/|\[redacted\])(\"[^\"\n]*\"|'[^'\n]*'|[^\s,}\]\"']+)"
        ),
        rf"\1{MARK}",
    ),
    (re.compile(r"(?<!sha256:)\b[\w-]{80,}={0,2}"), MARK),  # InfluxDB's tokens have 86 and '=='
)


def values_of(case: Case) -> set[str]:
    """Return the values of all secrets of this machine. Raise EnergyMonitorError.

    Without those that only root may read, nothing could be promised of a text.
    """
    folders = [case.secrets, *map(Path, filter(None, [os.environ.get("CREDENTIALS_DIRECTORY")]))]
    found = {
        value
        for name, value in os.environ.items()
        if name.startswith("ENERGY_MONITOR_") and name != "ENERGY_MONITOR_CONFIG"
    }
    try:
        for folder in folders:
            if folder.is_dir():
                list(folder.iterdir())  # says so where it may not, which ``rglob`` passes over
            files = [file for file in folder.rglob("*") if file.is_file()]
            found |= {file.read_text(encoding="utf-8", errors="replace") for file in files}
        for _, secret in case.config.secrets_named() if case.config else ():
            with suppress(SecretMissing):  # one that is not there hides no other
                found.add(secret.value())
    except PermissionError as error:
        msg = (
            f"{error.filename} may not be read, so nothing could be cleared of the secrets in it: "
            "try 'sudo energy-monitor …'"
        )
        raise EnergyMonitorError(msg) from error
    return {value.strip() for value in found}


class Redactor:
    """Replaces *values*, in every spelling that a text may hold them in, and what looks alike."""

    def __init__(self, values: set[str]) -> None:
        self.secrets = pattern_of(frozenset(values))

    def __call__(self, text: str) -> str:
        if self.secrets:
            text = self.secrets.sub(MARK, text)
        for pattern, replacement in SUSPICIOUS:
            text = pattern.sub(replacement, text)
        return text
