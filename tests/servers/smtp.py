"""aiosmtpd on a free port of loopback: an SMTP server that is not smtplib's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers.influxd import free_port

USER, PASSWORD = "me@example.org", "a-password-of-this-test"
OK = "250 2.0.0 taken"


@dataclass
class Mailbox:
    """What came; each answer to a mail, and to an address, is *answer* and *answer_address*."""

    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Any] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)
    answer: str = OK
    answer_address: str = OK
    wants_login: bool = False

    async def handle_MAIL(self, _server, session, envelope, address, options):  # noqa: N802
        if self.wants_login and not session.authenticated:
            return "530 5.7.0 authentication required"
        envelope.mail_from, envelope.mail_options = address, options
        return OK

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if self.answer_address == OK:
            envelope.rcpt_tos.append(address)
        return self.answer_address

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        if self.answer == OK:
            mail: Any = message_from_bytes(envelope.content, policy=default)
            self.mails.append(mail)
            self.envelopes.append(envelope)
            self.secure.append(server.transport.get_extra_info("sslcontext") is not None)
        return self.answer


@dataclass(frozen=True)
class Smtp:
    """A server that runs at *port*."""

    port: int
    mailbox: Mailbox

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@contextmanager
def running(*, login: bool = False, **options: Any) -> Iterator[Smtp]:
    """Run a server; with *login* it wants ``USER`` and ``PASSWORD``."""

    def authenticate(_server, _session, _envelope, _mechanism, given):
        known = isinstance(given, LoginPassword) and given.password == PASSWORD.encode()
        return AuthResult(success=known, handled=False)

    mailbox, port = Mailbox(wants_login=login), free_port()
    if login:
        options |= {"authenticator": authenticate}
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=port, auth_require_tls=False, **options
    )
    controller.start()
    try:
        yield Smtp(port, mailbox)
    finally:
        controller.stop()
