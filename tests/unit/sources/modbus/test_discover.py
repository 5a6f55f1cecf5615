"""The search for meters: what is there is found and named, and nothing is ever written."""

import re
import termios

import pytest
import yaml

from collector import config
from collector.lines.serial import Framing
from collector.scan.render import render
from collector.sources.modbus import devicemap, discover
from collector.sources.modbus.discover import FRAMINGS
from collector.sources.modbus.recognise import knocks
from tests.fakes.far_end import FarEnd
from tests.fakes.rtu_slave import parse, refusal, reply
from tests.fakes.searching import scanned

WE_515 = {0x0130: 5000, 0x0131: 23012, 0x8120: 0x1905}
SDM_230 = {0x0000: 0x4366, 0x0001: 0x3333, 0x0046: 0x4248, 0x0047: 0x0000}
UNKNOWN = {0x4000: 0}
EVERYWHERE = dict.fromkeys(range(1, 11), UNKNOWN)  # silence takes its time
MAPS = [each for name in devicemap.names() if (each := devicemap.load(name)).serial]


def addresses(seen):
    """Return the model at each address where anything answers; '' where no map fits."""
    words = (re.search(r"address (\d+)(?:: (.*))?", each.text) for each in seen.found)
    return {int(word[1]): word[2] or "" for word in words if word}


def far_end(answer):
    return FarEnd(lambda data: b"".join(map(answer, questions(data))))


def questions(data):
    """Split what a busy machine hands over late, and several at once; a read has 8 bytes."""
    return [data[at : at + 8] for at in range(0, len(data), 8)]


def asked_at(far):
    return [parse(question) for data in far.requests for question in questions(data)]


@pytest.fixture(scope="module")
def house():
    """A line at 19200 8N1: two known meters, a gap, and many that are not known."""
    slaves = EVERYWHERE | {1: WE_515, 3: SDM_230}
    del slaves[5]

    def answer(request):
        # the far end of a pseudo-terminal sees which baud rate the near end has set
        is_19200_baud = termios.tcgetattr(far.slave)[4] == termios.B19200
        return reply(request, slaves) if is_19200_baud else b""

    with far_end(answer) as far:
        seen = scanned(far.path)
    return seen, asked_at(far)


def test_meters_are_found_and_named_by_their_probes(house):
    seen, asked = house
    others = dict.fromkeys([2, 4, 6, 7, 8, 9, 10], "")
    assert addresses(seen) == others | {1: "orno-we-515", 3: "eastron-sdm230"}
    assert None not in asked  # all that was ever sent are reads


def test_no_other_framing_is_tried_where_one_is_found(house):
    seen, _ = house
    assert all(each.text.startswith("19200 8N1  address ") for each in seen.found)
    tried = [text.split("  ")[1:] for text, part in seen.progress if part is not None]
    tried = [each for each in tried if each[0][-2] == "N"]
    before = [[str(framing), "1"] for framing in FRAMINGS[:5] if framing.parity == "none"]
    assert tried == before + [["19200 8N1", str(address)] for address in range(2, 11)]


def test_the_progress_grows(house):
    seen, _ = house
    parts = [part for _, part in seen.progress if part is not None]
    assert parts[0] == 0
    assert parts == sorted(parts)
    assert parts[-1] < 1


def test_a_gateway_that_answers_for_nobody_is_no_meter():
    def answer(request):
        slave, function, _, _ = parse(request)
        return refusal(slave, function, 11)

    with far_end(answer) as far:
        assert scanned(far.path).found == []


def test_a_port_that_is_not_there_is_told():
    (reason,) = scanned("/dev/ttyUSB77").skipped
    assert "is not there" in reason


@pytest.mark.parametrize("device_map", MAPS, ids=lambda each: each.name)
def test_every_model_is_knocked_at_with_a_probe_of_its_own_at_its_own_framing(device_map):
    serial = device_map.serial
    asked = knocks(MAPS, Framing(serial.baudrate, serial.parity, serial.stopbits))
    probe = device_map.probe[0]
    assert (probe.function, probe.address, probe.length) in asked


@pytest.mark.parametrize("framing", FRAMINGS, ids=str)
def test_every_framing_is_knocked_at_with_both_functions(framing):
    assert {ask.function for ask in knocks(MAPS, framing)} == {3, 4}


def test_what_was_found_is_a_configuration(tmp_path):
    text = render(
        [
            discover.found("/dev/serial/by-id/usb-A", Framing(9600, "even"), 1, ["orno-we-515"]),
            discover.found("/dev/ttyUSB1", Framing(2400), 7, ["eastron-sdm120", "eastron-sdm230"]),
            discover.found("/dev/ttyUSB1", Framing(2400), 9, []),
        ]
    )
    file = tmp_path / "config.yaml"
    file.write_text(text)
    sources = config.load(file).sources
    assert sources["meter1"].line == "/dev/serial/by-id/usb-A"
    assert sources["meter1"].serial.parity == "even"
    assert (sources["meter2"].model, sources["meter2"].address) == ("eastron-sdm120", 7)
    assert sources["meter2"].serial.baudrate == 2400
    assert set(yaml.safe_load(text)["sources"]) == {"meter1", "meter2"}
    assert "# or eastron-sdm230" in text
    assert "# /dev/ttyUSB1: 2400 8N1  address 9 answers, but no device map matches it" in text


def test_what_is_found_has_the_options_of_a_framing_and_no_more():
    framing = Framing(9600, "even", 1)
    assert framing.character_s > 0 < framing.silence_s
    options = discover.found("/dev/ttyUSB0", framing, 1, ["eastron-sdm630"]).options
    assert options["serial"] == {"baudrate": 9600, "parity": "even", "stopbits": 1}
