"""Takes every secret out of a text, whatever way it came in."""

import base64
import json
import os
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

from collector.doctor.case import Case
from collector.errors import EnergyMonitorError, SecretMissing

MARK = "[redacted]"
SHORTEST = 4  # fewer characters stand in every text, and keep nothing secret
SHORTEST_LINE = 16  # of a secret with several, such as a private key

# What looks like a secret, though it is none that we know: one that was replaced since, or that
# stands where it should not.
SUSPICIOUS = (
    (re.compile(r"(?<=://)[^/@\s]+(?=@)"), MARK),  # user and password in an address
    (re.compile(r"(?i)(?<=sig=)[^&\s\"']+"), MARK),  # the signature in an Azure address
    (
        re.compile(r"(?i)\b((?:authorization: *)?(?:token|bearer|basic) )[\w+/.=-]{20,}"),
        rf"\1{MARK}",
    ),
    (
        re.compile(
            r"(?i)([\w-]*(?:token|tokn|password|passwd|secret|api[_-]?key)[\w-]*[\"']? *[:=] *)"
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
        if case.config:
            found |= {secret.value() for _, secret in case.config.secrets_named()}
    except PermissionError as error:
        msg = (
            f"{error.filename} may not be read, so nothing could be cleared of the secrets in it: "
            "try 'sudo energy-monitor doctor --bundle …'"
        )
        raise EnergyMonitorError(msg) from error
    except SecretMissing:  # one that is not there needs no hiding
        pass
    return {value.strip() for value in found}


class Redactor:
    """Replaces *values*, in every spelling that a text may hold them in, and what looks alike."""

    def __init__(self, values: set[str]) -> None:
        spelled = {spelling for value in values for spelling in spellings(value)}
        longest_first = sorted(spelled, key=lambda each: (-len(each), each))
        self.secrets = re.compile("|".join(map(re.escape, longest_first))) if spelled else None

    def __call__(self, text: str) -> str:
        if self.secrets:
            text = self.secrets.sub(MARK, text)
        for pattern, replacement in SUSPICIOUS:
            text = pattern.sub(replacement, text)
        return text


def spellings(value: str) -> set[str]:
    """Return *value* as it may stand in addresses, JSON, headers and logs, whole and in parts."""
    parts = {value, value.partition(":")[2]}  # of 'user:password'
    parts |= set(re.findall(r"sig=([^&\s]+)", value))
    parts |= {line for line in value.splitlines() if len(line) >= SHORTEST_LINE}
    found = set()
    for part in parts:
        found |= {part, quote(part, safe=""), quote(part), quote_plus(part)}
        found |= {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]}
        found |= {repr(part)[1:-1], base64.b64encode(part.encode()).decode()}
        found |= {base64.b64encode(f"admin:{part}".encode()).decode()}
    return {each for each in found if len(each) >= SHORTEST}
