"""Mail over SMTP, with TLS, and a login where the server wants one."""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import urlsplit

from collector.contract import BadOption, Context
from collector.contract.alert import Message
from collector.errors import OutputAway
from collector.lines.deadline import deadline
from collector.lines.reason import why
from collector.options import option
from collector.outputs.notify.options import TargetOptions
from collector.outputs.notify.post import stores
from collector.outputs.notify.target import NotTaken, Target
from collector.safe_text import safe
from collector.secrets import Secret

PORTS = {"smtp": 587, "smtps": 465}
WAIT_S = 15.0
WHOLE_S = 60.0
NOBODY = "[127.0.0.1]"  # as who has no name of his own calls himself
MOST_BYTES = 100_000
QUOTED = 200
LOCAL = {"localhost", "127.0.0.1", "::1"}
ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,200}"
NEVER_TAKEN = range(550, 560)
BROKEN = (OSError, ValueError, smtplib.SMTPException)


@dataclass(frozen=True, kw_only=True)
class MailOptions(TargetOptions):
    """Sends alerts by mail."""

    url: str = option(
        "smtp://HOST:PORT, which changes to TLS (default port: 587); smtps://HOST for TLS from "
        "the start",
        example="smtp://mail.example.org",
    )
    to: tuple[str, ...] = option("addresses to send to", example=["me@example.org"])
    from_: str = option(
        "address of the sender (default: the first of 'to')",
        example="energy@example.org",
        default="",
        pattern=f"(?:{ADDRESS})?",
    )
    user: str = option("login at the server", example="me@example.org", default="")
    password: Secret | None = option(
        "password of that login", example="!secret mail-password", default=None
    )


class Bounded:
    """The answers of a server, of which too many bytes are an error."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.left = MOST_BYTES

    def readline(self, limit: int) -> bytes:
        line: bytes = self.file.readline(limit)
        self.left -= len(line)
        if self.left < 0:
            raise OSError("its answers are too long")
        return line

    def close(self) -> None:
        self.file.close()


class Connection(smtplib.SMTP):
    """SMTP over a socket that is there, in which no answer is endless."""

    def __init__(self, host: str, made: socket.socket) -> None:
        super().__init__(local_hostname=NOBODY, timeout=WAIT_S)
        self._host = host  # the name in its certificate
        self.made = made

    def _get_socket(self, *_: object) -> socket.socket:
        return self.made

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            assert self.sock is not None
            self.file = Bounded(self.sock.makefile("rb"))
        return super().getreply()


class Mail(Target):
    """One mailbox, or several."""

    Options: ClassVar[type] = MailOptions
    answer_s = WHOLE_S

    def __init__(self, name: str, options: MailOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        self.scheme, self.host, self.port = place(options.url)
        if not options.to:
            raise BadOption("to", "expected at least one address")
        for each in options.to:
            if not is_address(each):
                raise BadOption("to", f"{each!r} is not an address such as me@example.org")
        if bool(options.user) != bool(options.password):
            raise BadOption("user", "'user' and 'password' belong together: give both or neither")

    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway, SecretMissing."""
        password = self.options.password.value() if self.options.password else ""
        where = self.host, self.port
        # smtplib waits for each line by itself; the deadline is for all of them together.
        with (
            self.faults(),
            socket.create_connection(where, WAIT_S) as line,
            line.dup() as own,
            deadline(own, self.answer_s, BROKEN),
        ):
            self.converse(line, password, self.mail(message))

    def converse(self, line: socket.socket, password: str, mail: EmailMessage) -> None:
        """Hand over *mail*. Raise OutputAway, OSError, SMTPException, ValueError."""
        if self.scheme == "smtps":
            context = ssl.create_default_context()
            line = context.wrap_socket(line, server_hostname=self.host)
        connection = Connection(self.host, line)
        try:
            connection.connect(self.host, self.port)
            self.secure(connection)
            if self.options.user:
                connection.login(self.options.user, password)
            connection.send_message(mail, self.sender, self.options.to)
            with suppress(*BROKEN):  # it is sent
                connection.quit()
        finally:
            connection.close()

    @property
    def sender(self) -> str:
        return self.options.from_ or self.options.to[0]

    def secure(self, connection: smtplib.SMTP) -> None:
        """Change to TLS; only on this computer may it be without. Raise OutputAway."""
        connection.ehlo_or_helo_if_needed()
        if self.scheme == "smtps":
            return
        if connection.has_extn("starttls"):
            connection.starttls(context=ssl.create_default_context())
        elif self.host not in LOCAL:
            raise OutputAway(
                f"mail at {self.host}: it offers no TLS, so nothing is sent: name a server that "
                "does, or smtps://HOST"
            )

    def mail(self, message: Message) -> EmailMessage:
        """Return a mail; its policy accepts no line end in a header."""
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = message.title
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.options.to)
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.at_ms / 1000, UTC))
        # The same message again is the same mail: some servers and readers leave it out.
        digest = sha256(f"{self.writer.site}{message.title}{message.text}".encode()).hexdigest()
        mail["Message-ID"] = f"<{digest[:32]}@energy-monitor.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.urgent:
            mail["Importance"] = "high"
        mail.set_content(message.text + "\n")
        return mail

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn what goes wrong into errors of ours."""
        name = f"mail at {self.host}"
        try:
            yield
        except smtplib.SMTPAuthenticationError as error:
            assert self.options.password
            mend = stores(self.options.password)
            raise OutputAway(f"{name}: login refused: {said(error)}; {mend}") from error
        except smtplib.SMTPRecipientsRefused as error:
            reasons = {address: reply[0] for address, reply in error.recipients.items()}
            raise NotTaken(f"{name}: no address was taken: {reasons!r:.{QUOTED}}") from error
        except smtplib.SMTPResponseException as error:
            kind = NotTaken if error.smtp_code in NEVER_TAKEN else OutputAway
            raise kind(f"{name} answered {error.smtp_code} {said(error)}") from error
        except TimeoutError as error:
            raise OutputAway(f"{name} did not answer in time") from error
        except ssl.SSLError as error:
            raise OutputAway(f"{name} cannot be trusted: {why(error)}") from error
        except OSError as error:  # SMTPException is one
            raise OutputAway(f"{name} cannot be used: {safe(why(error))[:QUOTED]}") from error
        except ValueError as error:
            raise OutputAway(f"{name} sent what is not SMTP: {safe(str(error))[:100]}") from error


def said(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return repr(safe(words)[:QUOTED])


def is_address(text: str) -> bool:
    return re.fullmatch(ADDRESS, text) is not None


def place(url: str) -> tuple[str, str, int]:
    """Take an address apart. Raise BadOption."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(url)
        is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
        if parts.scheme in PORTS and parts.hostname and is_plain:
            return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]
    raise BadOption("url", "expected smtp://HOST, smtp://HOST:PORT or smtps://HOST")
