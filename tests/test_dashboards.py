"""The dashboard Home: what it draws of the simulated house is the truth about that house.

Its queries are asked of Debian's InfluxDB 1, of InfluxDB 2, and of the latter through Grafana.
The tiles for today, this week and this month are sums of the bars, made by transformations that
are followed here, and that a browser runs where there is one.
"""

import dataclasses
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import cache, partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from collector.outputs.influxdb.setup import Wanted, set_up
from collector.quantity import catalogue
from collector.sources.simulated.appliances import PARTS
from collector.sources.simulated.house import House
from tests.servers import grafana as grafana_server
from tests.servers import influxd

PROVISIONING = Path(__file__).parents[1] / "grafana-provisioning"
HOME = json.loads((PROVISIONING / "dashboards/home.json").read_text())
PANELS = {panel["title"]: panel for panel in HOME["panels"]}
TILES = ("Today", "This week", "This month")
TARGETS = [target for panel in HOME["panels"] for target in panel["targets"] if "query" in target]

HOUSE = House()
MINUTE, QUARTER, HOUR, DAY = 60, 900, 3600, 86_400


def instant(*when: int) -> float:
    return datetime(*when, tzinfo=HOUSE.zone).timestamp()  # type: ignore[arg-type, misc]


# A Sunday of 23 hours, which ends a week; the last minutes of a month of 31 days and one hour.
SPRING, AUTUMN = instant(2026, 3, 29, 17, 30), instant(2026, 10, 31, 23, 30)


# The houses: what each meter says at an instant, by the name of its device.


def single_phase(t: float) -> dict[str, float]:
    """Say what a meter with one counter says, such as the OR-WE-515."""
    names = "voltage", "current", "frequency", "active_power", "power_factor", "active_energy"
    return {name: value for name, value in HOUSE.at(t).items() if name in names}


def three_phase(t: float) -> dict[str, float]:
    """Say what a meter says that adds import and export up to a total, such as the SDM630."""
    now = HOUSE.at(t)
    drawn, fed = now["active_energy_import"], now["active_energy_export"]
    shown = {name: now[name] for name in ("frequency", "active_power", "power_factor")}
    shown |= {"active_energy_import": drawn, "active_energy_export": fed}
    shown["active_energy"] = drawn + fed
    for phase, share in enumerate((0.5, 0.3, 0.2), 1):
        shown[f"voltage_l{phase}"] = now["voltage"] + phase
        shown[f"current_l{phase}"] = now["current"] * share
    return shown


def sub_meter(part: str, t: float) -> dict[str, float]:
    return {"active_power": HOUSE.powers(t)[part], "active_energy": HOUSE.counters(t)[part]}


def two_way_sub_meter(part: str, t: float) -> dict[str, float]:
    """Say what a meter says that has import and export but no total, such as the EM112."""
    one_way = sub_meter(part, t)
    drawn = {"active_energy_import": one_way.pop("active_energy")}
    return one_way | drawn | {"active_energy_export": 0.0}


Meters = dict[str, Callable[[float], dict[str, float]]]
ONE: Meters = {"mains": single_phase}
THREE: Meters = {
    "fridge": partial(sub_meter, "fridge"),
    "heat_pump": partial(two_way_sub_meter, "heat_pump"),
    "mains": three_phase,
}
TEN: Meters = {part: partial(sub_meter, part) for part in PARTS} | THREE | {"second": single_phase}


def drawn(device: str, start: float, end: float) -> float:
    """Return the Wh that truly went through a meter."""
    whole = device in {"mains", "second"}
    return HOUSE.energy(start, end)["import" if whole else device]


def fed_in(start: float, end: float) -> float:
    return HOUSE.energy(start, end)["export"]


