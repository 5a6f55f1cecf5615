import ssl
from pathlib import Path
from typing import Any

import cramjam
import pytest

from collector.contract import BadOption, Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.serial import Lines
from collector.outputs.prometheus_remote_write.output import RemoteWrite, RemoteWriteOptions
from collector.outputs.prometheus_remote_write.series import request, series_of, varint
from collector.reading import Reading, encode
from collector.secrets import Secret
from tests.fakes.certificates import make_certificate
from tests.fakes.http_answers import HttpAnswers, Reply

NOW_MS = 1_763_654_400_000
SECRET = "a-secret-of-the-house"


def output_to(url, folder: Path, **options) -> RemoteWrite:
    (folder / "known").write_text(SECRET)
    named = options.keys() & {"token", "password"}
    secrets: dict[str, Any] = {name: Secret("known", folder) for name in named}
    made = RemoteWriteOptions(type="prometheus_remote_write", url=url, **{**options, **secrets})
    return RemoteWrite("metrics", made, Context("home", Lines(), folder, folder))


def batch_of(*times, device="mains"):
    return [encode(Reading("electricity", device, at, {"voltage": 230.0})) for at in times]


def test_a_request_is_the_protobuf_message_of_remote_write():
    series, refused = series_of(batch_of(NOW_MS), {"site": "home"})
    assert refused == {}
    assert request(series).hex() == "".join(
        (
            "0a5b",  # a series of 91 bytes
            "0a28" + "0a08" + b"__name__".hex() + "121c" + b"energy_monitor_voltage_volts".hex(),
            "0a0f" + "0a06" + b"device".hex() + "1205" + b"mains".hex(),
            "0a0c" + "0a04" + b"site".hex() + "1204" + b"home".hex(),
            "1210" + "09" + "0000000000c06c40" + "10" + "80f0f98faa33",  # 230.0, and its time
        )
    )


@pytest.mark.parametrize(
    ("number", "written"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**14, "808001")]
)
def test_numbers_are_written_as_protobuf_has_them(number, written):
    assert varint(number).hex() == written


def test_labels_are_sorted_also_where_a_tag_begins_with_a_capital():
    (series,), _ = series_of(batch_of(1000), {"site": "home", "Floor": "1"})
    order = [series.labels.index(name) for name in (b"Floor", b"__name__", b"device", b"site")]
    assert order == sorted(order)


def test_samples_of_a_series_are_sorted_and_the_later_of_two_of_one_time_counts():
    again = encode(Reading("electricity", "mains", 3000, {"voltage": 1.0}))
    lines = [*batch_of(3000, 1000), again]
    (series,), _ = series_of(lines, {})
    assert [(each.at_ms, each.position) for each in series.samples] == [(1000, 1), (3000, 2)]


def test_a_quantity_without_a_name_is_refused_and_the_others_are_sent(tmp_path):
    with HttpAnswers(lambda _: Reply()) as server:
        output = output_to(server.url, tmp_path)
        lines = [encode(Reading("electricity", "mains", 1000, {"voltage": 1.0, "vigour": 2.0}))]
        with pytest.raises(ReadingsRefused, match="'vigour' is not in the catalogue"):
            output.write(lines)
    (asked,) = server.asked
    assert b"voltage_volts" in bytes(cramjam.snappy.decompress_raw(asked.body))


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"token": True}, f"Bearer {SECRET}"),
        ({"user": "me", "password": True}, "Basic bWU6YS1zZWNyZXQtb2YtdGhlLWhvdXNl"),
    ],
)
def test_a_login_is_sent_and_hidden_where_the_server_repeats_it(tmp_path, options, header):
    with HttpAnswers(lambda _: Reply(401, f"no {SECRET}".encode())) as server:
        with pytest.raises(OutputAway) as caught:
            output_to(server.url, tmp_path, **options).write(batch_of(1000))
        assert server.asked[0].headers["Authorization"] == header
    assert SECRET not in str(caught.value)
    assert "secret 'known'" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, b""),
        (503, b"too old a version"),
        (500, b"no space left"),
        (400, b"bad gateway"),
        (302, b""),
    ],
)
def test_other_answers_keep_everything(tmp_path, status, said):
    with HttpAnswers(lambda _: Reply(status, said, {"Retry-After": "7"})) as server:
        with pytest.raises(OutputAway) as caught:
            output_to(server.url, tmp_path).write(batch_of(1000, 2000))
        assert caught.value.retry_after_s == 7
        assert len(server.asked) == 1


def test_a_login_page_is_not_taken_for_a_success(tmp_path):
    with HttpAnswers(lambda _: Reply(200, b"<html>")) as server, pytest.raises(OutputAway):
        output_to(server.url, tmp_path).write(batch_of(1000))


def test_mimir_says_200_without_a_word(tmp_path):
    with HttpAnswers(lambda _: Reply(200)) as server:
        output_to(f"{server.url}/api/v1/push", tmp_path).write(batch_of(1000))
        assert server.asked[0].path == "/api/v1/push"


def test_a_request_that_is_too_large_goes_in_halves(tmp_path):
    def answer(asked):
        return Reply(413 if len(bytes(cramjam.snappy.decompress_raw(asked.body))) > 200 else 204)

    with HttpAnswers(answer) as server:
        output_to(server.url, tmp_path).write(batch_of(*range(1000, 20_000, 1000)))
        assert len(server.asked) > 2


def test_a_server_that_refuses_in_turns_ends_the_search(tmp_path):
    """Each single sample is taken, and all that follow it are called too late."""

    def answer(asked):
        alone = bytes(cramjam.snappy.decompress_raw(asked.body)).count(b"\x12\x10\x09") == 1
        return Reply(204) if alone else Reply(400, b"out of order sample")

    with HttpAnswers(answer) as server:
        output_to(server.url, tmp_path).write(batch_of(*range(NOW_MS, NOW_MS + 2_000_000, 1000)))
        assert len(server.asked) < 4_100


def test_a_server_is_believed_by_its_own_ca(tmp_path):
    key, certificate = make_certificate()
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "ca.pem").write_text(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    with HttpAnswers(lambda _: Reply(), tls=context) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(OutputAway, match="cannot be trusted"):
            output_to(url, tmp_path).write(batch_of(1000))
        output_to(url, tmp_path, ca="ca.pem").write(batch_of(1000))


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"url": "localhost:9090"}, "url"),
        ({"tags": {"floor-1": "x"}}, "tags.floor-1"),
        ({"tags": {"__name": "x"}}, "tags.__name"),
        ({"token": True, "user": "me", "password": True}, "token"),
        ({"user": "me"}, "password"),
        ({"password": True}, "user"),
        ({"user": "a:b", "password": True}, "user"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_place(tmp_path, options, option):
    with pytest.raises(BadOption) as caught:
        output_to(**{"url": "http://localhost:9090", "folder": tmp_path, **options})
    assert caught.value.option == option
