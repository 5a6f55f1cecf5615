"""Whose turn it is to search, and that one source's error is not another's."""

import itertools
from typing import Any

import pytest

from collector.contract import Discovering, Found, Manner, registry
from collector.errors import DeviceSilent, EnergyMonitorError
from collector.scan import scan
from tests.fakes.searching import only_at, scanned


def source(turn="asks", at=("/",), ports=(), found=(), error=None) -> Any:
    """Return a class of sources that notes what it is asked, finds *found*, and raises *error*."""

    class Made:
        manner = Manner(turn, at, ports)
        asked: list[Any] = []  # noqa: RUF012  a class of its own at each call

        @classmethod
        def discover(cls, search):
            cls.asked.append(search)
            yield from found
            if error:
                raise error

    return Made


@pytest.fixture
def house(monkeypatch):
    """Return a function that makes the sources given the only ones, at two serial ports."""
    only_at(monkeypatch, ["/dev/a", "/dev/b"])

    def make(**sources):
        monkeypatch.setattr(registry, "names", lambda _: sorted(sources))

        def find(_, name):
            if isinstance(sources[name], Exception):
                raise sources[name]
            return sources[name]

        monkeypatch.setattr(registry, "find", find)

    return make


AT_A = Found("x", "/dev/a", "a device", {"line": "/dev/a"})


def test_those_that_listen_come_first_and_those_that_try_much_last(house):
    sources = {name: source(turn) for name, turn in zip("abc", reversed(scan.TURNS), strict=True)}
    house(**sources)
    assert [name for name, _ in scan.searching(pytest.fail)] == ["c", "b", "a"]


def test_what_one_has_recognised_is_not_searched_by_the_next(house):
    first, second = source("listens", found=[AT_A]), source("tries")
    house(first=first, second=second)
    assert scanned().found == [AT_A]
    assert [list(each.ports) for each in first.asked] == [["/dev/a", "/dev/b"]]
    assert [list(each.ports) for each in second.asked] == [["/dev/b"]]
    assert scanned("/dev/a").found == [AT_A]
    assert len(second.asked) == 1  # at a line that is named there is nothing more to look for


def test_a_line_is_searched_by_those_that_can_find_something_there(house):
    serial, broker = source(), source(at=("mqtt:",))
    usual, other = source(at=("tcp:",), ports=(9000,)), source(at=("tcp:",), ports=(502,))
    house(serial=serial, broker=broker, usual=usual, other=other)
    for line in ("mqtt://b", "tcp://h:9000", "tcp://h:7777", "/dev/c"):
        scanned(line)
    assert [each.line for each in serial.asked] == ["/dev/c"]
    assert [list(each.ports) for each in serial.asked] == [["/dev/c"]]
    assert [each.line for each in broker.asked] == ["mqtt://b"]
    assert [each.line for each in usual.asked] == ["tcp://h:9000", "tcp://h:7777"]
    assert [each.line for each in other.asked] == ["tcp://h:7777"]
    assert "9000 (usual)" in scan.usual_ports()


@pytest.mark.parametrize("line", ["bogus://x", "tcp://pump", "socket://h"])
def test_what_can_be_no_line_is_refused(house, line):
    house(one=source(at=("/", "tcp:", "socket:")))
    with pytest.raises(EnergyMonitorError, match=f"'{line}' is not a line"):
        scanned(line)


def test_an_error_of_one_is_reported_and_the_others_go_on(house):
    house(
        a=ImportError("no module named 'z'"),
        b=source(error=RuntimeError("a bug")),
        c=source(found=[AT_A], error=DeviceSilent("then it was silent")),
        d=source(turn="sings"),
        e=source(found=["nonsense"]),
        f=source("tries", found=[Found("f", "/dev/b", "another", {"line": "/dev/b"})]),
    )
    seen = scanned()
    assert [each.place for each in seen.found] == ["/dev/a", "/dev/b"]
    reported = "\n".join(seen.skipped)
    assert "the source 'a' cannot be used: no module named 'z'" in reported
    assert "b: internal error: RuntimeError: a bug" in reported
    assert "then it was silent" in reported
    assert "the source 'd' cannot be used: " in reported
    assert "e: internal error: AttributeError" in reported


def test_what_several_say_alike_is_reported_once(house):
    house(a=source(error=DeviceSilent("gone")), b=source(error=DeviceSilent("gone")))
    assert scanned().skipped == ["gone"]


def test_every_source_of_ours_that_can_search_says_in_which_manner():
    every = dict(scan.searching(pytest.fail))
    ours = {"luxtronik", "lutron_qs", "modbus", "mqtt_in", "nut", "vedirect"}
    assert ours <= set(every)
    turns = [scan.TURNS.index(every[name].manner.turn) for name in every]
    assert turns == sorted(turns)
    assert all(isinstance(each, Discovering) for each in every.values())
    ports = list(itertools.chain(*(every[name].manner.ports for name in ours)))
    assert len(ports) == len(set(ports))
