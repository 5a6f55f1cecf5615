"""What an output has shown, kept in its own folder: a restart lowers no counter and forgets none.

It is written when a device or quantity comes or goes, every five minutes, and at the end. A killed
process or a power cut costs five minutes, in which counters have only grown.
"""

import json
import logging
from pathlib import Path

from collector import files
from collector.errors import OutputAway
from collector.outputs.mqtt.device import Device
from collector.outputs.mqtt.discovery import OWN
from collector.reading import NAME

log = logging.getLogger(__name__)

SAVE_EVERY_S = 300
LARGEST = 10_000_000  # 200 devices of 100 quantities take 1.5 MB
FORM = 1


class Memory:
    """The devices by their place in the topics, in *file*."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.file = file
        self.saved_s = 0.0
        self.saved_names: object = None
        self.fault = ""

    def load(self) -> dict[str, Device]:
        """Return what was saved; nothing where there is no file, or one that is damaged."""
        try:
            with files.open_file(self.file) as opened:
                document = json.loads(opened.read(LARGEST))
            if document["form"] != FORM:
                raise ValueError("another form")  # noqa: TRY301  said below
            devices = document["devices"].items()
            return {checked(place): Device.from_json(device) for place, device in devices}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutputAway(f"{self.file} cannot be read: {error.strerror}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            log.warning("%s: %s is damaged: counters are shown anew", self.name, self.file)
            return {}

    def save(self, devices: dict[str, Device], now_s: float, *, now: bool = False) -> None:
        """Write *devices* where it is time to, or *now*.

        A disk that is full or read-only keeps nothing from the broker: it is tried again later.
        """
        names = {place: tuple(device.values) for place, device in devices.items()}
        is_due = now_s - self.saved_s >= SAVE_EVERY_S or names != self.saved_names
        if not (is_due or now):
            return
        shown = {place: device.to_json() for place, device in devices.items()}
        text = json.dumps({"form": FORM, "devices": shown}, separators=(",", ":"))
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            files.replace(self.file, text.encode())
            self.fault = ""
        except OSError as error:
            if self.fault != str(error):
                self.fault = str(error)
                log.warning(
                    "%s: %s cannot be written: %s: after a restart a counter may be shown lower",
                    self.name,
                    self.file,
                    error.strerror,
                )
        self.saved_s, self.saved_names = now_s, names


def checked(place: str) -> str:
    """Return *place*, which becomes a part of topics. Raise ValueError."""
    if not NAME.fullmatch(place.removeprefix(OWN)):
        raise ValueError(place)
    return place
