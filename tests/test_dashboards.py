"""The dashboards: what they draw of a simulated house is the truth about that house.

Their queries are asked of Debian's InfluxDB 1, of InfluxDB 2, and of the latter through Grafana,
whose page a browser draws where there is one.
"""

import dataclasses
import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from collector.cli import setup_rollups
from collector.cli.main import main
from collector.contract.rolled import PERIODS, quantity_of
from collector.dashboards.boards import BOARDS
from collector.dashboards.panels import KWH
from collector.dashboards.write import text_of
from collector.outputs.influxdb.setup import Wanted, set_up
from tests.servers import grafana as grafana_server
from tests.servers import grafana_house as houses
from tests.servers import influxd
from tests.servers.grafana_house import DAY, HOUR, HOUSE, MINUTE, QUARTER

PROVISIONING = Path(__file__).parents[1] / "grafana-provisioning"
SOURCES = yaml.safe_load((PROVISIONING / "datasources/influxdb.yaml").read_text())["datasources"]
ENDS = {"influxdb": ""} | {f"influxdb-{each}": f"-{each}" for each in PERIODS}
MOST_POINTS = 5_000
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}
TARGETS = [target for panel in PANELS.values() for target in panel["targets"]]
every_panel = pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)


def instant(*when: int) -> float:
    return datetime(*when, tzinfo=HOUSE.zone).timestamp()  # type: ignore[arg-type, misc]


SPRING = instant(2026, 3, 29, 17, 30)  # a Sunday of 23 hours, which ends a week


def panel_of(name: str, title: str) -> dict[str, Any]:
    return next(each for each in BOARDS[name]["panels"] if each["title"] == title)


home = partial(panel_of, "home")


# The files.


