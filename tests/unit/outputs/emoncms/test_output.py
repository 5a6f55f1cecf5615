"""EmonCMS: whatever happens on the way, its energy is exact. By recorded answers, and the real one.

A meter of 3600 W counts 3.6 kWh in an hour out of its power, and 3600 Wh out of its counter.
"""

import threading
import time
from dataclasses import replace

import pytest

from collector.errors import OutputAway, ReadingsRefused
from collector.reading import Reading, encode
from tests.fakes.emoncms import FormatError
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.proxy import Proxy
from tests.unit.outputs.emoncms.conftest import BEGIN_S

HOUR = range(3601)
SLOTS = list(range(0, 3601, 10))
EXACT = (3.6, 3600.0)


@pytest.fixture
def proxy(server):
    with Proxy(server.url) as made:
        yield made


@pytest.fixture
def account(server):
    """What a fake EmonCMS holds, for what the real one does not do on demand."""
    if server.account is None:
        pytest.skip("only the recorded EmonCMS does that on demand")
    hinders = server.account.hinders
    yield server.account
    server.account.hinders = hinders


@pytest.fixture
def _slow(server):
    """A server that needs longer for a batch than these tests wait; the real one is like that."""
    if server.account is None:
        yield
        return
    hinders = server.account.hinders
    server.account.hinders = lambda *_: time.sleep(0.003)
    yield
    server.account.hinders = hinders


def away(output, batch):
    with pytest.raises(OutputAway) as error:
        output.write(batch)
    return str(error.value)


def refused(output, batch):
    with pytest.raises(ReadingsRefused) as error:
        output.write(batch)
    return error.value.reasons


def reading(device, second, kind="electricity", **values):
    return encode(Reading(kind, device, 1000 * (BEGIN_S + second), values))


def inputs(server, node):
    found = server.ask("/input/get.json").get(node, {})
    return {name: (last["time"] - BEGIN_S, last["value"]) for name, last in found.items()}


# Each row once


def test_one_row_in_ten_seconds_is_sent(make, meter):
    it = meter()
    make().write(it.lines(*HOUR))
    assert it.logged == SLOTS
    assert it.energy == EXACT


def test_rows_come_as_often_as_wanted_also_over_the_ends_of_batches(make, meter):
    it, output = meter(), make(interval=30)
    for first in range(0, 3601, 7):
        output.write(it.lines(*range(first, min(first + 7, 3601))))
    assert it.logged == list(range(0, 3601, 30))
    assert it.energy == EXACT


def test_a_resend_counts_nothing_twice(make, meter):
    it, batch = meter(), []
    batch = it.lines(*HOUR)
    for lines in (batch, batch, [*batch[1800:], *it.lines(3610)]):
        output = make()
        output.write(lines)
        output.close()
    assert it.logged == [*SLOTS, 3610]
    assert it.energy == (3.61, 3610.0)


def test_two_outputs_to_one_account_never_count_one_value_twice(make, meter):
    it, first, second = meter(), make(), make()
    first.write(it.lines(*HOUR))
    assert "the output 'cloud' sends active_power of the node" in away(second, it.lines(*HOUR))
    assert it.energy == EXACT
    second.write(meter().lines(0))
    first.close()
    second.write(it.lines(3610))
    assert it.energy == (3.61, 3610.0)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_answer_that_is_lost_after_the_request_was_processed(make, meter, proxy, restarted):
    it, output = meter(), make(url=proxy.url)
    output.write(it.lines(0))
    proxy.fault = "lose"
    output.close()
    output.is_asked = True  # the question before comes through; the answer to the rows is lost
    assert "went away" in away(output, it.lines(*HOUR[1:]))
    assert proxy.lost == 1
    proxy.fault = ""
    output = make() if restarted else output
    output.open()
    output.write(it.lines(*HOUR[1:]))
    output.write(it.lines(3610))
    assert it.energy == (3.61, 3610.0)
    assert it.logged == [*SLOTS, 3610]


def test_a_request_that_is_cut_in_the_middle(make, meter, proxy):
    it, output = meter(), make(url=proxy.url)
    proxy.fault, proxy.bytes_sent = "cut", 700
    for _ in range(3):
        away(output, it.lines(*HOUR))
    proxy.fault = ""
    output.write(it.lines(*HOUR))
    assert it.energy == EXACT


@pytest.mark.usefixtures("_slow")
def test_a_server_that_is_still_at_work_when_it_is_given_up(make, meter):
    it, output = meter(), make()
    output.write(it.lines(0))
    patient = output.server.server.limits
    output.server.server.limits = replace(patient, answer_s=0.03)
    assert "did not answer in time" in away(output, it.lines(*HOUR[1:]))
    output.server.server.limits = patient
    output.write(it.lines(*HOUR[1:]))
    assert it.energy == EXACT
    assert it.logged == SLOTS


