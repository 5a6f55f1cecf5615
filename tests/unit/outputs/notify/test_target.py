import json
from dataclasses import replace

import pytest

from collector.contract.alert import Meaning
from collector.errors import OutputAway
from tests.fakes import notify as fake
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.notify import NOW_MS, alarm, clock, line
from tests.unit.outputs.notify.house import MEANINGS, make


class Service:
    """A web server that takes messages; *status* is what it answers to those that hold *poison*."""

    def __init__(self):
        self.status, self.poison, self.url = 200, "", ""
        self.taken = []

    def __call__(self, asked):
        status = self.status if self.poison in asked.body.decode() else 200
        if status == 200:
            self.taken.append(json.loads(asked.body))
        return Reply(status, b"{}")

    @property
    def titles(self):
        return [each["title"] for each in self.taken]


@pytest.fixture
def service():
    taking = Service()
    with HttpAnswers(taking) as answers:
        taking.url = answers.url
        yield taking


def test_a_message_says_what_since_when_how_bad_and_what_to_do(service, tmp_path):
    target = make(tmp_path, url=service.url, link="http://energy.local:9992")
    since_ms = NOW_MS - 180_000
    target.write([line(since_ms=since_ms, worst=7400.0), clock(NOW_MS)])
    (sent,) = service.taken
    assert sent["title"] == "home: overload mains"
    assert sent["text"].splitlines() == [
        "mains: the power is close to what the contract allows.",
        "Since 2026-10-25 23:56, for 3 min. It was 5.7 kW when raised, 7.4 kW at worst.",
        "What to do: switch something large off.",
        "http://energy.local:9992",
    ]


def test_a_recovery_says_how_long_it_lasted_and_how_bad_it_was(service, tmp_path):
    target = make(tmp_path, url=service.url)
    over = {"is_raised": False, "since_ms": NOW_MS - 840_000, "duration_s": 840.0, "worst": 7400.0}
    target.write([line(**over)])
    (sent,) = service.taken
    assert sent["title"] == "home: over: overload mains"
    assert "lasted 14 min. At worst it was 7.4 kW." in sent["text"]


def test_what_is_told_late_says_its_age_in_its_first_words(service, tmp_path):
    target = make(tmp_path, url=service.url)
    target.write([line(), clock(NOW_MS + 6 * 3_600_000)])
    assert service.titles == ["6 h ago: home: overload mains"]


def test_a_notice_is_told_once_also_after_a_restart(service, tmp_path):
    for _ in range(3):
        target = make(tmp_path, url=service.url)
        target.open()
        target.write([line(), clock(NOW_MS)])
        target.write([line()])
        target.close()
    assert len(service.taken) == 1


def test_a_later_notice_of_the_same_alert_is_a_reminder(service, tmp_path):
    target = make(tmp_path, url=service.url)
    target.write([line()])
    target.write([line(at_ms=NOW_MS + 86_400_000, since_ms=NOW_MS)])
    assert service.titles[1] == "home: still: overload mains"


def test_an_alert_of_which_people_are_not_to_be_told_yet_is_not_told(service, tmp_path):
    target = make(tmp_path, url=service.url)
    target.write([line(notice_ms=0)])
    assert service.taken == []


def test_a_target_tells_only_what_is_for_it(service, tmp_path):
    meanings = {"overload": replace(MEANINGS["overload"], targets=("phone",))}
    make(tmp_path, url=service.url, meanings=meanings).write([line()])
    assert service.taken == []
    make(tmp_path, name="phone", url=service.url, meanings=meanings).write([line()])
    assert len(service.taken) == 1


def test_more_than_three_at_once_are_one_digest(service, tmp_path):
    target = make(tmp_path, url=service.url)
    target.write([line(f"gone.meter{number}", value=120.0, worst=120.0) for number in range(6)])
    (sent,) = service.taken
    assert sent["title"] == "home: 6 alerts, 6 raised"
    assert sent["text"].splitlines()[0] == "- gone meter0: since 2026-10-25 23:59, at worst 2 min"
    assert len(sent["alerts"]) == 6


def test_what_follows_three_within_five_minutes_waits_for_a_digest(service, tmp_path):
    target = make(tmp_path, url=service.url)
    for number in range(8):
        at_ms = NOW_MS + number * 10_000
        target.write([line(f"gone.meter{number}", at_ms), clock(at_ms)])
    assert len(service.taken) == 3
    target = make(tmp_path, url=service.url)  # a restart forgets none
    target.write([clock(NOW_MS + 200_000)])
    assert len(service.taken) == 3
    target.write([clock(NOW_MS + 331_000)])
    assert service.titles[3:] == ["home: 5 alerts, 5 raised"]


def test_an_urgent_alert_does_not_wait(service, tmp_path):
    target = make(tmp_path, url=service.url)
    for number in range(5):
        target.write([line(f"gone.meter{number}", NOW_MS + number * 10_000)])
    target.write([line(at_ms=NOW_MS + 60_000)])
    assert service.titles[3:] == ["home: 3 alerts, 3 raised"]


