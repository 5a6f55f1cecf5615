"""Green Button files: what they mean, what is refused, and each interval told once."""

import contextlib
import gzip
import io
import logging
import os
import re
import tracemalloc
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cli import read as read_command
from collector.config import load
from collector.contract import BadOption, Context, ReadGroup
from collector.decode.intervals import QUANTITIES, THERM_WH, Interval
from collector.decode.intervals import reading as to_reading
from collector.errors import DeviceRefused, FrameDamaged, LineAway, ReadFault
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.reading import decode, encode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.sources.green_button import meaning, unpack
from collector.sources.green_button import source as source_module
from collector.sources.green_button.espi import walk
from collector.sources.green_button.source import GreenButton, GreenButtonOptions
from tests.fakes import green_button as fake
from tests.fakes.running import configure, energy_monitor

DAY_S = 86_400
NEW_YEAR_S = 1_293_868_800  # midnight of New Year 2011 in Los Angeles

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<feed><title>&c;</title></feed>"""
REACHING_OUT = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<feed><title>&a;</title></feed>"""


def intervals(data, usage_point=""):
    file = io.BytesIO(data)
    known = meaning.survey(file, usage_point)
    file.seek(0)
    return [interval for _, _, interval in meaning.intervals(file, known)]


def one(data):
    (found,) = intervals(data)
    return found


def left_out(data):
    known = meaning.survey(io.BytesIO(data))
    assert not known.series
    return known.left_out


# What it means


def test_an_interval_stands_where_it_begins_with_cost_and_quality():
    row = fake.interval(NEW_YEAR_S, 450, cost=1750, quality=17)
    amounts = {"energy_import": 450.0, "cost_import": 1750e-5, "quality": 17.0}
    begin_ms = 1000 * NEW_YEAR_S
    expected = Interval("electricity", begin_ms, begin_ms + 3_600_000, amounts, 840)
    assert replace(one(fake.house(fake.block([row]))), amounts=amounts) == expected
    assert one(fake.house(fake.block([row]))).amounts == pytest.approx(amounts)


@pytest.mark.parametrize(
    ("values", "amounts"),
    [
        ({"powerOfTenMultiplier": 3}, {"energy_import": 7000.0}),
        ({"powerOfTenMultiplier": -3}, {"energy_import": 0.007}),
        ({"flowDirection": 19}, {"energy_export": 7.0}),
        ({"flowDirection": 4}, {"energy": 7.0}),
        ({"flowDirection": ""}, {"energy": 7.0}),
        ({"uom": 169, "commodity": 7}, {"energy": 7 * THERM_WH}),
        ({"uom": 119, "commodity": 7, "powerOfTenMultiplier": 2}, {"volume": 19.8217924}),
        ({"uom": 128, "commodity": 9}, {"volume": 0.026497882}),
        ({"uom": 42, "commodity": 9}, {"volume": 7.0}),
        ({"defaultQuality": 8}, {"energy_import": 7.0, "quality": 8.0}),
    ],
)
def test_a_value_is_read_as_its_reading_type_says(values, amounts):
    assert one(fake.house(fake.hours(NEW_YEAR_S, [7]), **values)).amounts == pytest.approx(amounts)


@pytest.mark.parametrize(
    "values", [{"uom": 38}, {"uom": ""}, {"accumulationBehaviour": 3}, {"powerOfTenMultiplier": 99}]
)
def test_readings_that_are_no_amounts_of_an_interval_are_left_out_and_it_is_said(values):
    assert len(left_out(fake.house(fake.hours(NEW_YEAR_S, [7]), **values))) == 1


def test_what_is_metered_may_stand_with_the_usage_point_alone():
    for service, kind in ((0, "electricity"), (1, "gas"), (2, "water")):
        entries = fake.usage_point(service=service), fake.reading_type(commodity="")
        data = fake.feed(*entries, fake.meter_reading(), fake.hours(NEW_YEAR_S, [7]))
        assert one(data).kind == kind


