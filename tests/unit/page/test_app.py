"""Who is served, and who is not."""

import base64
import threading

import pytest

from collector.page.guard import MOST_TRIES, MOST_TRIES_OF_ALL, WINDOW_S, Tries, host_of, is_ours
from tests.fakes.page import PASSWORD, a_house, ask, options_with, say, serving


@pytest.fixture(scope="module")
def page():
    with serving() as options:
        yield options


@pytest.fixture
def locked(tmp_path):
    with serving(options_with(tmp_path)) as options:
        yield options


def basic(password, user="prometheus"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_metrics_have_exactly_the_type_that_prometheus_3_wants(page):
    status, headers, body = ask(page)
    assert status == 200
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'energy_monitor_voltage_volts{site="home",device="meter0"} 230.0\n' in body


def test_a_head_has_the_same_headers_and_no_body(page):
    (got, of_get, body), (status, of_head, nothing) = ask(page), ask(page, method="HEAD")
    assert (got, status, nothing) == (200, 200, "")
    assert of_head["content-length"] == of_get["content-length"] == str(len(body))


def test_it_says_that_it_is_well(page):
    assert ask(page, "/healthz")[::2] == (200, "ok\n")


@pytest.mark.parametrize("path", ["/index.html", "/metrics/", "/metrics%00", "/../metrics"])
def test_nothing_else_is_there(page, path):
    assert ask(page, path)[0] == 404


def test_a_query_is_not_in_the_way(page):
    assert ask(page, "/metrics?name[]=x")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_only_get_and_head_are_served(page, method):
    status, headers, _ = ask(page, method=method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/other"])
def test_every_answer_has_the_headers_that_keep_browsers_careful(page, path):
    _, headers, _ = ask(page, path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("host", ["attacker.example:9992", "127.0.0.1.attacker.example", "x" * 300])
def test_another_name_is_not_answered(page, host):
    status, _, body = ask(page, host=host)
    assert status == 421
    assert "page.names" in body
    assert "energy_monitor_" not in body


def test_a_request_without_a_name_is_not_answered(page):
    assert say(page, b"GET /metrics HTTP/1.0\r\n\r\n")[0] == 421


def test_our_own_names_are_answered(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "Energy")
    ours = ["127.0.0.1:9992", "[::1]:9992", "localhost", "ENERGY", "energy.local:9992", "10.0.0.7"]
    ours += ["house.example.org:80", "energy.local."]
    assert [each for each in ours if not is_ours(each, ["House.example.org"])] == []
    others = ["", "energy.attacker.example", "local", "example.org", "[::1", "127.0.0.1x", ":9992"]
    assert [each for each in others if is_ours(each, ["house.example.org"])] == ["[::1"]
    assert host_of("[fe80::1]:9992") == "fe80::1"


def test_a_page_of_another_site_may_not_read_it(page):
    assert ask(page, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors")[0] == 403
    assert ask(page, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert ask(page, Sec_Fetch_Site="same-origin")[0] == 200


def test_without_the_password_every_path_says_the_same(locked):
    said = {ask(locked, path)[::2] for path in ("/metrics", "/", "/nothing")}
    assert said == {(401, "A password is needed.\n")}
    assert ask(locked)[1]["www-authenticate"].startswith("Basic ")


def test_with_the_password_it_is_served_whoever_the_user(locked):
    for user in ("prometheus", "", "ä"):
        assert ask(locked, Authorization=basic(PASSWORD, user))[0] == 200


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !", "Bearer x", basic(""), basic("x"), basic(PASSWORD + "x"),
     basic(PASSWORD[:-1]), "Basic /w==", "Digest username=x"],
)  # fmt: skip
def test_a_wrong_one_is_not_let_in_and_breaks_nothing(locked, header):
    assert ask(locked, Authorization=header)[0] == 401
    assert ask(locked, Authorization=basic(PASSWORD))[0] == 200


def test_a_login_in_no_ascii_is_one_that_lacks_and_not_logged(locked, caplog):
    head = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    request = f"{head}Authorization: Basic \xe9\r\n\r\n".encode("latin-1")
    assert say(locked, request)[0] == 401
    assert not caplog.records


def test_after_some_wrong_passwords_one_has_to_wait(locked):
    assert [ask(locked, Authorization=basic("x"))[0] for _ in range(6)] == [401] * 5 + [429]
    status, headers, _ = ask(locked, Authorization=basic(PASSWORD))
    assert status == 429
    assert 1 <= int(headers["retry-after"]) <= WINDOW_S
    assert ask(locked, "/healthz")[0] == 200


def test_strangers_who_try_do_not_lock_out_whom_we_know():
    now = [0.0]
    tries = Tries(lambda: now[0])
    tries.was_right("10.0.0.2")
    for number in range(MOST_TRIES_OF_ALL):
        tries.was_wrong(f"10.0.1.{number}")
    assert tries.wait_s("10.0.0.2") == 0
    assert tries.wait_s("10.0.1.99") == WINDOW_S
    now[0] = WINDOW_S + 1
    assert tries.wait_s("10.0.1.99") == 0


def test_tries_take_a_bounded_memory():
    tries = Tries(lambda: 0.0)
    for number in range(5000):
        tries.was_wrong(f"2001:db8::{number:x}")
        tries.was_right(f"2001:db8::{number:x}")
    assert len(tries.wrong) <= 1000
    assert len(tries.right) <= 1000
    assert MOST_TRIES < MOST_TRIES_OF_ALL


def test_a_password_that_is_not_stored_lets_nobody_in(tmp_path):
    options = options_with(tmp_path)
    (tmp_path / "page-password").unlink()
    with serving(options):
        assert ask(options)[0] == 401
        assert ask(options, Authorization=basic(""))[0] == 503


def test_an_error_in_the_making_is_said_and_logged_once_and_the_next_is_served(caplog):
    broken = [True]

    def show():
        if broken[0]:
            raise ZeroDivisionError("of this test")
        return a_house()

    with serving(show=show, kept_s=0) as options:
        assert [ask(options)[0] for _ in range(3)] == [500, 500, 500]
        assert "of this test" not in ask(options)[2]
        broken[0] = False
        assert ask(options)[0] == 200
    assert [each.levelname for each in caplog.records] == ["ERROR"]


def test_however_many_ask_the_text_is_made_once_in_a_while():
    made = []

    def show():
        made.append(1)
        return a_house()

    with serving(show=show, kept_s=60) as options:
        threads = [threading.Thread(target=ask, args=(options,)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
    assert len(made) <= 2  # one for the text, one for the last ten minutes
