"""Alerts in a real service: raised, sent, kept through outages, restarts and kills, and shown."""

import json
import signal

import pytest

from collector.journal.reader import read_all
from tests.fakes.http_answers import HttpAnswers
from tests.fakes.notify import TOKEN, ntfy_answer
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for

pytestmark = pytest.mark.usefixtures("secrets")

HOUSE = "  house: {type: simulated, every: 100ms}\n"
RULES = (
    "derivations:\n  alerts:\n    type: alerts\n    rules:\n"
    "      always: {when: house.active_power > -1 MW, say: the house is there, do: rejoice}\n"
)


def phone(url):
    return f"  phone: {{type: ntfy, url: '{url}', topic: !secret known, every: 200ms}}\n"


@pytest.fixture
def secrets(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "known").write_text(TOKEN)


@pytest.fixture
def ntfy():
    with HttpAnswers(ntfy_answer) as answers:
        yield answers


def sent(answers):
    return [json.loads(each.body)["title"] for each in answers.asked]


def stands(folder):
    status = ask(folder)
    return status if "always" in status["alerts"] else None


def test_an_alert_is_sent_shown_and_sent_once_through_a_restart_and_a_kill(tmp_path, ntfy):
    file = configure(tmp_path, HOUSE, phone(ntfy.url), RULES)
    for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        with collector(file) as process:
            status = wait_for(lambda: stands(tmp_path), "the alert stands")
            wait_for(lambda: sent(ntfy), "it is sent")
            wait_for(lambda: ask(tmp_path)["sources"]["house"]["reads"] > 20, "it goes on")
            process.send_signal(end)
            process.wait(10)
    assert sent(ntfy) == ["home: always"]
    assert status["alerts"]["always"]["text"] == "the house is there"
    assert any(each.startswith("alert always for") for each in status["problems"])
    lines = [line for _, line in read_all(tmp_path / "journal" / "log")]
    assert len({line for line in lines if line.startswith(b"alert,")}) == 1


def test_what_was_raised_while_the_service_was_away_is_sent_afterwards(tmp_path, ntfy):
    ntfy.stop()
    file = configure(tmp_path, HOUSE, phone(ntfy.url), RULES)
    with collector(file):
        wait_for(lambda: stands(tmp_path), "the alert stands")
        wait_for(lambda: ask(tmp_path)["outputs"]["phone"]["state"] == "away", "ntfy is away")
        with HttpAnswers(ntfy_answer, port=ntfy.port) as answers:
            wait_for(lambda: sent(answers), "it is sent")
            assert sent(answers) == ["home: always"]


def test_the_commands_list_test_and_replay(tmp_path, ntfy):
    file = configure(tmp_path, HOUSE, phone(ntfy.url), RULES)
    with collector(file):
        wait_for(lambda: stands(tmp_path), "the alert stands")
        listed = energy_monitor("alert", "list", "--config", file)
        assert "the house is there" in listed.stdout
        assert "always: rejoice" in listed.stdout
        as_json = energy_monitor("alert", "list", "--json", "--config", file)
        assert json.loads(as_json.stdout)["always"]["count"] == 1
        shown = energy_monitor("status", "--config", file)
        assert "ALERT" in shown.stdout
        assert shown.returncode == 1
        wait_for(lambda: sent(ntfy), "it is sent")
    before = len(sent(ntfy))
    tested = energy_monitor("alert", "test", "phone", "--config", file)
    assert tested.stdout == "sent to phone\n", tested.stderr
    assert sent(ntfy)[before:] == ["home: TEST"]
    wrong = energy_monitor("alert", "test", "phoen", "--config", file)
    assert (wrong.returncode, wrong.stderr) == (
        1,
        "no output that sends messages is named 'phoen'; known: phone\n",
    )
    replay = ("alert", "replay", "--since", "2020-01-01", "--config", file)
    replayed = energy_monitor(*replay)
    assert "always  raised at" in replayed.stdout, replayed.stderr
    assert "1 would have been raised; nothing was sent" in replayed.stdout
    (line,) = energy_monitor(*replay, "--json").stdout.splitlines()
    assert json.loads(line)["name"] == "always"
    assert len(sent(ntfy)) == before + 1


def test_doctor_names_the_alert_and_the_target_that_fails(tmp_path):
    file = configure(tmp_path, HOUSE, phone("http://127.0.0.1:9"), RULES)
    with collector(file):
        wait_for(lambda: stands(tmp_path), "the alert stands")
        wait_for(lambda: ask(tmp_path)["outputs"]["phone"]["state"] == "away", "ntfy is away")
        said = energy_monitor("doctor", "--config", file).stdout
    assert "always: for" in said
    assert "phone: away" in said


def test_an_output_is_added_by_a_command(tmp_path):
    file = configure(tmp_path, HOUSE, phone("http://127.0.0.1:9"))
    done = energy_monitor(
        *("add", "output", "ntfy", "--name", "tablet", "--set", "topic=!secret known"),
        *("--config", file),
    )
    assert done.returncode == 0, done.stderr
    assert "topic: !secret known" in file.read_text()
    assert "tablet" in energy_monitor("check", "--config", file).stdout


def test_a_mail_is_added_with_its_sender(tmp_path):
    file = configure(tmp_path, HOUSE, phone("http://127.0.0.1:9"))
    given = ("url=smtp://mail.example.org", "to=[me@example.org]", "from=pi@example.org")
    options = [word for each in given for word in ("--set", each)]
    done = energy_monitor("add", "output", "mail", *options, "--config", file)
    assert done.returncode == 0, done.stderr
    assert "from: pi@example.org" in file.read_text()