def test_the_files_are_what_the_generator_makes():
    for name, board in BOARDS.items():
        file = PROVISIONING / f"dashboards/{name}.json"
        assert file.read_text() == text_of(board), "run: python -m collector.dashboards"
    assert {each.stem for each in (PROVISIONING / "dashboards").glob("*.json")} == BOARDS.keys()


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_complete_and_in_order(name):
    board = BOARDS[name]
    panels = board["panels"]
    assert (board["id"], board["schemaVersion"]) == (None, 42)
    assert len({each["uid"] for each in BOARDS.values()}) == len(BOARDS)
    assert len({each["id"] for each in panels}) == len(panels)
    assert len({each["title"] for each in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        area = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not area & cells, panel["title"]
        cells |= area
    rows = max(y for _, y in cells) + 1
    assert len(cells) == rows * 24, "every row is full"


@every_panel
def test_a_panel_says_what_it_shows_and_in_what_unit(panel):
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"].keys() >= {"unit", "noValue"}
    assert {each["datasource"]["uid"] for each in panel["targets"]} <= {
        each["uid"] for each in SOURCES
    }


def kinds_of(query: str) -> set[str]:
    found = re.findall(r"FROM ([\w, ]+?)(?= WHERE|\)|$)", query)
    return {kind.strip() for each in found for kind in each.split(",") if kind.strip()}


@every_panel
def test_energy_comes_from_counters_that_never_fall_and_never_from_power_or_a_meter(panel):
    for target in panel["targets"]:
        query = target["query"]
        if panel["fieldConfig"]["defaults"]["unit"] in {KWH, "watth"}:
            kinds = {re.sub(r"_1[mhd]$", "", each) for each in kinds_of(query)}
            is_weather = "outside_temperature" in query
            is_daily = "daily_" in query
            assert kinds <= {"energy", "flows_energy"} or is_weather or is_daily, query
            assert "power" not in query


@every_panel
def test_every_quantity_that_is_asked_for_is_in_the_catalogue(panel):
    for target in panel["targets"]:
        fields = re.findall(r"(?:mean|last|first|sum|max|min|count)\((\w+)\)", target["query"])
        fields += re.findall(r"SELECT (\w+)(?: / 1000)? FROM", target["query"])
        found = [each for each in fields if each not in {"i", "t", "n", "v", "f"}]
        assert found
        for field in found:
            assert quantity_of(field), field
            assert field.endswith(("_mean", "_last", "_used", "_lowest", "_highest")) == (
                target["datasource"]["uid"] != "influxdb"
            ), target["query"]


def test_nothing_is_drawn_from_raw_readings_over_hours():
    for target in TARGETS:
        if target["datasource"]["uid"] == "influxdb" and "$__interval" in target["query"]:
            assert re.search(r"FROM (cost|collector|keypad)\b", target["query"]), target["query"]


def test_labels_stand_in_place_of_names_and_what_follows_them_stays(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "sources:\n  mains: {type: simulated, label: Hauptzähler}\n"
        "  pump.1: {type: simulated, part: heat_pump, label: Wärmepumpe}\n"
    )
    folder = tmp_path / "provisioning"
    words = ["setup", "grafana", str(folder), "--provisioning", str(PROVISIONING)]
    shown = CliRunner().invoke(main, [*words, "--config", str(file)])
    assert shown.exit_code == 0, shown.output
    board = json.loads((folder / "dashboards/home.json").read_text())
    renames = [
        (re.compile(each["options"]["regex"]), each["options"]["renamePattern"].replace("$", "\\"))
        for each in board["panels"][-1]["transformations"]
    ]
    for name, label in {
        "mains": "Hauptzähler",
        "mains L1": "Hauptzähler L1",
        "mains2": "mains2",
        "pump.1": "Wärmepumpe",
        "pumps1": "pumps1",
    }.items():
        for regex, pattern in renames:
            name = regex.sub(pattern, name)  # noqa: PLW2901  one after the other, as Grafana does
        assert name == label
    assert (folder / "datasources/influxdb.yaml").exists()


# The servers, and how they are asked.


@dataclasses.dataclass(frozen=True)
class Look:
    """Someone looks *now*, at the last *hours* where a panel has no time of its own."""

    now: float = SPRING
    hours: float = 6
    meter: str = ".*"

    def span(self, panel: dict[str, Any]) -> tuple[float, float]:
        over = panel.get("timeFrom", f"{self.hours:g}h")
        shift = timedelta(days=1) if panel.get("timeShift") == "1d" else timedelta()
        end = datetime.fromtimestamp(self.now, HOUSE.zone) - shift
        return beginning(over, end), end.timestamp()


def beginning(over: str, end: datetime) -> float:
    """Return where a time of Grafana such as 'now/d' or '31d' begins."""
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    if back := re.fullmatch(r"now-(\d+)d/d", over):
        return (midnight - timedelta(days=int(back[1]))).timestamp()
    if over.startswith("now/"):
        days = {"d": 0, "w": midnight.weekday(), "M": midnight.day - 1}[over[-1]]
        return (midnight - timedelta(days=days)).timestamp()
    count, unit = float(over[:-1]), over[-1]
    return end.timestamp() - count * {"m": MINUTE, "h": HOUR, "d": DAY}[unit]


def with_values(query: str, look: Look) -> str:
    """Put values in place of variables, as the page does before it asks Grafana."""
    values = {"$device": look.meter, "$contract": "3300", "$volts": "230", "$hertz": "50"}
    for name, value in values.items():
        query = query.replace(name, value)
    return query.replace("${__timezone}", HOUSE.zone.key)


Rows = dict[str, list[tuple[int, float]]]  # per curve: times in ms, values


@dataclasses.dataclass(frozen=True)
class Influx:
    """A server asked directly; a curve goes by its alias, as in Grafana."""

    server: influxd.Influxd

    def __call__(self, house: str, panel: dict[str, Any], look: Look) -> Rows:
        rows: Rows = {}
        start, end = look.span(panel)
        for target in panel["targets"]:
            query = with_values(target["query"], look)
            query = query.replace("$timeFilter", f"time >= {start:.0f}s AND time <= {end:.0f}s")
            query = query.replace("$__interval", f"{MINUTE}s")
            assert not re.search(r"\$\w|\$\{", query)
            database = house + ENDS[target["datasource"]["uid"]]
            fields = {"db": database, "epoch": "ms", "q": query}
            (result,) = self.server.get("/query", fields)["results"]
            assert "error" not in result, (query, result)
            for series in result.get("series", []):
                for at, name in enumerate(series["columns"][1:], 1):
                    alias = target["alias"].replace("$col", name)
                    alias = alias.replace("$tag_device", series.get("tags", {}).get("device", ""))
                    points = [(row[0], row[at]) for row in series["values"] if row[at] is not None]
                    rows.setdefault(alias, []).extend(points)
        return {name: points for name, points in rows.items() if points}


@dataclasses.dataclass(frozen=True)
class ThroughGrafana:
    """The same through Grafana, whose sources lead to the house 'energy'."""

    grafana: grafana_server.Grafana

    def __call__(self, house: str, panel: dict[str, Any], look: Look) -> Rows:
        assert house == "energy"
        start, end = look.span(panel)
        queries = [
            {**each, "query": with_values(each["query"], look), "intervalMs": MINUTE * 1000}
            | {"maxDataPoints": 1000}
            for each in panel["targets"]
        ]
        span = {"from": f"{start * 1000:.0f}", "to": f"{end * 1000:.0f}"}
        answer = self.grafana.post("/api/ds/query", {**span, "queries": queries})["results"]
        rows: Rows = {}
        for letter in answer.values():
            assert "error" not in letter, letter
            for frame in letter["frames"]:
                times, *columns = frame["data"]["values"] or [[]]
                for field, values in zip(frame["schema"]["fields"][1:], columns, strict=True):
                    name = field.get("config", {}).get("displayNameFromDS", field["name"])
                    points = zip(times, values, strict=True)
                    rows.setdefault(name, []).extend(
                        (at, value) for at, value in points if value is not None
                    )
        return {name: points for name, points in rows.items() if points}


def fill(server: influxd.Influxd, path: str, **where: str) -> None:
    """Write every house; the name of a bucket goes into each of *where* that has '{}'."""
    for house, buckets in houses.batches(SPRING).items():
        for end, readings in buckets.items():
            into = {key: value.format(f"{house}{end}") for key, value in where.items()}
            for first in range(0, len(readings), 5000):
                body = "\n".join(readings[first : first + 5000])
                answer = server.ask("POST", path, {"precision": "ms", **into}, body=body)
                assert answer.status == 204, answer.data


@pytest.fixture(scope="module")
def influx1(tmp_path_factory):
    with influxd.running_1(tmp_path_factory.mktemp("influx1")) as server:
        for house in houses.batches(SPRING):
            for end in houses.BUCKETS:
                server.ask("POST", "/query", {"q": f'CREATE DATABASE "{house}{end}"'})
        fill(server, "/write", db="{}")
        yield server


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def influx2(tmp_path_factory, secrets):
    """Run InfluxDB 2 as the product sets it up, with buckets more for each other house."""
    with influxd.running(tmp_path_factory.mktemp("influx2"), set_up=False) as fresh:
        wanted = Wanted(url=fresh.url, org="house", bucket="energy", retention_s=0, folder=secrets)
        set_up(wanted)
        for each in setup_rollups.wanted_with(wanted):
            # The house stands in the past: what is older than a retention would not be taken.
            set_up(dataclasses.replace(each, retention_s=0))
        server = dataclasses.replace(fresh, token=(secrets / "influxdb-admin-token").read_text())
        (org,) = server.get("/api/v2/orgs")["orgs"]
        for house in houses.batches(SPRING).keys() - {"energy"}:
            for end in houses.BUCKETS:
                name = f"{house}{end}"
                server.post("/api/v2/buckets", orgID=org["id"], name=name, retentionRules=[])
        fill(server, "/api/v2/write", bucket="{}", org="house")
        yield server


@pytest.fixture(scope="module")
def grafana(influx2, secrets, tmp_path_factory):
    settings = {
        "GF_DATE_FORMATS_DEFAULT_TIMEZONE": HOUSE.zone.key,  # as install.sh has it set
        "GF_AUTH_ANONYMOUS_ENABLED": "true",  # spares the browser the login
    }
    folder = tmp_path_factory.mktemp("grafana")
    with grafana_server.running(folder, influx2.url, secrets, **settings) as running:
        yield running


@pytest.fixture(params=["influx1", "influx2"])
def influx(request):
    return Influx(request.getfixturevalue(request.param))


@pytest.fixture(params=["influx1", "influx2", "grafana"])
def ask(request):
    """Return what asks an InfluxDB, or Grafana, which knows the house 'energy' only."""
    server = request.getfixturevalue(request.param)
    return ThroughGrafana(server) if request.param == "grafana" else Influx(server)


# What must be found.


def close(kwh: float) -> Any:
    return pytest.approx(kwh, rel=1e-6, abs=2e-5)  # kWh; counters are whole micro-Wh


def last(rows: Rows) -> dict[str, float]:
    return {name: points[-1][1] for name, points in rows.items()}


def full_quarters(now: float) -> float:
    """Return the end of the last quarter of an hour that is over and was told."""
    return (now - 1) // QUARTER * QUARTER if now % QUARTER == 0 else now // QUARTER * QUARTER


@pytest.mark.parametrize(
    ("title", "over"), [("Today", "now/d"), ("This week", "now/w"), ("This month", "now/M")]
)
def test_tiles_are_the_energy_of_the_day_the_week_and_the_month(ask, title, over):
    begin = beginning(over, datetime.fromtimestamp(SPRING, HOUSE.zone))
    truth = houses.energy(begin, SPRING)
    shown = last(ask("energy", home(title), Look()))
    assert shown == {
        "House": close(truth["house"]),
        "From the grid": close(truth["grid"]),
        "From the sun": close(truth["sun"]),
        "From the battery": 0,
        "Fed into the grid": close(truth["export"]),
    }


def test_yesterday_is_shown_until_the_same_time(ask):
    now = instant(2026, 3, 28, 17, 30)
    truth = houses.energy(instant(2026, 3, 28), now)
    shown = last(ask("energy", home("Yesterday by now"), Look()))
    assert shown["House"] == close(truth["house"])


def test_each_bar_is_the_energy_of_one_local_day_and_origins_are_the_house(ask):
    bars = ask("energy", home("Energy of the house per day"), Look())
    days = dict(bars["From the grid"])
    hour = SPRING // HOUR * HOUR
    for begin, end in pairwise([*sorted(days), hour * 1000]):
        truth = houses.energy(begin / 1000, end / 1000)
        assert days[begin] == close(truth["grid"])
        assert dict(bars["From the sun"])[begin] == close(truth["sun"])
        assert dict(bars["Fed into the grid"])[begin] == close(truth["export"])
        local = datetime.fromtimestamp(begin / 1000, HOUSE.zone)
        assert (local.hour, local.minute) == (0, 0)
    assert len(days) >= 31


def test_parts_and_rest_of_each_day_are_the_house_and_never_more(ask):
    parts = ask("energy", home("What used it"), Look())
    assert parts.keys() == {"fridge", "heat_pump", "Rest"}
    house = ask("energy", home("Energy of the house per day"), Look())
    for at, _ in parts["Rest"][1:]:
        whole = sum(dict(house[each]).get(at, 0) for each in ("From the grid", "From the sun"))
        assert sum(dict(each)[at] for each in parts.values()) == close(whole)
    (at, today) = parts["fridge"][-1]
    assert today == close(houses.energy(at / 1000, SPRING // HOUR * HOUR)["fridge"])


def test_what_each_meter_counted_is_what_went_through_it(ask):
    drawn = ask("energy", home("Drawn through each meter per day"), Look())
    assert drawn.keys() >= {"mains", "fridge", "heat_pump"}
    for begin, end in pairwise([at for at, _ in drawn["mains"]][2:]):
        truth = houses.energy(begin / 1000, end / 1000)
        assert dict(drawn["mains"])[begin] == close(truth["import"])
        assert dict(drawn["heat_pump"])[begin] == close(truth["heat_pump"])


def test_power_of_parts_and_rest_is_that_of_the_house_at_each_minute(ask):
    parts = ask("energy", home("What uses the power"), Look())
    origins = ask("energy", home("Where it comes from"), Look())
    for at, rest in parts["Rest"]:
        house = sum(dict(origins[each])[at] for each in origins if each.startswith("From"))
        others = sum(dict(each)[at] for name, each in parts.items() if name != "Rest")
        assert rest + others == pytest.approx(house, abs=0.01)
        powers = HOUSE.powers(at / 1000)
        assert house == pytest.approx(powers["net"] + powers["solar"], abs=0.01)


@pytest.mark.parametrize("title", ["Voltage", "Current", "Frequency", "Power factor"])
def test_curves_are_what_the_meters_said(ask, title):
    quantity = title.lower().replace(" ", "_")
    rows = ask("energy", home(title), Look())
    names = {"Frequency": ["mains"], "Power factor": ["mains"]}
    for name in names.get(title, ["mains L1", "mains L2", "mains L3"]):
        field = quantity + name.removeprefix("mains").replace(" ", "_").lower()
        assert len(rows[name]) >= 360
        for at, value in rows[name]:
            assert value == pytest.approx(houses.mains(at / 1000)[field], rel=1e-5)


def test_limits_are_those_of_the_grid_that_is_measured(influx2):
    server = Influx(influx2)
    limits = {round(value, 6) for _, value in server("energy", home("Voltage"), Look())["Limit"]}
    assert limits == {207.0, 253.0}
    for variable, value in {"volts": 230, "hertz": 50}.items():
        (found,) = [
            each for each in BOARDS["home"]["templating"]["list"] if each["name"] == variable
        ]
        rows = influx2.query(found["query"]["query"], "energy-1m")
        assert {row[1] for row in rows} == {value}


def test_a_false_zero_of_a_counter_moves_no_figure(influx):
    for title in (
        *("Today", "This week", "This month", "Yesterday by now"),
        *("Energy of the house per day", "What used it", "Drawn through each meter per day"),
    ):
        clean, zeros = (influx(each, home(title), Look()) for each in ("energy", "zeros"))
        assert clean.keys() == zeros.keys()
        for name, points in clean.items():
            for (at, value), (there, shown) in zip(points, zeros[name], strict=True):
                assert at == there
                # A minute of the largest load is what may stand on the other side of midnight.
                assert abs(shown - value) < 0.1, (title, name, at)


@pytest.mark.parametrize(("house", "parts"), [("one", set()), ("ten", set(houses.PARTS))])
def test_a_house_with_one_or_ten_meters_needs_no_editing(influx, house, parts):
    assert influx(house, home("What used it"), Look()).keys() == {*parts, "Rest"}
    begin = instant(2026, 3, 29)
    shown = last(influx(house, home("Today"), Look()))
    truth = houses.energy(begin, SPRING)
    assert shown["House"] == close(truth["import" if house == "one" else "house"])


def points_read(server: influxd.Influxd, house: str, panel: dict[str, Any], look: Look) -> int:
    """Count the points that a panel's queries have to read.

    The first and the last of a series are found without reading those between, unless time is cut
    into pieces.
    """
    start, end = look.span(panel)
    total = 0
    for target in panel["targets"]:
        query = with_values(target["query"], look)
        inner = re.search(r"\((SELECT .*)\)", query)
        query = inner[1] if inner else query
        fields = re.findall(r"(?:mean|last|first|sum|max|min|count)\((\w+)\)", query)
        source = re.search(r" FROM ([\w, ]+) WHERE (.*?)(?: GROUP BY|\)|$)", query)
        assert source, query
        if "GROUP BY time" not in query and not re.search(r"(mean|sum|max|min|count)\(", query):
            total += len(fields)
            continue
        where = source[2].replace("$timeFilter", f"time >= {start:.0f}s AND time <= {end:.0f}s")
        for field in fields:
            database = house + ENDS[target["datasource"]["uid"]]
            counted = f"SELECT count({field}) FROM {source[1]} WHERE {where}"
            total += sum(row[1] for row in server.query(counted, database))
    return total


@every_panel
def test_no_panel_reads_more_points_than_a_pi_likes(influx2, panel):
    for house in ("energy", "one", "ten"):
        assert points_read(influx2, house, panel, Look()) <= MOST_POINTS, house


# Grafana.


@every_panel
def test_every_panel_of_every_dashboard_is_answered_through_grafana(grafana, panel):
    rows = ThroughGrafana(grafana)("energy", panel, Look())
    if panel in BOARDS["home"]["panels"]:
        assert rows, "a house with a grid, a sun and parts fills all of Home"


def test_only_the_chosen_meters_are_drawn(influx):
    rows = influx("energy", home("Power of each meter"), Look(meter="(fridge|no\\.such)"))
    assert rows.keys() == {"fridge"}


def test_grafana_is_provisioned_without_a_click(grafana):
    for source in SOURCES:
        assert grafana.get(f"/api/datasources/uid/{source['uid']}/health")["status"] == "OK"
    for board in BOARDS.values():
        assert grafana.get(f"/api/dashboards/uid/{board['uid']}")["meta"]["provisioned"]
    assert grafana.get("/api/dashboards/home")["dashboard"]["title"] == "Home"


def rules(grafana: grafana_server.Grafana) -> list[dict[str, Any]]:
    groups = grafana.get("/api/prometheus/grafana/api/v1/rules")["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def evaluated(grafana: grafana_server.Grafana, within_s: float = 150) -> Iterator[dict[str, Any]]:
    """Yield each rule once Grafana has evaluated it, which it does every minute."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = rules(grafana)
        if found and all(each.get("lastEvaluation", "0001") > "0002" for each in found):
            yield from found
            return
        time.sleep(1)
    raise AssertionError(rules(grafana))


def test_the_rule_of_a_silent_collector_is_evaluated_and_told(grafana):
    (rule,) = evaluated(grafana)
    assert rule["name"] == "The collector is silent"
    assert rule["health"] in {"ok", "nodata"}
    assert rule["state"] in {"pending", "firing"}  # the house is a year old
    assert "level=error" not in (grafana.folder / "log").read_text()


@pytest.mark.usefixtures("influx2")  # which made the secrets
def test_grafana_starts_where_no_database_answers(secrets, tmp_path):
    away = f"http://127.0.0.1:{influxd.free_port()}"
    anyone = {"GF_AUTH_ANONYMOUS_ENABLED": "true"}
    with grafana_server.running(tmp_path, away, secrets, **anyone) as running:
        assert running.get("/api/dashboards/home")["dashboard"]["title"] == "Home"
        (rule,) = evaluated(running)
        assert rule["state"] in {"pending", "firing"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", BOARDS)
def test_the_page_draws_every_dashboard_in_light_and_dark(grafana, name, theme):
    board = BOARDS[name]
    span = f"from={(SPRING - 6 * HOUR) * 1000:.0f}&to={SPRING * 1000:.0f}"
    path = f"/d/{board['uid']}/x?kiosk&theme={theme}&{span}"
    shown, picture = grafana.draw(path, height=2400, zone="America/New_York")
    titles = [each["title"] for each in board["panels"]]
    assert {*titles} <= {*shown}
    assert picture.stat().st_size > 50_000
    picture.rename(picture.with_name(f"{name}-{theme}.png"))
