"""ntfy: one message to a topic, on ntfy.sh or a server of your own."""

from dataclasses import dataclass
from typing import ClassVar

from collector.contract import BadOption, Context
from collector.contract.alert import Message
from collector.lines.http import Server
from collector.options import option
from collector.outputs.notify.options import TargetOptions
from collector.outputs.notify.post import LIMITS, bearer, post, stores, value_of, word_in
from collector.outputs.notify.target import Target
from collector.secrets import Secret

PRIORITIES = {False: 3, True: 5}
TAGS = {"raised": "warning", "over": "white_check_mark", "digest": "warning", "test": "wave"}


@dataclass(frozen=True, kw_only=True)
class NtfyOptions(TargetOptions):
    """Sends alerts to a phone through ntfy."""

    topic: Secret = option(
        "topic; on a public server whoever knows it reads along, so choose a long random one",
        example="!secret ntfy-topic",
    )
    url: str = option(
        "address of the server", example="http://ntfy.local", default="https://ntfy.sh"
    )
    token: Secret | None = option(
        "access token, where the server asks for one", example="!secret ntfy-token", default=None
    )


class Ntfy(Target):
    """One topic."""

    Options: ClassVar[type] = NtfyOptions

    def __init__(self, name: str, options: NtfyOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        try:
            self.server = Server(options.url, f"ntfy at {options.url}", LIMITS)
        except ValueError as error:
            raise BadOption("url", str(error)) from error

    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway."""
        document = {
            "topic": value_of(self.options.topic),
            "title": message.title,
            "message": message.text,
            "priority": PRIORITIES[message.urgent],
            "tags": [TAGS[message.state]],
        }
        if self.options.link:
            document["click"] = self.options.link
        mend = stores(self.options.token or self.options.topic)
        post(
            self.server,
            "",
            document,
            bearer(self.options.token),
            mend,
            lambda answer: word_in(answer, "error"),
        )

    def close(self) -> None:
        self.server.close()