def test_entries_may_come_in_any_order_and_links_after_the_content():
    parts = [
        *(fake.hours(NEW_YEAR_S, [1, 2]), fake.reading_type(type_number=8, flowDirection=19)),
        fake.block([fake.interval(NEW_YEAR_S, 3)], meter=2),
        *(fake.meter_reading(2, type_number=8), fake.reading_type(), fake.meter_reading()),
        fake.usage_point(),
    ]
    amounts = [each.amounts for each in intervals(fake.feed(*parts))]
    assert amounts == [{"energy_import": 1}, {"energy_import": 2}, {"energy_export": 3}]
    links, content = parts[0].split("<title/>")
    late = content.replace("</entry>", "") + links.replace("<entry>", "") + "</entry>"
    assert [each.amounts for each in intervals(fake.feed("<entry>" + late, *parts[1:]))] == amounts


def test_without_links_the_only_reading_type_is_meant():
    data = fake.feed(fake.usage_point(), fake.reading_type(), fake.hours(NEW_YEAR_S, [7]))
    assert one(data).amounts == {"energy_import": 7.0}
    two = data.replace(b"</feed>", fake.reading_type(type_number=8).encode() + b"</feed>")
    assert left_out(two) == ["1 intervals without a ReadingType"]


def test_prefixes_of_namespaces_do_not_matter():
    data = fake.house(fake.hours(NEW_YEAR_S, [7])).decode()
    espi = data.replace("<", "<a:").replace("<a:/", "</a:").replace("<a:?", "<?")
    named = espi.replace('xmlns="', 'xmlns:a="')
    assert intervals(named.encode()) == intervals(data.encode())


def test_gaps_stay_gaps_and_forecasts_are_no_readings():
    rows = [
        fake.interval(NEW_YEAR_S, 1),
        fake.interval(NEW_YEAR_S + 7200, 2),
        fake.interval(NEW_YEAR_S + 10_800, 3, quality=12),
        fake.interval("soon", 4),
        fake.interval(NEW_YEAR_S + 18_000, "much"),
        fake.interval(NEW_YEAR_S + 21_600, 6, 0),
    ]
    found = intervals(fake.house(fake.block(rows)))
    assert [each.amounts["energy_import"] for each in found] == [1, 2]


def test_the_same_told_by_the_quarter_hour_and_the_hour_is_read_once_and_days_besides():
    quarters = [fake.interval(NEW_YEAR_S + 900 * each, 1, 900) for each in range(8)]
    data = fake.feed(
        *(fake.usage_point(), fake.meter_reading(1), fake.meter_reading(2), fake.meter_reading(3)),
        *(fake.reading_type(), fake.hours(NEW_YEAR_S, [4, 4])),
        fake.block(quarters, meter=2),
        fake.block([fake.interval(NEW_YEAR_S, 96, DAY_S)], meter=3),
    )
    found = intervals(data)
    assert [each.span for each in found] == ["interval"] * 8 + ["daily"]
    assert meaning.survey(io.BytesIO(data)).left_out == [
        "2 intervals that stand in the file already"
    ]


def test_days_of_23_and_25_hours_are_days():
    lengths = (82_800, 86_400, 90_000, 90_001, 82_799)
    for length, span in zip(lengths, ["daily"] * 3 + ["billing", "interval"], strict=True):
        row = fake.interval(NEW_YEAR_S, 7, length)
        assert one(fake.house(fake.block([row]), intervalLength="")).span == span


def test_of_several_usage_points_one_must_be_named():
    point = [fake.usage_point(each) + fake.meter_reading(point=each) for each in (1, 2)]
    blocks = [fake.block([fake.interval(NEW_YEAR_S, each)], point=each) for each in (1, 2)]
    data = fake.feed(*point, fake.reading_type(), *blocks)
    with pytest.raises(DeviceRefused, match=r"'usage_point': .*UsagePoint/1.*UsagePoint/2"):
        intervals(data)
    (found,) = intervals(data, "/2")
    assert found.amounts == {"energy_import": 2}
    with pytest.raises(DeviceRefused, match="no usage point that ends with '/3'"):
        intervals(data, "/3")


