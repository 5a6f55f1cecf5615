"""Who is let in with a password: browsers by a cookie, programs by HTTP Basic."""

import queue
import re
import threading
from urllib.parse import quote

import pytest

from collector import secrets
from collector.page.login import MOST_PLACE, MOST_TRYING, place_of
from collector.page.server import THREADS
from tests.fakes.page import PASSWORD, ask, options_with, say, serving
from tests.unit.page.test_app import basic

BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture(params=["as it is", "as a hash"])
def locked(tmp_path, request):
    options = options_with(tmp_path)
    if request.param == "as a hash":
        (tmp_path / "page-password").write_text(secrets.hashed(PASSWORD))
    with serving(options) as page:
        yield page


def log_in(page, password=PASSWORD, place="/", **headers):
    body = f"password={password}&next={place}"
    lines = [
        "POST /login HTTP/1.1",
        f"Host: {page.address}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        "Accept: text/html",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return say(page, "\r\n".join([*lines, "", body]).encode())


def test_a_browser_is_sent_to_the_login_and_back_to_where_it_was(locked):
    status, headers, _ = ask(locked, "/history?range=week", **BROWSER)
    assert (status, headers["location"]) == (303, "/login?next=%2Fhistory%3Frange%3Dweek")
    assert ask(locked, headers["location"], **BROWSER)[0] == 200
    status, headers, _ = log_in(locked, place="%2Fhistory%3Frange%3Dweek")
    assert (status, headers["location"]) == (303, "/history?range=week")
    cookie = headers["set-cookie"]
    assert re.search("; HttpOnly; SameSite=Strict; Path=/; Max-Age=", cookie)
    with_cookie = {**BROWSER, "Cookie": f"other=1; {cookie.partition(';')[0]}"}
    assert ask(locked, "/history?range=week", **with_cookie)[0] == 200
    assert ask(locked, "/api/v1/now", Cookie=with_cookie["Cookie"])[0] == 200
    assert ask(locked, "/login", **with_cookie)[:2][0] == 303


def test_a_page_that_there_is_not_looks_like_one_that_there_is(locked):
    assert ask(locked, "/cost", **BROWSER)[0] == ask(locked, "/nothing", **BROWSER)[0] == 303
    assert ask(locked, "/api/v1/now")[::2] == ask(locked, "/api/v1/nothing")[::2]
    assert ask(locked, "/api/v1/now")[0] == 401


def test_programs_bring_the_password_each_time(locked):
    for _ in range(3):
        assert ask(locked, "/api/v1/now", Authorization=basic(PASSWORD))[0] == 200
    assert ask(locked, "/api/v1/now", Authorization=basic("x"))[0] == 401


def test_a_wrong_password_gives_no_cookie_and_after_some_one_waits(locked):
    answers = [log_in(locked, "wrong") for _ in range(6)]
    assert [each[0] for each in answers] == [403] * 5 + [429]
    assert not any("set-cookie" in headers for _, headers, _ in answers)
    assert int(answers[-1][1]["retry-after"]) <= 60
    assert log_in(locked)[0] == 429


def test_those_who_try_at_once_have_no_more_tries_than_those_who_wait(locked):
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(log_in(locked, "wrong")[0]))
        for _ in range(12)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert statuses.count(403) <= 5
    assert set(statuses) == {403, 429}


def test_those_who_try_leave_threads_for_the_others(tmp_path, monkeypatch):
    let = threading.Event()

    def slow(_given, _wanted):
        assert let.wait(20)
        return False

    monkeypatch.setattr("collector.page.login.is_password", slow)
    with serving(options_with(tmp_path)) as page:
        statuses: queue.SimpleQueue[int] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=lambda: statuses.put(log_in(page, "wrong")[0]))
            for _ in range(THREADS)
        ]
        for each in threads:
            each.start()
        sent_away = [statuses.get(timeout=20) for _ in range(THREADS - MOST_TRYING)]
        assert sent_away == [429] * len(sent_away)
        assert ask(page, "/healthz")[0] == 200
        let.set()
        assert [statuses.get(timeout=20) for _ in range(MOST_TRYING)] == [403] * MOST_TRYING
        for each in threads:
            each.join(20)


@pytest.mark.parametrize(
    "cookie",
    ["energy_monitor=", "energy_monitor=99999999999.00", "energy_monitor=x.y", "energy_monitor",
     "energy_monitor=99999999999.", "a=b; energy_monitor=1.2; c", 'energy_monitor="\\000"'],
)  # fmt: skip
def test_a_cookie_that_is_not_ours_lets_nobody_in(locked, cookie):
    assert ask(locked, "/api/v1/now", Cookie=cookie)[0] == 401


