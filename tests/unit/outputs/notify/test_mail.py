import ssl
import threading

import pytest

from collector.contract import BadOption
from collector.errors import OutputAway
from collector.outputs.notify import mail as module
from tests.fakes import certificates
from tests.fakes.loopback import Loopback
from tests.fakes.notify import NOW_MS, line
from tests.servers import smtp
from tests.unit.outputs.notify.house import make

TO = {"to": ["me@example.org", "you@example.org"]}


def test_a_mail_has_subject_text_and_every_recipient(tmp_path):
    with smtp.running() as server:
        make(tmp_path, "mail", url=server.url, **TO).write([line()])
    (mail,), (envelope,) = server.mailbox.mails, server.mailbox.envelopes
    assert mail["subject"] == "home: overload mains"
    assert mail["from"] == envelope.mail_from == "me@example.org"
    assert envelope.rcpt_tos == TO["to"]
    assert "What to do: switch something large off." in mail.get_content()
    assert mail["importance"] == "high"
    assert mail["auto-submitted"] == "auto-generated"


def test_the_same_message_again_is_the_same_mail(tmp_path):
    with smtp.running() as server:
        target = make(tmp_path, "mail", url=server.url, **TO)
        message = target.writer.test(NOW_MS, "it")
        target.tell(message)
        target.tell(message)
    first, second = server.mailbox.mails
    assert first["message-id"] == second["message-id"]


def test_a_header_cannot_be_made_out_of_words(tmp_path):
    with smtp.running() as server:
        target = make(tmp_path, "mail", url=server.url, **TO)
        message = target.writer.message(
            "x\r\nBcc: all@example.org\r\n\r\nbody", ["\r\n.\r\nMAIL FROM:<a@b>"], "test", NOW_MS
        )
        target.tell(message)
    (mail,), (envelope,) = server.mailbox.mails, server.mailbox.envelopes
    assert "bcc" not in mail
    assert envelope.rcpt_tos == TO["to"]
    assert "Bcc" in mail["subject"]


@pytest.fixture
def context(tmp_path, monkeypatch):
    """Return the TLS of a server on loopback, whose certificate is trusted here."""
    files = tmp_path / "key.pem", tmp_path / "certificate.pem"
    for file, text in zip(files, certificates.make_certificate(), strict=True):
        file.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[1]))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(files[1], files[0])
    return made


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_login_goes_over_tls(scheme, context, tmp_path):
    key = "tls_context" if scheme == "smtp" else "ssl_context"
    with smtp.running(login=True, **{key: context}) as server:
        user = {"user": smtp.USER, "password": "!secret token"}
        target = make(tmp_path, "mail", url=f"{scheme}://127.0.0.1:{server.port}", **user, **TO)
        (tmp_path / "secrets" / "token").write_text(smtp.PASSWORD)
        target.write([line()])
    assert server.mailbox.secure == [True]


def test_a_server_without_tls_that_is_elsewhere_gets_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCAL", set())
    with smtp.running() as server:
        target = make(tmp_path, "mail", url=server.url, **TO)
        with pytest.raises(OutputAway, match="offers no TLS, so nothing is sent"):
            target.write([line()])
    assert server.mailbox.mails == []


def test_a_certificate_of_another_is_not_believed(context, tmp_path, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with smtp.running(tls_context=context) as server:
        target = make(tmp_path, "mail", url=server.url, **TO)
        with pytest.raises(OutputAway, match="cannot be trusted"):
            target.write([line()])
    assert server.mailbox.mails == []


def test_a_wrong_password_names_the_secret_and_shows_no_value(tmp_path):
    with smtp.running(login=True) as server:
        target = make(tmp_path, "mail", url=server.url, user="u", password="!secret token", **TO)
        with pytest.raises(OutputAway, match="secret set token") as refused:
            target.write([line()])
    assert (tmp_path / "secrets" / "token").read_text() not in str(refused.value)


@pytest.mark.parametrize(
    ("which", "answer"),
    [("answer", "554 5.7.1 spam"), ("answer", "452 4.3.1 full"), ("answer_address", "550 none")],
)
def test_a_mail_that_is_not_taken_is_kept(which, answer, tmp_path):
    with smtp.running() as server:
        setattr(server.mailbox, which, answer)
        target = make(tmp_path, "mail", url=server.url, **TO)
        with pytest.raises(OutputAway, match=answer[:3]):
            target.write([line()])
        setattr(server.mailbox, which, smtp.OK)
        target.write([line()])
    assert len(server.mailbox.mails) == 1


@pytest.mark.parametrize("greeting", [b"220-x\r\n" * 100_000, b"x" * 10_000_000, b"\x00\xff\r\n"])
def test_a_server_that_is_none_is_given_up(greeting, tmp_path):
    with Loopback(greeting) as far:
        target = make(tmp_path, "mail", url=f"smtp://127.0.0.1:{far.port}", **TO)
        with pytest.raises(OutputAway, match=r"mail at 127\.0\.0\.1"):
            target.write([line()])


def test_a_server_that_drips_is_given_up_in_time(tmp_path):
    def drip():
        yield from (piece for _ in range(200) for piece in (b"2", 0.05))

    class Dripping(Loopback):
        def serve(self, client):
            self.send(client, drip())

    with Dripping() as far:
        target = make(tmp_path, "mail", url=f"smtp://127.0.0.1:{far.port}", **TO)
        target.answer_s = 0.5
        with pytest.raises(OutputAway, match="did not answer in time"):
            target.write([line()])
    assert threading.active_count() < 20


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"url": "http://x"}, "url"),
        ({"url": "smtp://user:pw@x"}, "url"),
        ({"to": []}, "to"),
        ({"to": ["me"]}, "to"),
        ({"to": ["me@x,y@z"]}, "to"),
        ({"user": "u"}, "user"),
    ],
)
def test_a_bad_option_is_refused_with_its_place(options, option, tmp_path):
    wanted = {"url": "smtp://mail.example.org", **TO, **options}
    with pytest.raises(BadOption) as refused:
        make(tmp_path, "mail", **wanted)
    assert refused.value.option == option