# What is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BOMB, "document type"),
        (REACHING_OUT, "document type"),
        (b"<a>" * 60, "nested more than 50 levels deep"),
        (b"", "not valid XML"),
        (b"\x00\xff garbage", "not valid XML"),
        (b"<feed></feed>", "is it a Green Button file"),
        (b"<a x='" + b"x" * 1_000_000, "more than 65,536 bytes"),
        (b"<a><!--" + b"x" * 1_000_000, "more than 65,536 bytes"),
        (fake.feed(f"<entry>{fake.link('related', 'x') * 30}</entry>"), "too many links"),
        (fake.feed(f"<entry>{fake.link('up', 'x' * 2000)}</entry>"), "too long"),
        (fake.feed("<entry><content><UsagePoint/></content></entry>" * 100_001), "100,000 entries"),
    ],
)
def test_what_is_hostile_or_no_such_file_is_refused(data, words):
    with pytest.raises(FrameDamaged, match=words):
        meaning.survey(io.BytesIO(data))


@given(st.integers(0, 100))
def test_a_file_cut_off_is_refused(percent):
    data = fake.house(fake.hours(NEW_YEAR_S, range(24)))
    with pytest.raises(FrameDamaged):
        meaning.survey(io.BytesIO(data[: (len(data) - 1) * percent // 100]))


texts = st.text("<>&abcXML/='\" \n:0123456789", max_size=40)
numbers = st.integers(-(10**16), 10**16) | st.floats() | texts.map(lambda text: text.strip("<&"))


@given(st.binary() | texts.map(str.encode))
def test_any_bytes_are_a_file_or_refused(data):
    with contextlib.suppress(FrameDamaged):
        list(walk(io.BytesIO(data)))


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers)), st.data())
def test_whatever_numbers_stand_there_what_is_read_can_be_stored(rows, data):
    names = ["uom", "powerOfTenMultiplier", "flowDirection", "commodity", "intervalLength"]
    values = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, numbers)))
    block = fake.block(fake.interval(a, b, c, cost=d, quality=a) for a, b, c, d in rows)
    text = fake.house(block, **values).replace(b"&", b"")
    try:
        found = intervals(text)
    except ReadFault:
        return
    for each in found:
        reading = to_reading("grid", each)
        assert decode(encode(reading)) == reading
        assert set(reading.values) <= set(QUANTITIES)


def test_a_huge_file_is_read_in_bounded_memory(tmp_path):
    def pieces():
        head, tail = fake.house("@@").split(b"@@")
        yield head
        for day in range(2000):
            yield fake.hours(NEW_YEAR_S + DAY_S * day, [500] * 24, day).encode()
        yield tail

    with (tmp_path / "huge.xml").open("w+b") as file:
        file.writelines(pieces())
        file.seek(0)
        tracemalloc.start()
        known = meaning.survey(file)
        file.seek(0)
        count = len([1 for _ in meaning.intervals(file, known)])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 48_000
    assert peak < 3_000_000


# The source


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def made(folder, tmp_path):
    def make(**options):
        context = Context("home", Lines(), tmp_path, tmp_path / "state")
        given = {"path": str(folder)} | options
        return GreenButton("grid", GreenButtonOptions(type="green_button", **given), context)

    return make


def put(folder, name, data, at_s=1_700_000_000):
    (folder / name).write_bytes(data)
    os.utime(folder / name, (at_s, at_s))


def read(source, *, is_kept=True):
    found = source.read(0, frozenset(source.quantities))
    if is_kept:
        source.journalled()
    return found