def test_a_slow_server_is_waited_for_until_it_is_done(make, meter, account):
    it, output = meter(), make()
    output.write(it.lines(0))
    account.hinders = lambda *_: time.sleep(0.01)
    patient = output.server.server.limits
    output.server.server.limits = replace(patient, answer_s=0.5)
    away(output, it.lines(*HOUR[1:]))
    output.server.server.limits = patient
    rows = account.rows
    output.write(it.lines(*HOUR[1:]))
    assert account.rows > rows + 50, "it was at work when it was asked"
    assert it.energy == EXACT


@pytest.mark.usefixtures("_slow")
def test_a_service_that_is_killed_leaves_a_request_that_the_next_one_waits_for(make, meter):
    it, killed, following = meter(), make(), make()
    killed.write(it.lines(0))
    killed.server.server.limits = replace(killed.server.server.limits, answer_s=0.03)
    away(killed, it.lines(*HOUR[1:]))
    killed.close()
    following.is_first = True
    following.write(it.lines(*HOUR[1:]))
    assert it.energy == EXACT
    assert it.logged == SLOTS


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.3])
def test_a_server_that_is_killed_at_its_work(server, make, meter, after_s):
    if server.process is None:
        pytest.skip("only a real server can be killed")
    it, output = meter(), make()
    output.write(it.lines(0))
    killing = threading.Timer(after_s, server.restart)
    killing.start()
    for _ in range(10):
        try:
            output.write(it.lines(*HOUR[1:]))
            break
        except OutputAway:
            time.sleep(0.2)
    killing.join()
    output.write(it.lines(3610))
    assert it.energy == (3.61, 3610.0)
    assert it.logged == [*SLOTS, 3610]


def test_a_server_that_fails_in_the_middle_of_a_row(make, meter, account):
    it, output = meter(), make()
    output.write(it.lines(0))

    def fail(_, second):
        if second == BEGIN_S + 1000:
            account.hinders = lambda *_: None
            raise ConnectionResetError

    account.hinders = fail
    away(output, it.lines(*HOUR[1:]))
    output.write(it.lines(*HOUR[1:]))
    assert it.energy == EXACT


def test_a_gateway_that_gives_up_while_the_server_goes_on(make, meter, account):
    it = meter()

    def late(asked):
        reply = account(asked)
        return Reply(504) if asked.method == "POST" else reply

    with HttpAnswers(late) as gateway:
        output = make(url=gateway.url)
        assert "answered 504" in away(output, it.lines(*HOUR))
        gateway.answer = account
        output.write(it.lines(*HOUR))
    assert it.energy == EXACT


def test_a_value_that_comes_by_itself_is_sent_beside_others_of_its_slot(server, make):
    output = make()
    output.write([reading("washer", at, active_power=float(at)) for at in range(3)])
    output.write([reading("washer", 5, energy_today=7.0), reading("washer", 12, energy_today=8.0)])
    output.write([reading("washer", 13, active_power=13.0)])
    assert inputs(server, "washer") == {"active_power": (13, 13), "energy_today": (12, 8)}


# What is too late


def test_a_reading_that_is_older_than_the_newest_is_set_aside(make, meter):
    it, output = meter(), make()
    output.write(it.lines(*HOUR))
    reasons = refused(output, [*it.lines(3610), *it.lines(1000), *it.lines(3620)])
    assert list(reasons) == [1]
    assert reasons[1].startswith(f"too late: {it.device}/active_energy has newer values")
    assert it.energy == (3.62, 3620.0)


def test_one_that_is_late_within_the_first_batch_is_set_aside_too(make, meter):
    it = meter()
    assert list(refused(make(), [*it.lines(0, 100), *it.lines(50), *it.lines(200)])) == [2]
    assert it.logged == [0, 100, 200]


def test_newer_values_of_someone_else_are_not_overwritten_and_it_is_said(server, make, meter):
    it, output = meter(), make()
    output.write(it.lines(0))
    rows = f'[[{BEGIN_S + 500},"{it.device}",{{"active_power":1}}]]'
    server.ask("/input/bulk?time=0&fulljson=1", body={"data": rows}, method="POST")
    output.open()
    assert list(refused(output, it.lines(100, 600))) == [0]


# What is answered


def test_a_key_that_is_not_known_or_may_only_read_is_a_credential(server, make, meter, key_file):
    it, output = meter(), make()
    key_file.write_text("0" * 32)
    said = away(output, it.lines(0))
    assert "answered 401 'Invalid API key'; the key in secret 'emoncms-key' is not known" in said
    key_file.write_text(server.read_key)
    said = away(output, it.lines(0))
    assert "may only read: store the one that may write by 'sudo energy-monitor secret" in said
    key_file.write_text("two words")
    assert "is not a key: letters and digits" in away(output, it.lines(0))
    key_file.write_text(server.write_key)
    output.write(it.lines(*HOUR))
    assert it.energy == EXACT


