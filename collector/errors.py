"""What can go wrong, named by what happens next.

    EnergyMonitorError
    ├── ConfigFault            the configuration is wrong     → refuse to start, exit status 78
    ├── JournalFault           the journal cannot be used     → refuse to start, exit status 74
    ├── ReadFault              a read failed                  → skip it, try again at a later slot
    │   ├── LineAway           the port or socket is not there
    │   ├── DeviceSilent       no answer within the time-out
    │   ├── DeviceRefused      the device answered that it will not
    │   └── FrameDamaged       bytes came that are no valid answer
    ├── NotProvided            the owner must provide it      → as a read or delivery that failed
    │   ├── SecretMissing      a secret has no value
    │   └── PackageMissing     an extra is not installed
    ├── OutputFault
    │   ├── OutputAway         not now                        → keep the readings, try again later
    │   └── ReadingsRefused    refused for ever               → set those aside, go on
    └── BackupFault            no backup, or none restored    → end with a sentence, as it was
        ├── DiskFault          a disk of this machine failed  → nothing of it remains, mend the disk
        ├── StoreAway          where backups are kept can't be reached now → go on at the next run
        └── Damaged            what is kept is not what was backed up      → name it, use another
            └── Untrusted      a backup is not signed by who is trusted    → refuse it, likewise

Anything else is a bug of ours: it ends the process loudly and systemd starts it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONGEST_FAULT = 4000


class EnergyMonitorError(Exception):
    """Everything this program raises on purpose."""


@dataclass(frozen=True)
class Fault:
    """One mistake in a configuration or data file: where it is and what would be right.

    *path* is the way to the value, such as ``sources.mains.serial.parity``.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"
        return "".join(each if each.isprintable() else "?" for each in text[:LONGEST_FAULT])


class ConfigFault(EnergyMonitorError):
    """The configuration is wrong; *faults* names every mistake found, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class JournalFault(EnergyMonitorError):
    """The journal cannot be opened: another process writes it, or its folder is unusable."""


class ReadFault(EnergyMonitorError):
    """This read failed; a later one may succeed."""


class LineAway(ReadFault):
    """The serial port or socket cannot be opened, or it went away while in use."""


class DeviceSilent(ReadFault):
    """The device did not answer within the time-out."""


class DeviceRefused(ReadFault):
    """The device answered that it will not do what was asked; *code* is its reason."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class FrameDamaged(ReadFault):
    """Bytes came that are not a valid answer: wrong checksum, length, sender or form."""


class NotProvided(EnergyMonitorError):
    """Something is missing that the owner provides; the message says how."""


class SecretMissing(NotProvided):
    """No value is found for a secret; the message names the places."""


class PackageMissing(NotProvided):
    """An extra is not installed; the message has the command that installs it."""


class UnsafeFolder(EnergyMonitorError):
    """Root stores no secret in a folder that another user could exchange."""


class OutputFault(EnergyMonitorError):
    """An output did not store what it was given."""


class OutputAway(OutputFault):
    """The far side cannot take readings now; *retry_after_s* is its own wish, where it gave one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ReadingsRefused(OutputFault):
    """Some readings of a batch are refused for ever, all others of it are stored.

    *reasons* gives the position in the batch and the far side's words for each refused reading.
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        first = next(iter(reasons.values()), "")
        super().__init__(f"{len(reasons)} readings refused: {first}")
        self.reasons = dict(reasons)


class BackupFault(EnergyMonitorError):
    """A backup, a copy of one or a restoration cannot be made; what was there is as it was."""


class Busy(BackupFault):
    """Another command is at work there: to wait is all that it takes."""


class DiskFault(BackupFault):
    """A disk of this machine is full or fails, so that neither InfluxDB nor a store is to blame."""


class StoreAway(BackupFault):
    """The store cannot be reached or does not let us in; what it has acknowledged it keeps."""


class Damaged(BackupFault):
    """An object or a manifest is missing, or is not what was uploaded there."""


class Untrusted(Damaged):
    """A backup is not signed by a key that is trusted here: a stranger may have made it."""