@pytest.mark.parametrize("status", [500, 503, 429, 401, 404])
def test_a_service_that_is_in_trouble_gets_it_later(status, service, tmp_path):
    target = make(tmp_path, url=service.url)
    service.status = status
    with pytest.raises(OutputAway, match=str(status)):
        target.write([line(), clock(NOW_MS)])
    service.status = 200
    target.write([line(), clock(NOW_MS + 1000)])
    assert len(service.taken) == 1


def test_a_message_that_is_not_taken_holds_up_no_other_and_is_tried_again(service, tmp_path):
    target = make(tmp_path, url=service.url)
    service.status, service.poison = 400, "meter0"
    with pytest.raises(OutputAway, match="is kept and tried again"):
        target.write([line("gone.meter0"), line("gone.meter1")])
    assert service.titles == ["home: gone meter1"]
    service.status = 200
    target.write([clock(NOW_MS)])
    assert service.titles == ["home: gone meter1", "home: gone meter0"]


def test_a_disk_that_takes_nothing_makes_no_second_message(service, tmp_path):
    target = make(tmp_path, url=service.url)
    (tmp_path / "state").write_text("not a folder")
    for _ in range(3):
        with pytest.raises(OutputAway, match="cannot be"):
            target.write([line()])
    (tmp_path / "state").unlink()
    target.write([line()])
    assert len(service.taken) == 1


def test_a_damaged_memory_is_no_reason_to_stop(service, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "told.json").write_text('{"form": 1, "told": 7')
    make(tmp_path, url=service.url).write([line()])
    assert len(service.taken) == 1


def test_words_from_outside_are_of_bounded_length_and_without_control_characters(service, tmp_path):
    odd = Meaning(text="x\r\nBcc: all@example.org\x1b[2J\u202e" + "y" * 5000, advice="z" * 5000)
    target = make(tmp_path, url=service.url, meanings={"odd": odd})
    target.write([line("odd." + "d" * 190)])
    (sent,) = service.taken
    assert len(sent["title"]) <= 120
    assert len(sent["text"]) <= 2000
    assert all(each.isprintable() or each == "\n" for each in sent["text"])
    assert "\nBcc" not in sent["text"]


def test_no_secret_stands_in_a_message(service, tmp_path):
    told = Meaning(text=f"the key {fake.TOKEN} leaked", unit="W")
    target = make(tmp_path, url=service.url, token="!secret token", meanings={"odd": told})
    target.write([line("gone.x")])  # it has read the secret now
    target.write([line("odd.x")])
    assert fake.TOKEN not in json.dumps(service.taken)


def test_the_form_of_alertmanager_has_a_start_and_an_end(tmp_path):
    with HttpAnswers(lambda _: Reply(200, b"{}")) as answers:
        target = make(tmp_path, url=answers.url, format="alertmanager")
        target.write([line()])
        target.write(
            [line(at_ms=NOW_MS + 60_000, since_ms=NOW_MS, is_raised=False, duration_s=60.0)]
        )
        firing, resolved = (json.loads(each.body) for each in answers.asked)
    assert (firing["version"], firing["status"], resolved["status"]) == ("4", "firing", "resolved")
    (alert,) = firing["alerts"]
    assert alert["labels"] == {
        "alertname": "overload",
        "device": "mains",
        "site": "home",
        "severity": "critical",
    }
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert resolved["alerts"][0]["fingerprint"] == alert["fingerprint"]
    assert resolved["alerts"][0]["endsAt"] == "2026-10-25T23:00:10.000Z"


def test_ntfy_gets_a_priority_and_a_link(tmp_path):
    with HttpAnswers(fake.ntfy_answer) as answers:
        target = make(
            tmp_path, "ntfy", url=answers.url, topic="!secret token", link="http://energy.local"
        )
        target.write([line()])
        (asked,) = answers.asked
    sent = json.loads(asked.body)
    assert (asked.path, sent["priority"], sent["click"]) == ("/", 5, "http://energy.local")


def test_telegram_gets_plain_text_and_its_token_in_the_path_alone(tmp_path):
    with HttpAnswers(fake.telegram_answer) as answers:
        target = make(tmp_path, "telegram", url=answers.url, token="!secret token", chat="-77")
        target.write([line()])
        (asked,) = answers.asked
    sent = json.loads(asked.body)
    assert "parse_mode" not in sent
    assert sent["chat_id"] == "-77"
    assert fake.TOKEN not in asked.body.decode()


def test_an_answer_that_is_not_telegrams_is_no_success(tmp_path):
    with HttpAnswers(lambda _: Reply(200, b"<html>Welcome to the hotel</html>")) as answers:
        target = make(tmp_path, "telegram", url=answers.url, token="!secret token", chat="7")
        with pytest.raises(OutputAway, match="did not answer like Telegram"):
            target.write([line()])


def test_a_secret_part_of_an_address_is_not_in_what_went_wrong(tmp_path):
    with HttpAnswers(lambda asked: Reply(404, asked.path.encode())) as answers:
        target = make(tmp_path, url=answers.url, path="!secret token")
        with pytest.raises(OutputAway) as away:
            target.write([line()])
        assert answers.asked[0].path == f"/{fake.TOKEN}"
    assert fake.TOKEN not in str(away.value)


def test_an_alarm_of_the_reading_is_the_one_that_is_told():
    assert alarm().device == "mains"
    assert alarm().rule == "overload"