def test_the_key_stands_in_the_header_alone_and_rows_are_packed(server, make, meter, account):
    it = meter()
    with HttpAnswers(account) as watched:
        make(url=watched.url).write(it.lines(*HOUR))
    question, *posts = watched.asked
    assert (question.method, question.path) == ("GET", "/input/get.json")
    assert [len(each.body) < 6_000 for each in posts] == [True, True]
    for each in watched.asked:
        assert server.write_key not in each.path + each.query
        assert each.headers["Authorization"] == f"Bearer {server.write_key}"


def test_a_row_that_it_does_not_take_is_found_and_set_aside(make, meter, account):
    it, bad = meter(), [reading("bad", 1005, voltage=1.0), reading("bad", 2005, voltage=1.0)]

    def refuse(node, second):
        if node == "bad" and second == BEGIN_S + 1005:
            account.hinders = refuse
            raise FormatError("Format error, made up")

    account.hinders = refuse
    lines = sorted([*it.lines(*HOUR), *bad], key=lambda line: int(line.split()[-1]))
    reasons = refused(make(), lines)
    assert reasons == {lines.index(bad[0]): "EmonCMS does not take it: Format error, made up"}
    assert it.energy == EXACT
    assert it.logged == SLOTS


def test_a_server_that_takes_no_row_at_all_is_in_trouble(make, meter, account):
    it = meter()

    def refuse(*_):
        raise FormatError("Format error, made up")

    account.hinders = refuse
    assert "takes no row: EmonCMS does not take it" in away(make(), it.lines(*range(100)))


def test_more_nodes_than_it_allows_are_told_with_what_to_do(make, account):
    most, account.most_nodes = account.most_nodes, 0
    try:
        said = away(make(), [reading("one-more", 0, voltage=1.0)])
    finally:
        account.most_nodes = most
    assert "raise 'max_node_id_limit' there, or send fewer devices by 'select'" in said


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>Log in to the hotel</html>", "answered 200 '<html>Log in"),
        (200, b"{", "answered 200 '{'"),
        (200, b"[" * 100_000, "answered 200 '[["),
        (301, b"moved", "answered 301 'moved'"),
        (404, b"no", "is 'url' right?"),
        (503, b"busy", "answered 503 'busy'"),
    ],
)
def test_whatever_else_is_answered_is_not_now(make, meter, status, body, sentence):
    with HttpAnswers(lambda _: Reply(status, body)) as other:
        assert sentence in away(make(url=other.url), meter().lines(0))


def test_nodes_of_numbers_are_read_too(server, make):
    rows = f'[[{BEGIN_S},"0",{{"voltage":1}}],[{BEGIN_S},"1",{{"voltage":1}}]]'
    server.ask("/input/bulk?time=0&fulljson=1", body={"data": rows}, method="POST")
    output = make()
    output.look([])
    assert output.rows.there["0", "voltage"] == output.rows.there["1", "voltage"] == BEGIN_S


# Straight into feeds


def test_a_quantity_goes_straight_into_a_feed_oldest_first_and_late_ones_too(server, make, meter):
    it = meter()
    number = server.ask(
        "/feed/create.json",
        {"tag": it.device, "name": "direct", "engine": 5, "options": '{"interval": 10}'},
    )["feedid"]
    output = make(feeds={f"{it.device}.voltage": number})

    def lines(*seconds):
        return [reading(it.device, at, voltage=float(at)) for at in seconds]

    output.write(lines(*range(300)))
    output.write(lines(*range(300)))
    output.write(lines(2000))
    output.write(lines(1000))
    fields = {"start": 1000 * BEGIN_S, "end": 1000 * (BEGIN_S + 3000), "interval": 10}
    points = server.ask("/feed/data.json", {"id": number, "skipmissing": 1, **fields})
    stored = [[at // 1000 - BEGIN_S, value] for at, value in points]
    assert stored == [[at, at] for at in (*range(0, 300, 10), 1000, 2000)]
    assert "voltage" not in inputs(server, it.device)


def test_a_feed_that_there_is_not_is_named(make):
    said = away(make(feeds={"mains.voltage": 99_999}), [reading("mains", 0, voltage=1.0)])
    assert "Feed does not exist" in said
    assert said.endswith("mend 'feeds'")


def test_a_batch_whose_feed_fails_counts_its_rows_once(make, meter):
    it = meter()
    output = make(feeds={f"{it.device}.voltage": 99_999})
    batch = [*it.lines(*HOUR), reading(it.device, 5, voltage=1.0)]
    for _ in range(2):
        away(output, batch)
        output.open()
    assert it.energy == EXACT