def told(readings):
    return [(each.at_ms // 1000, each.values["interval_energy_import"]) for each in readings]


def hour(number, value):
    return NEW_YEAR_S + 3600 * number, value


def test_a_file_is_told_once_and_a_restart_tells_its_newest_day_again(made, folder):
    put(folder, "a.xml", fake.house(fake.hours(NEW_YEAR_S, range(24), 1)))
    source = made()
    first = read(source)
    assert told(first) == [hour(each, each) for each in range(24)]
    assert (first[0].kind, first[0].device) == ("electricity", "grid")
    assert [read(source) for _ in range(3)] == [[], [], []]
    again = made()
    assert told(read(again)) == [hour(each, each) for each in range(16, 24)]  # of its day in UTC
    assert read(again) == []


def test_a_later_file_tells_only_what_is_new_or_corrected(made, folder):
    days = [NEW_YEAR_S - NEW_YEAR_S % DAY_S + DAY_S * each for each in range(3)]
    put(
        folder, "a.xml", fake.house(*(fake.hours(days[each], [each] * 24, each) for each in (0, 1)))
    )
    source = made()
    assert len(read(source)) == 48
    assert read(source) == []
    corrected = [1] * 23 + [9]
    values = {0: [0] * 24, 1: corrected, 2: [2] * 24}
    data = fake.house(*(fake.hours(days[each], values[each], each) for each in values))
    put(folder, "b.xml", data, 1_700_000_001)
    news = read(source)
    assert {each.at_ms // 1000 // DAY_S * DAY_S for each in news} == set(days[1:])
    assert len(news) == 48
    assert read(source) == []


def test_what_was_not_journalled_is_told_again(made, folder):
    put(folder, "a.xml", fake.house(fake.hours(NEW_YEAR_S, range(24))))
    source = made()
    first = read(source, is_kept=False)
    assert read(source, is_kept=False) == first
    assert read(source) == first
    assert read(source) == []


def test_a_long_file_is_told_in_parts_and_goes_on_after_a_restart(made, folder, monkeypatch):
    monkeypatch.setattr(source_module, "MOST_READINGS", 100)
    days = (fake.hours(NEW_YEAR_S + DAY_S * each, range(24), each) for each in range(20))
    put(folder, "a.xml", fake.house(*days))
    source = made()
    found = read(source) + read(source) + read(source)
    assert len(found) < 480
    read(source, is_kept=False)
    source = made()
    while part := read(source):
        assert len(part) < 100 + 24
        found += part
    assert sorted(each.at_ms // 1000 for each in found) == [
        NEW_YEAR_S + 3600 * each for each in range(480)
    ]


def test_a_damaged_file_is_named_once_and_the_others_are_read(made, folder, caplog):
    caplog.set_level(logging.WARNING)
    whole = fake.house(fake.hours(NEW_YEAR_S, [7]))
    put(folder, "a.xml", whole[:-40])
    put(folder, "b.XML", whole, 1_700_000_001)
    put(folder, ".c.xml", b"", 1_700_000_002)
    put(folder, "notes.txt", b"", 1_700_000_003)
    source = made()
    assert told(read(source)) == [hour(0, 7)]
    for _ in range(2):
        with pytest.raises(FrameDamaged, match=r"a\.xml: it is not valid XML"):
            read(source)
    assert len(caplog.messages) == 1
    put(folder, "a.xml", fake.house(fake.hours(NEW_YEAR_S, [8])), 1_700_000_004)
    assert told(read(source)) == [hour(0, 8)]
    assert read(source) == []


def test_a_path_that_is_not_there_is_told(made, folder):
    with pytest.raises(LineAway, match="No such file"):
        read(made(path=str(folder / "none.xml")))


def test_a_file_may_be_named_itself_whatever_its_ending(made, folder):
    put(folder, "usage", fake.house(fake.hours(NEW_YEAR_S, [7])))
    assert told(read(made(path=str(folder / "usage")))) == [hour(0, 7)]


def packed_zip(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return data.getvalue()


def test_files_packed_as_gz_and_zip_are_read(made, folder):
    put(folder, "a.xml.gz", gzip.compress(fake.house(fake.hours(NEW_YEAR_S, [7]))))
    later = fake.house(fake.hours(NEW_YEAR_S + 3600, [8]))
    put(folder, "b.zip", packed_zip(usage__xml=later, usage__csv="a,b"), 1_700_000_001)
    source = made()
    assert told(read(source)) == [hour(0, 7)]
    assert told(read(source)) == [hour(1, 8)]
    assert source.read_raw()[0]["text"] == "1 intervals of 3600 s"


def test_every_file_in_a_zip_is_read_in_order_of_the_names(made, folder, caplog):
    first, second = (fake.house(fake.hours(NEW_YEAR_S + 3600 * at, [7 + at])) for at in range(2))
    again = fake.house(fake.hours(NEW_YEAR_S, [9]))
    files = {"3_again__xml": again, "2__xml": second, "1__xml": first, "0_cover__xml": "<a/>"}
    put(folder, "a.zip", packed_zip(**files))
    source = made()
    assert told(read(source)) == [hour(0, 7), hour(1, 8), hour(0, 9)]
    assert "a.zip: left out: 0_cover.xml: it contains no interval readings" in caplog.text
    assert told(read(source)) == []
    texts = [row["text"] for row in source.read_raw()]
    assert texts == ["1 intervals of 3600 s"] * 3 + [""]


def test_of_a_zip_with_a_damaged_file_nothing_is_told(made, folder):
    whole = fake.house(fake.hours(NEW_YEAR_S, [7]))
    put(folder, "a.zip", packed_zip(a__xml=whole, b__xml=whole[:-20]))
    source = made()
    with pytest.raises(FrameDamaged, match=r"a\.zip: b\.xml: "):
        read(source)


def test_a_zip_with_a_file_for_each_usage_point_needs_a_choice(made, folder):
    one, two = (
        fake.feed(
            fake.usage_point(number),
            fake.meter_reading(1, point=number),
            fake.reading_type(),
            fake.block([fake.interval(NEW_YEAR_S, 6 + number)], point=number),
        )
        for number in (1, 2)
    )
    put(folder, "a.zip", packed_zip(a__xml=one, b__xml=two))
    with pytest.raises(DeviceRefused, match="several usage points of one kind"):
        read(made())
    assert told(read(made(usage_point="UsagePoint/2"))) == [hour(0, 8)]
    with pytest.raises(DeviceRefused, match="no usage point that ends with '3'"):
        read(made(usage_point="3"))


def test_what_all_files_in_a_zip_unpack_to_is_bounded(made, folder, monkeypatch):
    whole = fake.house(fake.hours(NEW_YEAR_S, [7]))
    monkeypatch.setattr(unpack, "LARGEST_BYTES", 2.5 * len(whole))
    files = {f"{number}__xml": whole for number in range(3)}
    put(folder, "a.zip", packed_zip(**files))
    with pytest.raises(FrameDamaged, match="larger than"):
        read(made())


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b"TYPE,DATE,USAGE\nElectric usage,2025-01-01,0.5\n", "it is a table .CSV."),
        ("a.gz", gzip.compress(b"DATE;USAGE\n1;2\n"), "it is a table .CSV."),
        ("a.gz", gzip.compress(b"<feed/>")[:-9], "it cannot be unpacked"),
        ("a.zip", packed_zip(usage__csv="a,b"), "no file that ends in .xml"),
        ("a.zip", packed_zip(a__xml="<a/>", b__xml="<b/>"), "no interval readings"),
        ("a.zip", packed_zip(a__xml="<a/>")[:-30], "the ZIP is cut short"),
        ("a.zip", packed_zip(a__xml="<a/>").replace(b"PK\x01\x02", b"PK\x01\x03"), "unpacked"),
        ("a.zip", packed_zip(**{f"{n}" * 99: "" for n in range(2000)}), "too many files"),
    ],
    ids=["CSV", "CSV as GZ", "cut GZ", "only CSV", "two", "cut ZIP", "damaged ZIP", "many"],
)
def test_what_is_not_green_button_is_refused_in_words(made, folder, name, data, sentence):
    put(folder, name, data)
    with pytest.raises(FrameDamaged, match=sentence):
        read(made(path=str(folder / name)))


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: packed_zip(a__xml=data)])
def test_what_a_file_unpacks_to_is_bounded(made, folder, monkeypatch, pack):
    monkeypatch.setattr(unpack, "LARGEST_BYTES", 1_000_000)
    put(folder, "bomb.zip", pack(b"<feed>" + b" " * 50_000_000))
    with pytest.raises(FrameDamaged, match="larger than 1 MB"):
        read(made())


