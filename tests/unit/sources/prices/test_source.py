"""Prices: each at its own instant once it begins, corrected later, with a history."""

from datetime import UTC, datetime

import pytest

from collector.contract import BadOption, Context
from collector.errors import DeviceRefused, FrameDamaged
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.lines.serial import Lines
from collector.reading import encode
from collector.sources.prices import source as prices
from collector.sources.prices.source import Prices, PricesOptions
from tests.fakes.http_answers import Reply, serving
from tests.fakes.market import AWATTAR, ENERGY_CHARTS, Market, price

NOW_S = round(datetime(2026, 11, 20, 10, 17, tzinfo=UTC).timestamp())
QUARTER_S, HOUR_S, DAY_S = 900, 3600, 86400
THIS_S = NOW_S // QUARTER_S * QUARTER_S
FIRST_S = NOW_S // HOUR_S * HOUR_S - 3 * DAY_S


@pytest.fixture
def market():
    return Market()


@pytest.fixture
def server(market):
    with serving(market) as running:
        yield running


@pytest.fixture
def made(server, tmp_path):
    def make(**options):
        given = {"preset": "awattar-de", "url": f"{server.url}{AWATTAR}"} | options
        context = Context("home", Lines(), tmp_path, tmp_path / "state")
        return Prices("spot", PricesOptions(type="prices", **given), context)

    return make


def read(source, at_s=NOW_S):
    found = source.read(at_s * 1000, frozenset(source.quantities))
    source.journalled()
    return found


def times(readings):
    return [each.at_ms // 1000 for each in readings]


@pytest.mark.parametrize(
    ("preset", "path"), [("awattar-at", AWATTAR), ("energy-charts", ENERGY_CHARTS)]
)
def test_each_price_that_has_begun_is_told_at_its_own_instant(made, server, preset, path):
    found = read(made(preset=preset, url=f"{server.url}{path}"))
    assert times(found) == list(range(FIRST_S, THIS_S + 1, QUARTER_S))
    newest = found[-1]
    assert (newest.kind, newest.device) == ("price", "spot")
    assert newest.values == {
        "price": pytest.approx(price(THIS_S) / 1000, abs=1e-12),
        "price_length": 900,
        "currency": 978,
    }


def test_the_service_is_asked_once_an_hour_and_prices_are_told_when_they_begin(made, server):
    source = made()
    read(source)
    assert read(source, NOW_S + 60) == []
    assert times(read(source, THIS_S + QUARTER_S)) == [THIS_S + QUARTER_S]
    assert times(read(source, THIS_S + 2 * QUARTER_S)) == [THIS_S + 2 * QUARTER_S]
    assert len(server.asked) == 1
    assert times(read(source, THIS_S + 3 * QUARTER_S)) == [THIS_S + 3 * QUARTER_S]
    assert len(server.asked) == 2


def test_a_price_that_is_corrected_is_told_again(made, market):
    source = made()
    read(source)
    market.changed[FIRST_S + DAY_S] = -500.0
    found = read(source, NOW_S + HOUR_S)
    assert times(found)[0] == FIRST_S + DAY_S
    assert found[0].values["price"] == -0.5


def test_the_history_is_fetched_in_windows_and_what_was_missed_offline(made, server):
    source = made(since="2026-10-01")
    told = set(times(read(source)))
    while more := times(read(source)):
        told |= set(more)
    begin = round(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
    assert told == set(range(begin, THIS_S + 1, QUARTER_S))
    server.asked.clear()
    later = times(read(made(since="2026-10-01"), NOW_S + 10 * DAY_S))
    assert later[0] <= THIS_S + QUARTER_S
    assert len(later) >= 10 * 96 - 4


def test_where_the_service_is_away_the_prices_that_are_known_go_on(made, market):
    source = made()
    read(source)
    market.reply = Reply(503, b"down", {"Retry-After": "7200"})
    assert times(read(source, THIS_S + 4 * QUARTER_S)) == [
        THIS_S + at * QUARTER_S for at in range(1, 5)
    ]
    with pytest.raises(DeviceRefused, match="answers 503 'down'"):
        read(made())


def test_one_that_wants_to_be_left_alone_is_left_alone(made, market, server):
    source = made()
    market.reply = Reply(429, b"slow down")
    with pytest.raises(DeviceRefused, match="answers 429"):
        read(source)
    with pytest.raises(DeviceRefused, match="wants to be left alone until 2026-11-20 11:17 UTC"):
        read(source, NOW_S + 60)
    assert len(server.asked) == 1


def test_a_missing_price_is_not_covered_by_its_neighbour(made, market, server, tmp_path):
    market.missing.add(THIS_S - QUARTER_S)
    source = made(preset="energy-charts", url=f"{server.url}{ENERGY_CHARTS}")
    book, ledger = Book(), create(tmp_path / "ledger.sqlite")
    for each in read(source):
        book.take(encode(each))
    with ledger.transaction():
        book.write(ledger)
    series = ledger.known["spot", "price", "price"]
    known = {at * QUARTER_S for at, _ in ledger.quarters(series, 0, 1 << 40)}
    ledger.close()
    assert known == set(range(FIRST_S, THIS_S + 1, QUARTER_S)) - {THIS_S - QUARTER_S}


def test_an_answer_in_another_unit_is_no_price(made, market):
    market.reply = Reply(
        200,
        b'{"data": [{"start_timestamp": 1, "end_timestamp": 2, "marketprice": 1, "unit": "ct"}]}',
    )
    with pytest.raises(FrameDamaged, match="prices in 'ct', not in 'Eur/MWh'"):
        read(made())


@pytest.mark.parametrize(
    ("options", "option", "sentence"),
    [
        ({"preset": "awatar-de"}, "preset", "did you mean 'awattar-de'?"),
        ({"preset": "", "url": ""}, "url", "'url' is missing, or a preset: awattar-de"),
        ({"preset": "", "times": "t", "prices": "p"}, "currency", "'currency' is missing"),
        ({"currency": "EURO"}, "currency", "is no currency such as EUR; did you mean 'EUR'?"),
        ({"url": "ftp://x/{begin}"}, "url", "expected an address such as http://HOST"),
        ({"length": 300}, "length", "a price holds for 15m, 30m or 1h"),
        ({"since": "2026-02-30"}, "since", "is not a day since 1970-01-02"),
    ],
)
def test_a_bad_option_is_refused_with_a_sentence(made, options, option, sentence):
    with pytest.raises(BadOption) as refused:
        made(**options)
    assert refused.value.option == option
    assert sentence in str(refused.value)


def test_a_preset_has_only_options_of_the_source():
    names = set(PricesOptions.__dataclass_fields__)
    assert {each for preset in prices.presets().values() for each in preset} <= names
