import json
import sys
import time

import pytest

from collector.errors import OutputAway, PackageMissing
from collector.outputs.notify import apprise as module
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.notify import line
from tests.unit.outputs.notify.house import make

apprise = pytest.importorskip("apprise", reason="the extra 'apprise' is not installed")
NAME = apprise.__name__


def target(folder, url):
    made = make(folder, "apprise", service="!secret token")
    (folder / "secrets" / "token").write_text(url.replace("http://", "json://"))
    return made


def test_a_message_goes_through_apprise(tmp_path):
    with HttpAnswers(lambda _: Reply(200, b"{}")) as answers:
        it = target(tmp_path, answers.url)
        it.open()
        it.write([line()])
        (asked,) = answers.asked
    sent = json.loads(asked.body)
    assert sent["title"] == "home: overload mains"
    assert sent["type"] == "warning"


def test_the_collector_itself_never_imports_it():
    assert "apprise" not in vars(module)
    assert NAME in sys.modules  # by this test alone


def test_a_service_that_fails_gets_it_later(tmp_path):
    with HttpAnswers(lambda _: Reply(500, b"{}")) as answers:
        it = target(tmp_path, answers.url)
        with pytest.raises(OutputAway, match="could not send it") as away:
            it.write([line()])
        assert answers.url.removeprefix("http") not in str(away.value)
        answers.answer = lambda _: Reply(200, b"{}")
        it.write([line()])


def test_a_service_that_is_not_there_gets_it_later(tmp_path):
    it = target(tmp_path, "http://127.0.0.1:9")
    with pytest.raises(OutputAway, match="could not send it"):
        it.write([line()])


def test_one_that_hangs_is_ended(tmp_path):
    with HttpAnswers(lambda _: Reply(200, b"{}", pause_s=60)) as answers:
        it = target(tmp_path, answers.url)
        it.within_s = 3.0
        began = time.monotonic()
        with pytest.raises(OutputAway, match="was not done within 3 s"):
            it.write([line()])
        assert time.monotonic() - began < 20


def test_an_address_that_apprise_does_not_know_names_the_secret(tmp_path):
    it = target(tmp_path, "nonsense")
    with pytest.raises(OutputAway, match="secret set token"):
        it.write([line()])


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_installed", lambda _: False)
    with pytest.raises(PackageMissing, match="extra 'apprise'"):
        target(tmp_path, "http://127.0.0.1:9").open()