def test_a_folder_without_a_file_to_read_says_so(made, folder):
    with pytest.raises(LineAway, match=r"contains no file that ends in \.xml, \.gz, \.zip$"):
        read(made())
    put(folder, "usage.csv", b"a,b")
    with pytest.raises(LineAway, match="CSV is not read: download Green Button XML"):
        read(made())


def test_a_file_of_which_nothing_can_be_read_is_not_read(made, folder, caplog):
    caplog.set_level(logging.INFO)
    put(folder, "a.xml", fake.house(fake.hours(NEW_YEAR_S, [7]), uom=38))
    with pytest.raises(DeviceRefused, match="nothing in it can be read: readings of unit 38"):
        read(made())
    assert "is read" not in caplog.text


def test_a_file_of_readings_that_cannot_be_is_not_read(made, folder, caplog):
    caplog.set_level(logging.INFO)
    data = fake.house(fake.hours(NEW_YEAR_S, [7, 8]))
    put(folder, "a.xml", data.replace(b"duration>3600<", b"duration>0<"))
    with pytest.raises(
        DeviceRefused, match="none of its readings has a value, a length and a time"
    ):
        read(made())
    assert "is read" not in caplog.text


def test_each_table_shows_readings_of_one_instant(folder, tmp_path):
    rows = [
        fake.interval(NEW_YEAR_S - 3600, 6),
        fake.interval(NEW_YEAR_S, 7, cost=5_512_000),
        fake.interval(NEW_YEAR_S + 3600, 8),
    ]
    put(folder, "a.xml", fake.house(fake.block(rows)))
    sources = f"  grid:\n    type: green_button\n    path: {folder}\n"
    file = configure(tmp_path / "home", sources)
    done = energy_monitor("read", "grid", "--config", file)
    assert done.returncode == 0, done.stderr
    before, last, older = done.stdout.split("\n\n")
    assert re.search(r"55\.12 .*2011-01-01T08:00:00", before)
    assert "2011-01-01T09:00:00" in last
    assert "55.12" not in last
    assert older == "1 older readings are not shown; --json prints all\n"


