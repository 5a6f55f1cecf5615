"""Asking a web server: an answer, or a fault that says what happened, before patience ends."""

import socket
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines import http
from collector.lines.http_answer import MOST_BYTES, Limits, retry_after_s
from tests.fakes.certificates import make_certificate
from tests.fakes.http_answers import Reply, serving
from tests.fakes.loopback import HANG_UP, Loopback, answering_once
from tests.fakes.running import wait_for


def test_an_answer_comes_with_status_body_and_headers():
    with serving(lambda _: Reply(418, b"tea", {"X-Pot": "brown"})) as server:
        page = http.get(f"{server.url}/a/b?c=d%20e")
    assert (page.status, page.body, page.headers["x-pot"]) == (418, b"tea", "brown")
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.fields) == ("GET", "/a/b", {"c": "d e"})
    assert asked.headers["Host"] == server.url.removeprefix("http://")


def test_a_redirection_is_not_followed():
    with serving(lambda _: Reply(302, b"", {"Location": "http://127.0.0.1:1/"})) as server:
        assert http.get(server.url).status == 302


def test_a_connection_is_kept_and_made_anew_where_the_server_has_hung_up():
    whole = len(Reply(200, b"x").packed())
    with serving(lambda _: Reply(200, b"x")) as server:
        line = http.Server(server.url)
        assert [line.ask("GET", "/").body for _ in range(3)] == [b"x"] * 3
        assert not line.has_hung_up()
        server.answer = lambda _: Reply(200, b"x", cut_after=whole)
        line.ask("GET", "/")
        wait_for(lambda: line.idle[0].has_ended, "the server has hung up")
        assert line.has_hung_up()
        assert not line.has_hung_up()
        line.ask("GET", "/")
        line.close()
    assert len({asked.client for asked in server.asked}) == 2


def test_a_large_body_goes_and_comes_in_pieces():
    with serving(lambda asked: Reply(200, asked.body * 2)) as server:
        line = http.Server(server.url)
        sent = [b"%d" % number * 1000 for number in range(500)]
        size = {"Content-Length": str(sum(map(len, sent)))}
        answer = line.begin("PUT", "/large", size, iter(sent))
        assert b"".join(answer.pieces()) == b"".join(sent) * 2
        assert len(line.idle) == 1
        line.begin("GET", "/").close()
        assert line.idle == []


def test_only_a_large_body_is_packed():
    with serving(lambda _: Reply()) as server:
        line = http.Server(server.url)
        for body in (b"x" * 10, b"x" * 10_000):
            line.ask("POST", "/", body=body, pack=True)
        line.close()
    assert [(asked.packed, len(asked.body)) for asked in server.asked] == [
        (False, 10),
        (True, 10_000),
    ]


@pytest.mark.parametrize(
    ("target", "header"), [("/?sig=hush hush", "x"), ("/", "hush\r\nX: y"), ("/hush\n", "x")]
)
def test_what_can_be_no_request_is_not_sent_nor_shown(target, header):
    with serving(lambda _: Reply()) as server, pytest.raises(LineAway) as away:
        http.Server(server.url).ask("GET", target, {"Authorization": header})
    assert "hush" not in str(away.value)
    assert server.asked == []


@pytest.mark.parametrize("at_once", [0, 60])
def test_an_answer_that_only_drips_ends_with_the_patience(at_once):
    with (
        serving(lambda _: Reply(200, b"x" * 1000, pause_s=0.05, at_once=at_once)) as server,
        pytest.raises(DeviceSilent, match=" no complete answer within 0 s"),
    ):
        http.get(server.url, limits=Limits(answer_s=0.4))


def test_a_handshake_without_an_answer_ends_too():
    with socket.create_server(("127.0.0.1", 0)) as door, pytest.raises(DeviceSilent):
        http.get(f"https://127.0.0.1:{door.getsockname()[1]}/", limits=Limits(answer_s=0.4))


def cut_reply(at, _):
    return Reply(200, b"x" * 1000, cut_after=at)


def test_a_cut_answer_is_none():
    for at in (10, 60):
        with (
            serving(partial(cut_reply, at)) as server,
            pytest.raises(FrameDamaged, match="sent an incomplete answer"),
        ):
            http.get(server.url)


