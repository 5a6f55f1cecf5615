"""Telegram: one message of a bot to a chat."""

from dataclasses import dataclass
from typing import ClassVar

from collector.contract import BadOption, Context
from collector.contract.alert import Message
from collector.contract.documents import parsed
from collector.errors import OutputAway
from collector.lines.http import Server
from collector.lines.http_answer import Answer
from collector.options import option
from collector.outputs.notify.options import TargetOptions
from collector.outputs.notify.post import LIMITS, post, stores, value_of, word_in
from collector.outputs.notify.target import Target
from collector.secrets import Secret


@dataclass(frozen=True, kw_only=True)
class TelegramOptions(TargetOptions):
    """Sends alerts to a chat of Telegram through a bot of yours."""

    token: Secret = option("token of the bot, from @BotFather", example="!secret telegram-token")
    chat: str = option(
        "number of the chat, or '@NAME' of a channel; write to the bot first",
        example="123456789",
        pattern=r"-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64}",
    )
    url: str = option(
        "address of the Bot API",
        example="http://telegram.local:8081",
        default="https://api.telegram.org",
    )


class Telegram(Target):
    """One chat."""

    Options: ClassVar[type] = TelegramOptions

    def __init__(self, name: str, options: TelegramOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        try:
            self.server = Server(options.url, f"Telegram at {options.url}", LIMITS)
        except ValueError as error:
            raise BadOption("url", str(error)) from error

    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway.

        As plain text: no word of it is taken for markup.
        """
        document = {
            "chat_id": self.options.chat,
            "text": f"{message.title}\n\n{message.text}",
            "disable_notification": message.state == "over",
            "link_preview_options": {"is_disabled": True},
        }
        target = f"/bot{value_of(self.options.token)}/sendMessage"
        answer = post(
            self.server, target, document, mend=stores(self.options.token), said=description
        )
        if not is_ok(answer):
            words = description(answer)[:100]
            raise OutputAway(f"{self.server.name} did not answer like Telegram: {words!r}")

    def close(self) -> None:
        self.server.close()


def description(answer: Answer) -> str:
    return word_in(answer, "description")


def is_ok(answer: Answer) -> bool:
    try:
        return parsed(answer.text)["ok"] is True
    except (ValueError, LookupError, TypeError):
        return False