def test_gas_and_water_are_devices_of_their_own(made, folder):
    put(folder, "a.xml", fake.house(fake.hours(NEW_YEAR_S, [7]), commodity=7, uom=169))
    (reading,) = read(made())
    assert (reading.kind, reading.device) == ("gas", "grid-gas")


def test_groups_have_no_meaning_and_every_quantity_is_in_the_catalogue(made):
    group = ReadGroup(quantities=("interval_energy",), every=Seconds(60))
    with pytest.raises(BadOption) as error:
        made(read=(group,))
    assert error.value.option == "read"
    source = made()
    feed("grid", source, source.options, SourceHealth("green_button"))
    assert set(QUANTITIES) <= set(catalogue())


def test_read_shows_the_newest_and_raw_what_the_file_holds(folder, tmp_path, capsys):
    put(folder, "a.xml", fake.house(fake.hours(NEW_YEAR_S, [450.5, 451.5])))
    sources = f"  grid:\n    type: green_button\n    path: {folder}\n"
    file = configure(tmp_path / "home", sources)
    done = energy_monitor("read", "grid", "--config", file)
    assert "interval_energy_import" in done.stdout, done.stderr
    assert "451.5" in done.stdout
    read_command.read_source(load(file), "grid", watch=False, raw=True, as_json=False)
    assert "2 intervals of 3600 s" in capsys.readouterr().out
