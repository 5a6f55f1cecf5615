"""The database of a Lutron system: what it says, what is refused, and how it is got and kept."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.demo import lights
from collector.errors import FrameDamaged, LineAway
from collector.reading import NAME
from collector.sources.lutron_qs import database as lutron_db
from collector.sources.lutron_qs import fetch
from collector.sources.lutron_qs.database import Area, Led, Zone, exported, parse, word
from tests.fakes.http_answers import Reply
from tests.fakes.lutron_processor import database

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<Project><Areas><Area Name="&c;"/></Areas></Project>"""
REACHING_OUT = b"""<?xml version="1.0"?><!DOCTYPE Project [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<Project><Areas><Area Name="x">&a;</Area></Areas></Project>"""
MANY_ATTRIBUTES = "".join(f" a{number}=''" for number in range(20_000))


def house(inner):
    return f'<Project><Areas><Area Name="House" IntegrationID="1">{inner}</Area></Areas></Project>'


def output(number=17, kind="INC", watts="60", name="Ceiling"):
    return f'<Output Name="{name}" IntegrationID="{number}" OutputType="{kind}" Wattage="{watts}"/>'


def only_zone(inner):
    (zone,) = parse(house(inner).encode()).zones
    return zone


def test_zones_and_leds_are_found_with_their_areas():
    found = parse(lights.database())
    assert found.exported == "11/05/2026 18:30:00"
    assert len(found.zones) == len(lights.ZONES)
    assert Zone(12, Area(3, "Kitchen"), "Table", "MLV", 45.0) in found.zones
    assert found.leds == [Led(31, 81, Area(2, "Hall"), "Keypad")]
    assert [zone.id for zone in found.lit] == [11, 12, 13, 14, 15]


def test_areas_are_walked_however_deep_they_lie():
    area = '<Area Name="{}" IntegrationID="{}">'
    inner = area.format("Ground", 2) + output(7) + area.format("Hall", 3) + output(8)
    found = parse(house(inner + "</Area></Area>" + output(9)).encode())
    assert [(zone.id, zone.area.word) for zone in found.zones] == [
        *((7, "Ground"), (8, "Hall"), (9, "House")),
    ]


@pytest.mark.parametrize("watts", ["0", "", "-5", "much", "1e9", "9" * 20])
def test_a_wattage_that_is_none_is_unknown_and_not_0(watts):
    assert only_zone(output(watts=watts)).nominal_w is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        *(("INC", "lighting"), ("NON_DIM_MLV", "lighting"), ("EXHAUST_FAN_TYPE", "lighting")),
        *(("SYSTEM_SHADE", "shade"), ("MOTOR", "shade"), ("SWITCHED_MOTOR", "shade")),
        *(("CCO_PULSED", "contact"), ("", "lighting")),
    ],
)
def test_only_lights_count_for_the_power(kind, told):
    zone = only_zone(output(kind=kind))
    assert zone.kind == told
    assert parse(house(output(kind=kind)).encode()).lit == [zone] * (told == "lighting")


def test_names_become_words():
    assert word("Küche / Büro 2") == "Kuche_Buro_2"
    assert word("客厅") == ""
    assert word("-_a") == "a"


@given(st.text(max_size=300))
def test_any_name_is_a_word_or_nothing(name):
    made = word(name)
    assert made == "" or (NAME.fullmatch(made) and len(made) <= 40)


@pytest.mark.parametrize("data", [BOMB, REACHING_OUT])
def test_a_document_type_is_refused_before_anything_of_it_is_used(data):
    with pytest.raises(FrameDamaged, match="it has a document type"):
        parse(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lights.database()[:-50], "not valid XML"),
        (lights.database().replace(b"</Area>", b"", 1), "not valid XML: mismatched tag"),
        (b"", "not valid XML"),
        (b"<html><body>404</body></html>", "no zones"),
        (b"<a>" * 100, "nested more than 50 levels deep"),
        (house("<Output" + MANY_ATTRIBUTES + "/>").encode(), "65,536 bytes"),
        (house(output() * 10_001).encode(), "more than 10000 zones"),
        (b'<?xml version="1.0" encoding="utf-99"?><a/>', "not valid XML"),
    ],
)
def test_what_is_no_sound_database_is_told(data, reason):
    with pytest.raises(FrameDamaged, match=reason):
        parse(data)


@given(st.binary(max_size=300), st.integers(0, 1500))
def test_any_bytes_are_a_database_or_damaged(noise, at):
    whole = lights.database()
    for data in (noise, whole[:at] + noise + whole[at:]):
        exported(data)
        with contextlib.suppress(FrameDamaged):
            assert parse(data).zones


# Getting it


def test_it_is_got_and_not_again_while_it_is_the_same():
    with database() as (_, url):
        data = fetch.read(url, "")
        assert data == lights.database()
        assert fetch.read(url, exported(data)) is None
        assert fetch.read(url, "01/01/2020 00:00:00") == data


def test_it_is_whole_at_its_end_tag_though_the_server_does_not_hang_up():
    with database() as (server, url):
        told = {"Content-Length": str(len(lights.database()) + 1000)}
        server.answer = lambda _: Reply(200, lights.database(), told)
        assert fetch.read(url, "") == lights.database()


@pytest.mark.parametrize("at_once", [0, 60])
def test_one_byte_at_a_time_has_an_end(monkeypatch, at_once):
    monkeypatch.setattr(fetch, "FETCH_S", 0.5)
    with database() as (server, url):
        server.answer = lambda _: Reply(200, lights.database(), pause_s=0.05, at_once=at_once)
        with pytest.raises((LineAway, FrameDamaged), match=r"cannot be fetched|ended after"):
            fetch.read(url, "")


def test_one_that_is_cut_refused_or_endless_is_told(monkeypatch):
    with database() as (server, url):
        server.answer = lambda _: Reply(200, lights.database(), cut_after=500)
        with pytest.raises((LineAway, FrameDamaged)):
            fetch.read(url, "")
        server.answer = lambda _: Reply(404)
        with pytest.raises(LineAway, match="the answer is 404"):
            fetch.read(url, "")
        monkeypatch.setattr(fetch, "LARGEST", 10_000)
        server.answer = lambda _: Reply(200, b"x" * 100_000)
        with pytest.raises(FrameDamaged, match="larger than 0 MB"):
            fetch.read(url, "")
    with pytest.raises(LineAway, match=r"cannot be fetched: .*refused"):
        fetch.read(url, "")


def test_it_is_read_from_a_file(tmp_path):
    file = tmp_path / "db.xml"
    with pytest.raises(LineAway, match="No such file"):
        fetch.read(str(file), "")
    file.write_bytes(lights.database())
    assert fetch.read(str(file), "") == lights.database()
    assert fetch.read(str(file), exported(lights.database())) is None


def test_a_copy_is_kept_whole_or_not_at_all(tmp_path):
    file = tmp_path / "state" / "DbXmlInfo.xml"
    assert fetch.kept(file) is None
    fetch.keep(file, lights.database())
    assert fetch.kept(file) == lutron_db.parse(lights.database())
    file.write_bytes(lights.database()[:300])
    assert fetch.kept(file) is None


def test_the_usual_place_is_on_the_same_host():
    assert fetch.usual_place("tcp://lutron:23") == "http://lutron/DbXmlInfo.xml"
    assert fetch.usual_place("tcp://[::1]:23") == "http://[::1]/DbXmlInfo.xml"
