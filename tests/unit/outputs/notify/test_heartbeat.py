import pytest

from collector.errors import OutputAway
from collector.reading import Reading, encode
from tests.fakes import notify as fake
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.notify import NOW_MS, clock, line
from tests.unit.outputs.notify.house import make

METER = encode(Reading("electricity", "mains", NOW_MS, {"voltage": 230.0}))


def heartbeat(folder, answers):
    from collector.contract import Context, registry  # noqa: PLC0415
    from collector.lines.serial import Lines  # noqa: PLC0415
    from collector.secrets import Secret  # noqa: PLC0415

    (folder / "token").write_text(fake.TOKEN)
    cls = registry.find("outputs", "heartbeat")
    options = cls.Options(type="heartbeat", url=answers.url, path=Secret("token", folder))
    return cls("beat", options, Context("home", Lines(), folder, folder))


def test_it_beats_while_a_device_is_read_and_not_when_only_the_collector_runs(tmp_path):
    with HttpAnswers(lambda _: Reply(200, b"OK")) as answers:
        it = heartbeat(tmp_path, answers)
        it.write([clock(NOW_MS), line()])
        assert answers.asked == []
        it.write([clock(NOW_MS), METER])
        assert [(each.method, each.path) for each in answers.asked] == [("GET", f"/{fake.TOKEN}")]
        it.close()


@pytest.mark.parametrize("status", [404, 500])
def test_an_address_that_is_not_there_is_told_without_its_secret(status, tmp_path):
    with HttpAnswers(lambda asked: Reply(status, asked.path.encode())) as answers:
        it = heartbeat(tmp_path, answers)
        with pytest.raises(OutputAway, match=str(status)) as away:
            it.write([METER])
        it.close()
    assert fake.TOKEN not in str(away.value)


def test_a_target_is_no_heartbeat(tmp_path):
    assert not hasattr(make(tmp_path, url="http://127.0.0.1:9"), "path")
