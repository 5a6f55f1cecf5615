"""Targets of alerts, for the suite over all outputs: an alert is what they store, as a message."""

import json
from contextlib import contextmanager
from datetime import datetime

from collector.outputs.notify import mail as mail_module
from tests.fakes import notify as fake
from tests.fakes.http_answers import HttpAnswers
from tests.fakes.outputs.far import ENDLESS, FULL, TOKEN, Far, hurried_http
from tests.servers import smtp as server_of_mail


def reading(device, at_ms, value):
    """Return an alert; its worst value is its time, since a message says no seconds."""
    return fake.alarm(device, at_ms, value=value, worst=at_ms / 1000).reading()


def told(texts, device):
    """Return the newest message about *device*: its value by its time."""
    found = [fake.FIGURES.search(each) for each in texts if device in each]
    return {round(float(each[2]) * 1000): float(each[1]) for each in found[-1:] if each}


@contextmanager
def far(answer, text_of, **options):
    with HttpAnswers(answer) as answers:

        def stored(device):
            taken = [each for each in answers.asked if answer(each).status == 200]
            return told([text_of(json.loads(each.body)) for each in taken], device)

        yield Far(
            url=answers.url,
            options={"token": TOKEN, **options},
            secrets={"token": fake.TOKEN},
            stored=stored,
            hurried=hurried_http,
            full=FULL,
            endless=ENDLESS,
            credential="token",
            request_bytes=300,
            reading=reading,
        )


def ntfy(_folder):
    return far(fake.ntfy_answer, lambda sent: f"{sent['title']} {sent['message']}", topic=TOKEN)


def telegram(_folder):
    return far(fake.telegram_answer, lambda sent: sent["text"], chat="7")


def webhook(_folder):
    return far(fake.hook_answer, lambda sent: f"{sent['title']} {sent['text']}")


def alertmanager(_folder):
    def text_of(sent):
        (alert,) = sent["alerts"]
        assert datetime.fromisoformat(alert["startsAt"])
        return " ".join(sent["commonAnnotations"].values())

    return far(fake.hook_answer, text_of, format="alertmanager")


@contextmanager
def hurried(output):
    output.answer_s, patient = 0.5, output.answer_s
    yield
    output.answer_s = patient


@contextmanager
def smtp(_folder):
    wait_s, mail_module.WAIT_S = mail_module.WAIT_S, 1.0
    try:
        with server_of_mail.running(login=True) as server:

            def stored(device):
                mails = server.mailbox.mails
                return told([f"{each['subject']} {each.get_content()}" for each in mails], device)

            yield Far(
                url=server.url,
                options={
                    "user": server_of_mail.USER,
                    "password": TOKEN,
                    "to": ["me@example.org"],
                },
                secrets={"token": server_of_mail.PASSWORD},
                stored=stored,
                hurried=hurried,
                full=b"452 4.3.1 mail system full\r\n",
                endless=b"220-x\r\n" * 500_000,
                credential="token",
                request_bytes=300,
                reading=reading,
            )
    finally:
        mail_module.WAIT_S = wait_s