def lines(meters: Meters, now: float, ahead_s: int = 0) -> Iterator[str]:
    """Yield the readings of 34 days: of every quarter of an hour, at last of every minute."""
    begin, fine = (int(now - before) // QUARTER * QUARTER for before in (34 * DAY, 25 * HOUR))
    end = int(now) + ahead_s + 1
    for t in chain(range(begin, fine, QUARTER), range(fine, end, MINUTE)):
        for device, meter in meters.items():
            fields = ",".join(f"{name}={value}" for name, value in meter(t).items())
            if fields:
                yield f"electricity,site=home,device={device} {fields} {t}"


RESET, GAP = instant(2026, 3, 20, 10, 7), (instant(2026, 3, 10, 6), instant(2026, 3, 12, 18))


def odd(meter: str, t: float) -> dict[str, float]:
    """Say what a meter says that was put in at RESET with a counter at 0, or lacked a GAP."""
    shown = three_phase(t)
    if meter == "new" and t >= RESET:
        before = three_phase(RESET)
        shown |= {name: shown[name] - before[name] for name in shown if "energy" in name}
    return {} if meter == "silent" and GAP[0] < t < GAP[1] else shown


ODD: Meters = {"new": partial(odd, "new"), "silent": partial(odd, "silent")}


@cache
def batches() -> dict[str, list[str]]:
    """Return what stands in each database."""
    present = time.time() // MINUTE * MINUTE
    return {
        "energy": [*lines(THREE, SPRING), *lines(THREE, present, ahead_s=HOUR)],
        "autumn": list(lines(THREE, AUTUMN)),
        "one": list(lines(ONE, SPRING)),
        "ten": list(lines(TEN, SPRING)),
        "odd": list(lines(ODD, SPRING)),
    }


# The servers, and how they are asked.


def fill(influx: influxd.Influxd, path: str, database: str, **where: str) -> None:
    readings = batches()[database]
    for first in range(0, len(readings), 5000):
        body = "\n".join(readings[first : first + 5000])
        answer = influx.ask("POST", path, {"precision": "s", **where}, body=body)
        assert answer.status == 204, answer.data


@pytest.fixture(scope="module")
def influx1(tmp_path_factory):
    with influxd.running_1(tmp_path_factory.mktemp("influx1")) as influx:
        for database in batches():
            influx.ask("POST", "/query", {"q": f"CREATE DATABASE {database}"})
            fill(influx, "/write", database, db=database)
        yield influx


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def influx2(tmp_path_factory, secrets):
    """Run InfluxDB 2 as the product sets it up, with a bucket more for each other house."""
    with influxd.running(tmp_path_factory.mktemp("influx2"), set_up=False) as fresh:
        set_up(Wanted(url=fresh.url, org="house", bucket="energy", retention_s=0, folder=secrets))
        admin = (secrets / "influxdb-admin-token").read_text()
        influx = dataclasses.replace(fresh, token=admin)
        (org,) = influx.get("/api/v2/orgs")["orgs"]
        for bucket in batches():
            if bucket != "energy":
                influx.post("/api/v2/buckets", orgID=org["id"], name=bucket, retentionRules=[])
            fill(influx, "/api/v2/write", bucket, bucket=bucket, org="house")
        yield influx


@pytest.fixture(scope="module")
def grafana(influx2, secrets, tmp_path_factory):
    settings = {
        "GF_DATE_FORMATS_DEFAULT_TIMEZONE": HOUSE.zone.key,  # as install.sh has it set
        "GF_AUTH_ANONYMOUS_ENABLED": "true",  # spares the browser the login
    }
    folder = tmp_path_factory.mktemp("grafana")
    with grafana_server.running(folder, influx2.url, secrets, **settings) as running:
        yield running


@dataclasses.dataclass(frozen=True)
class Look:
    """Someone looks *now* at the time from *start* to *end*, drawn in steps of a minute."""

    now: float = SPRING
    start: float = SPRING - HOUR
    end: float = SPRING
    meter: str = ".*"


def interpolated(query: str, look: Look) -> str:
    """Put values in place of variables, as the page does before it asks Grafana."""
    query = query.replace("now()", f"{look.now:.0f}s")
    return query.replace("$device", look.meter).replace("${__timezone}", HOUSE.zone.key)


Rows = dict[str, list[tuple[int, float]]]  # per device: times in ms, values


def ask_influx(influx: influxd.Influxd, database: str, target: dict[str, Any], look: Look) -> Rows:
    query = interpolated(target["query"], look)
    query = query.replace("$timeFilter", f"time >= {look.start:.0f}s AND time <= {look.end:.0f}s")
    query = query.replace("$__interval", f"{MINUTE}s")
    assert not re.search(r"\$\w|\$\{", query)
    (result,) = influx.get("/query", {"db": database, "epoch": "ms", "q": query})["results"]
    assert "error" not in result, result
    return {
        series["tags"]["device"]: [
            (at, value) for at, value in series["values"] if value is not None
        ]
        for series in result.get("series", [])
    }


def ask_grafana(
    grafana: grafana_server.Grafana, database: str, target: dict[str, Any], look: Look
) -> Rows:
    assert database == "energy"
    query = {**target, "query": interpolated(target["query"], look), "intervalMs": MINUTE * 1000}
    query["maxDataPoints"] = 1000
    span = {"from": f"{look.start * 1000:.0f}", "to": f"{look.end * 1000:.0f}"}
    answer = grafana.post("/api/ds/query", {**span, "queries": [query]})["results"]
    rows: Rows = {}
    for frame in answer[target["refId"]]["frames"]:
        columns = frame["data"]["values"]
        labels = frame["schema"]["fields"][-1].get("labels", {})
        devices = columns[1] if len(columns) == 3 else [labels.get("device")] * len(columns[0])
        for at, device, value in zip(columns[0], devices, columns[-1], strict=True):
            if value is not None:
                rows.setdefault(device, []).append((at, value))
    return rows


@pytest.fixture(params=["influx1", "influx2"])
def influx(request):
    """Return what asks an InfluxDB: the rows that a target finds in a database."""
    return partial(ask_influx, request.getfixturevalue(request.param))


@pytest.fixture(params=["influx1", "influx2", "grafana"])
def ask(request):
    """Return what asks an InfluxDB, or Grafana, which knows the database 'energy' only."""
    asks = ask_grafana if request.param == "grafana" else ask_influx
    return partial(asks, request.getfixturevalue(request.param))


# What must be found.


def close(wh: float) -> Any:
    return pytest.approx(wh, rel=1e-6, abs=1e-3)  # counters of MWh leave this much of a double


def local_days(now: float, count: int) -> list[tuple[float, float]]:
    """Return the bounds of the last days, the last of which ends *now*."""
    today = datetime.fromtimestamp(now, HOUSE.zone).date()
    dates = [today - timedelta(days=back) for back in reversed(range(-1, count))]
    midnights = [HOUSE.day(each).midnight for each in dates]
    return [(begin, min(end, now)) for begin, end in pairwise(midnights)]


@pytest.mark.parametrize("title", ["Power", "Voltage", "Current", "Frequency", "Power factor"])
def test_curves_are_what_the_meters_said(ask, title):
    look = Look()
    seen = 0
    for target in PANELS[title]["targets"]:
        (field,) = re.findall(r"mean\((\w+)\)", target["query"])
        rows = ask("energy", target, look)
        assert rows.keys() == {device for device, meter in THREE.items() if field in meter(SPRING)}
        for device, points in rows.items():
            assert len(points) == 61
            assert points == [(at, close(THREE[device](at / 1000)[field])) for at, _ in points]
            seen += 1
    assert seen


def test_power_now_is_the_newest_of_each_meter(ask):
    (target,) = PANELS["Power now"]["targets"]
    assert ask("energy", target, Look()) == {
        device: [(SPRING * 1000, close(meter(SPRING)["active_power"]))]
        for device, meter in THREE.items()
    }


def test_a_silent_meter_has_no_power_now(influx):
    (target,) = PANELS["Power now"]["targets"]
    assert influx("energy", target, Look(now=SPRING + 6 * MINUTE)) == {}


@pytest.mark.parametrize("hours", [1, 24])
def test_energy_of_the_chosen_time_is_the_house_s_to_one_step(ask, hours):
    look = Look(start=SPRING - hours * HOUR)
    from_s = look.start - MINUTE  # a step that ends where the time begins counts too
    consumed, fed = (
        {
            device: sum(value for _, value in rows)
            for device, rows in ask("energy", each, look).items()
        }
        for each in PANELS["Energy in this time"]["targets"]
    )
    assert consumed == {device: close(drawn(device, from_s, look.end)) for device in THREE}
    assert fed == {"mains": close(fed_in(from_s, look.end))}


def test_energy_of_a_time_that_begins_and_ends_within_steps_is_exact_to_one_step(ask):
    look = Look(start=SPRING - 5 * HOUR - 17, end=SPRING - 43)
    consumed, _ = PANELS["Energy in this time"]["targets"]
    for device, rows in ask("energy", consumed, look).items():
        shown = sum(value for _, value in rows)
        assert drawn(device, look.start, look.end - MINUTE) <= shown + 1e-3
        assert shown <= drawn(device, look.start - MINUTE, look.end) + 1e-3


@pytest.mark.parametrize(("database", "now"), [("energy", SPRING), ("autumn", AUTUMN)])
def test_each_bar_is_the_energy_of_one_local_day(influx, database, now):
    assert_bars(influx, database, now)


def test_each_bar_is_the_energy_of_one_local_day_through_grafana(grafana):
    assert_bars(partial(ask_grafana, grafana), "energy", SPRING)


def assert_bars(ask, database, now):
    consumed, fed = PANELS["Energy per day"]["targets"]
    bars = ask(database, consumed, Look(now=now))
    assert bars.keys() == THREE.keys()
    days = local_days(now, len(bars["mains"]))
    assert len(days) >= 31
    for device, rows in bars.items():
        assert rows == [(begin * 1000, close(drawn(device, begin, end))) for begin, end in days]
    assert ask(database, fed, Look(now=now)) == {
        "mains": [(begin * 1000, close(fed_in(begin, end))) for begin, end in days]
    }


# What Moment.js writes for a format, and what strftime does.
FORMATS = {"YYYY-MM-DD": "%Y-%m-%d", "GGGG-[W]WW": "%G-W%V", "YYYY-MM": "%Y-%m"}


def tile(title: str, bars: Rows) -> dict[str, float]:
    """Do what a tile's transformations do: sum the days that are written alike, take the last."""
    format_time, sums, last = PANELS[title]["transformations"]
    assert (format_time["id"], sums["id"], last["id"]) == ("formatTime", "groupBy", "groupBy")
    written = FORMATS[format_time["options"]["outputFormat"]]
    shown = {}
    for device, rows in bars.items():
        periods: dict[str, float] = {}
        for at, value in rows:
            period = datetime.fromtimestamp(at / 1000, HOUSE.zone).strftime(written)
            periods[period] = periods.get(period, 0.0) + value
        shown[device] = list(periods.values())[-1]
    return shown


def beginning(title: str, now: float, zone: ZoneInfo = HOUSE.zone) -> float:
    """Return when the day, week or month of *now* began."""
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = {
        "Today": midnight,
        "This week": midnight - timedelta(days=midnight.weekday()),
        "This month": midnight.replace(day=1),
    }
    return first[title].timestamp()


@pytest.mark.parametrize(("database", "now"), [("energy", SPRING), ("autumn", AUTUMN)])
@pytest.mark.parametrize("title", TILES)
def test_tiles_are_the_energy_of_the_day_the_week_and_the_month(influx, title, database, now):
    (source,) = PANELS[title]["targets"]
    bars = next(panel for panel in HOME["panels"] if panel["id"] == source["panelId"])
    consumed, fed = (influx(database, target, Look(now=now)) for target in bars["targets"])
    begin = beginning(title, now)
    assert tile(title, consumed) == {device: close(drawn(device, begin, now)) for device in THREE}
    assert tile(title, fed) == {"mains": close(fed_in(begin, now))}


@pytest.mark.parametrize(("database", "meters"), [("one", ONE), ("ten", TEN)])
def test_a_house_with_one_or_ten_meters_needs_no_editing(influx, database, meters):
    consumed, fed = PANELS["Energy per day"]["targets"]
    midnight = HOUSE.day(date(2026, 3, 29)).midnight
    today = {device: rows[-1][1] for device, rows in influx(database, consumed, Look()).items()}
    assert today == {device: close(drawn(device, midnight, SPRING)) for device in meters}
    assert influx(database, fed, Look()).keys() == ({"mains"} if meters is TEN else set())


def test_nothing_empty_is_drawn_where_a_quantity_is_absent(influx):
    for target in TARGETS:
        assert all(rows for rows in influx("one", target, Look()).values()), target


def test_only_the_chosen_meters_are_drawn(ask):
    for target in TARGETS:
        assert ask("energy", target, Look(meter="(fridge|no\\.such)")).keys() <= {"fridge"}


def test_the_meters_are_those_that_are_there(influx1, influx2):
    (variable,) = HOME["templating"]["list"]
    for server in influx1, influx2:
        found = server.query(variable["query"]["query"], "ten")
        assert {device for _, device in found} == TEN.keys()


def test_a_new_meter_at_zero_costs_a_quarter_of_an_hour_at_most(influx):
    consumed, fed = PANELS["Energy per day"]["targets"]
    for target, truth in (consumed, partial(drawn, "mains")), (fed, fed_in):
        rows = influx("odd", target, Look())["new"]
        for (_, shown), (begin, end) in zip(rows, local_days(SPRING, len(rows)), strict=True):
            lost = truth(RESET - QUARTER, RESET + QUARTER) if begin < RESET < end else 0
            assert truth(begin, end) - lost - 1e-3 <= shown <= truth(begin, end) + 1e-3


def test_what_was_used_while_nothing_was_read_is_counted_when_reading_goes_on(influx):
    consumed, _ = PANELS["Energy per day"]["targets"]
    rows = influx("odd", consumed, Look())["silent"]
    days = local_days(SPRING, len(rows))
    total = drawn("mains", days[0][0], SPRING)
    assert sum(value for _, value in rows) == close(total)
    gap_day = next(at for at, (begin, end) in enumerate(days) if begin < GAP[0] < end)
    assert rows[gap_day + 1][1] == 0
    assert rows[gap_day + 2][1] == close(drawn("mains", GAP[0], days[gap_day + 2][1]))


# The file itself.


def test_energy_is_never_a_sum_of_power():
    for panel in HOME["panels"]:
        if panel["fieldConfig"]["defaults"]["unit"] == "watth":
            for target in panel["targets"]:
                query = target.get("query", "non_negative_difference")
                assert "non_negative_difference" in query
                assert "power" not in query


def test_every_field_that_is_asked_for_is_in_the_catalogue():
    for target in TARGETS:
        fields = re.findall(r"(?:mean|last)\((\w+)", target["query"])
        assert fields
        assert {"electricity"} == set(re.findall(r"FROM (\w+)", target["query"]))
        for field in fields:
            assert catalogue()[field].kind == ("counter" if "energy" in field else "gauge")


def test_the_dashboard_is_complete_and_in_order():
    (source,) = yaml.safe_load((PROVISIONING / "datasources/influxdb.yaml").read_text())[
        "datasources"
    ]
    assert (HOME["uid"], HOME["id"], HOME["schemaVersion"]) == ("energy-home", None, 42)
    assert {target["datasource"]["uid"] for target in TARGETS} == {source["uid"]}
    assert len({panel["id"] for panel in HOME["panels"]}) == len(HOME["panels"])
    cells: set[tuple[int, int]] = set()
    for panel in HOME["panels"]:
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"].keys() >= {"unit", "noValue"}
        at = panel["gridPos"]
        area = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not area & cells
        cells |= area
    assert {x for x, _ in cells} == set(range(24))


def test_each_curve_bears_the_name_of_what_it_draws():
    for target in TARGETS:
        phase = re.search(r"_l(\d)\)", target["query"])
        ending = f" L{phase[1]}" if phase else ", fed in" if "export" in target["query"] else ""
        alias = target.get("alias")
        assert alias == f"$tag_device{ending}" or target["resultFormat"] == "table"


# The page.


def test_grafana_is_provisioned_without_a_click(grafana):
    assert grafana.get("/api/datasources/uid/influxdb/health")["status"] == "OK"
    assert grafana.get("/api/dashboards/uid/energy-home")["meta"]["provisioned"]
    assert grafana.get("/api/dashboards/home")["dashboard"]["title"] == "Home"


@pytest.mark.parametrize(
    ("chosen", "zone"), [("", "Europe/Rome"), ("&timezone=Asia/Tokyo", "Asia/Tokyo")]
)
def test_the_page_shows_the_house_s_days_from_anywhere_or_those_of_a_chosen_zone(
    grafana, chosen, zone
):
    before = time.time()
    path = f"/d/energy-home/home?kiosk{chosen}"
    shown, picture = grafana.draw(path, height=1700, zone="America/New_York")
    after = time.time()
    names = {*THREE, "mains, fed in"}
    for title, following in pairwise((*TILES, "Power")):
        tiles = numbers(between(shown, title, following))
        assert tiles.keys() == names
        earliest, latest = (beginning(title, each, ZoneInfo(zone)) for each in (before, after))
        for name, wh in tiles.items():
            truth = partial(drawn, name) if name in THREE else fed_in
            rounding = 0.06 if wh < 1000 else 60
            assert truth(latest, before - MINUTE) - rounding <= wh
            assert wh <= truth(earliest, after) + rounding
    assert set(between(shown, "Energy per day", "Voltage")) == names
    assert not {panel["fieldConfig"]["defaults"]["noValue"] for panel in HOME["panels"]} & {*shown}
    assert picture.stat().st_size > 100_000


def between(shown: list[str], title: str, following: str) -> list[str]:
    begin = shown.index(title) + 1
    return shown[begin : shown.index(following, begin)]


def numbers(words: list[str]) -> dict[str, float]:
    """Return the Wh per name, of names, numbers and units that follow one another."""
    units = {"Wh": 1, "kWh": 1e3, "MWh": 1e6}
    triples = zip(*[iter(words)] * 3, strict=True)
    return {name: float(number) * units[unit] for name, number, unit in triples}