def test_an_answer_without_end_is_given_up():
    with (
        serving(lambda _: Reply(200, b"x" * (MOST_BYTES + 1))) as server,
        pytest.raises(FrameDamaged, match="longer than 4,000,000 bytes"),
    ):
        http.get(server.url)


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\xff" * 70_000]
)
def test_what_is_no_http_is_damaged(said):
    with (
        Loopback([said, HANG_UP]) as server,
        pytest.raises((FrameDamaged, LineAway)),
    ):
        http.get(server.line.replace("tcp:", "http:"))


@pytest.mark.parametrize("size", [b"-5", b"0x5", b"1_0", b"+5", b"", b"5" * 5000, b"\xd9\xa3"])
def test_a_chunk_without_a_plain_size_is_damaged(size):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wrong = Loopback(head + size + b"\r\n12345\r\n0\r\n\r\n")
    with wrong, pytest.raises(FrameDamaged):
        http.get(f"http://127.0.0.1:{wrong.port}/")
    with Loopback(head + b"5;why=not\r\n12345\r\n0\r\n\r\n") as server:
        assert http.get(f"http://127.0.0.1:{server.port}/").body == b"12345"


def test_nobody_there_is_away():
    with serving(lambda _: Reply()) as server:
        url = server.url
    with pytest.raises(LineAway, match=r"127\.0\.0\.1 cannot be reached"):
        http.get(url)
    with pytest.raises(LineAway, match="cannot be reached"):
        http.get(f"http://{'a' * 100}.invalid/")


@contextmanager
def serving_tls(folder):
    key, certificate = make_certificate("EC")
    (folder / "key.pem").write_text(key)
    (folder / "certificate.pem").write_text(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    with serving(lambda _: Reply(200, b"safe"), tls=context) as server:
        yield server.url, folder / "certificate.pem"


def test_only_a_server_with_a_certificate_that_holds_is_asked(tmp_path, monkeypatch):
    with serving_tls(tmp_path) as (url, certificate):
        with pytest.raises(LineAway, match="cannot be trusted: certificate verify failed: self"):
            http.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert http.get(url).body == b"safe"


@pytest.mark.parametrize(
    ("wish", "date", "seconds"),
    [
        ("120", "", 120),
        ("Fri, 20 Nov 2026 10:01:00 GMT", "Fri, 20 Nov 2026 10:00:00 GMT", 60),
        ("Fri, 20 Nov 2026 09:00:00 GMT", "Fri, 20 Nov 2026 10:00:00 GMT", 0),
        ("Fri, 20 Nov 2026 10:01:00 GMT", "", None),
        ("soon", "Fri, 20 Nov 2026 10:00:00 GMT", None),
        ("", "", None),
    ],
)
def test_a_wish_to_be_left_alone_is_seconds_or_a_date_after_the_servers(wish, date, seconds):
    assert retry_after_s({"Retry-After": wish, "Date": date}) == seconds


@given(st.text(), st.text())
def test_any_header_is_a_wish_or_none(wish, date):
    seconds = retry_after_s({"Retry-After": wish, "Date": date})
    assert seconds is None or seconds >= 0


def dated_reply(headers, _):
    return Reply(200, b"", headers)


def test_the_servers_own_time_is_told():
    for headers, at in (
        ({"Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ({}, None),
    ):
        with serving(partial(dated_reply, headers)) as server:
            assert http.get(server.url).at == at


def test_an_address_has_a_scheme_and_a_host_and_no_more_than_a_path():
    assert http.check("https://api.open-meteo.com/") == "https://api.open-meteo.com"
    assert http.check("http://[::1]:8080/weather") == "http://[::1]:8080/weather"
    for wrong in (
        *("", "api.open-meteo.com", "ftp://a", "https://", "https://a:b", "https://a:0"),
        *("https://me:secret@a", "https://a?key=1", "https://a#b", "https://[::1"),
    ):
        with pytest.raises(ValueError, match="expected an address such as"):
            http.check(wrong)


def test_the_words_of_a_server_reach_no_terminal_as_they_came():
    with (
        answering_once(b"\x1b]0;owned\x07\x1b[2J\r\n\r\n") as url,
        pytest.raises(ReadFault) as found,
    ):
        http.Server(url).ask("GET", "/")
    assert str(found.value).isprintable()