@pytest.mark.parametrize("other", ['prefs={"a":1}', "a b=1", 'x="', "energy_monitor=1.2", "é=é;;="])
def test_cookies_of_other_programs_of_this_computer_are_not_in_the_way(locked, other):
    ours = log_in(locked)[1]["set-cookie"].partition(";")[0]
    for cookie in (f"{other}; {ours}", f"{ours};{other}"):
        assert ask(locked, "/api/v1/now", Cookie=cookie)[0] == 200


def test_another_password_logs_everyone_out(locked, tmp_path):
    cookie = log_in(locked)[1]["set-cookie"].partition(";")[0]
    assert ask(locked, "/api/v1/now", Cookie=cookie)[0] == 200
    (tmp_path / "page-password").write_text("another-one-of-this-test")
    assert ask(locked, "/api/v1/now", Cookie=cookie)[0] == 401
    (tmp_path / "page-password").unlink()
    assert ask(locked, "/api/v1/now", Cookie=cookie)[0] == 401


def test_a_script_of_the_page_that_lacks_a_password_opens_no_window_of_the_browser(locked):
    status, headers, _ = ask(locked, "/api/v1/now", X_Requested_With="fetch")
    assert (status, "www-authenticate" in headers) == (401, False)
    assert "www-authenticate" in ask(locked, "/api/v1/now")[1]


def test_a_place_that_is_too_long_for_the_form_is_forgotten_and_not_the_password(locked):
    longest = f"/history?device={'x' * (MOST_PLACE - 16)}"
    assert place_of(longest) == longest
    assert place_of(f"{longest}x") == place_of("/" + "ä" * 60) == "/"
    status, headers, _ = ask(locked, f"{longest}&at=%ff%ff", **BROWSER)
    assert (status, headers["location"]) == (303, "/login?next=%2F")
    assert log_in(locked, place=quote(longest, safe=""))[1]["location"] == longest


def test_a_cookie_of_another_process_lets_nobody_in(locked, tmp_path):
    with serving(options_with(tmp_path / "..")) as other:
        (tmp_path / ".." / "page-password").write_text(PASSWORD)
        cookie = log_in(other)[1]["set-cookie"].partition(";")[0]
        assert ask(other, "/api/v1/now", Cookie=cookie)[0] == 200
    assert ask(locked, "/api/v1/now", Cookie=cookie)[0] == 401


def test_another_site_cannot_log_in_through_a_browser(locked):
    crossing = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert log_in(locked, **crossing)[0] == 403
    assert "set-cookie" not in log_in(locked, **crossing)[1]


def test_without_a_password_there_is_no_login():
    with serving() as page:
        assert ask(page, "/login")[1]["location"] == "/"
        assert log_in(page)[0] == 405


def test_one_is_sent_to_no_other_place_than_ours():
    others = ["//evil.example", "https://evil.example", "/\\evil.example", "", "x", "/a\r\nX: y"]
    assert {place_of(each) for each in others} == {"/"}
    assert place_of("/bill?month=2026-10") == "/bill?month=2026-10"


@pytest.mark.parametrize("body", ["", "x" * 1000, "password", "%ff=%ff", "password=&next="])
def test_a_form_that_is_none_is_a_wrong_password(locked, body):
    head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    assert say(locked, f"{head}Connection: close\r\n\r\n{body}".encode())[0] == 403


@pytest.mark.parametrize("stored", ["scrypt:", "scrypt:1:2:3:4:5", "scrypt:16384:8:1:zz:00"])
def test_a_damaged_hash_lets_nobody_in_and_says_so(tmp_path, stored):
    options = options_with(tmp_path)
    (tmp_path / "page-password").write_text(stored)
    with serving(options) as page:
        status, _, body = ask(page, Authorization=basic(PASSWORD))
        assert (status, body) == (503, "The stored password is damaged; store it again.\n")


def test_a_hash_says_nothing_of_its_password():
    one, other = secrets.hashed(PASSWORD), secrets.hashed(PASSWORD)
    assert one != other
    assert PASSWORD not in one
    assert secrets.is_password(PASSWORD, one)
    assert not secrets.is_password(one, one)
    assert not secrets.is_password("", one)


def test_no_answer_holds_a_secret(tmp_path):
    options = options_with(tmp_path)
    with serving(options) as page:
        paths = ["/", "/devices", "/history", "/health", "/api", "/metrics", "/healthz", "/login"]
        paths += [f"/api/v1/{each}" for each in ("now", "devices", "health", "events", "cost")]
        for path in paths:
            for headers in ({}, BROWSER, {"Authorization": basic(PASSWORD)}):
                _, said, body = ask(page, path, **headers)
                assert PASSWORD not in f"{said}{body}", path
