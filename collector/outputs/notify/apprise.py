"""Apprise: a hundred services more, each message by a short child process.

The package takes 28 MB once it has sent something; a child gives them back and can be ended.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

from collector.contract import Context
from collector.contract.alert import Message
from collector.contract.extras import how, is_installed
from collector.errors import OutputAway, PackageMissing
from collector.options import option
from collector.outputs.notify.options import TargetOptions
from collector.outputs.notify.post import stores
from collector.outputs.notify.target import NotTaken, Target
from collector.safe_text import safe
from collector.secrets import Secret

CHILD = "collector.outputs.notify.apprise_child"
WITHIN_S = 60.0
QUOTED = 200
NO_ADDRESS = 3  # exit statuses of the child
NOT_SENT = 4


@dataclass(frozen=True, kw_only=True)
class AppriseOptions(TargetOptions):
    """Sends alerts through one of the services that the package Apprise knows."""

    service: Secret = option(
        "address as Apprise writes it, such as signal://… or matrix://…; it holds the password",
        example="!secret apprise-service",
    )

    def extras(self) -> tuple[str, ...]:
        return ("apprise",)


class Apprise(Target):
    """One service."""

    Options: ClassVar[type] = AppriseOptions
    within_s = WITHIN_S

    def __init__(self, name: str, options: AppriseOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options

    def open(self) -> None:
        """Look for the package. Raise PackageMissing, OutputAway."""
        if not is_installed("apprise"):
            raise PackageMissing(f"it {how('apprise')}")
        super().open()

    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway."""
        asked = {
            "service": self.options.service.value(),
            "title": message.title,
            "text": message.text,
            "kind": {"over": "success", "test": "info"}.get(message.state, "warning"),
        }
        try:
            done = subprocess.run(  # noqa: S603  our own module
                [sys.executable, "-m", CHILD],
                input=json.dumps(asked).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self.within_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OutputAway(f"Apprise was not done within {self.within_s:.0f} s") from None
        except OSError as error:
            raise OutputAway(f"Apprise cannot be started: {error.strerror}") from error
        words = safe(done.stderr[-4 * QUOTED :].decode("utf-8", "replace").strip())[-QUOTED:]
        if done.returncode == NO_ADDRESS:
            raise OutputAway(
                f"Apprise knows no such service as in secret {self.options.service.name!r}: "
                f"{stores(self.options.service)}"
            )
        if done.returncode == NOT_SENT:
            raise NotTaken(f"Apprise could not send it: {words}")
        if done.returncode:
            raise OutputAway(f"Apprise ended with status {done.returncode}: {words}")
