"""Every page in every language: whole, escaped, without script or style of its own."""

import gzip
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.contract.views import CostView, EnergyView, EventsView, Flow, House, NowView, Today
from collector.page import render
from collector.page.assets import assets, path_of
from collector.page.words import LANGUAGES
from tests.fakes import page_views as views

ROME = ZoneInfo("Europe/Rome")
NOW = datetime.fromtimestamp(views.AT_MS / 1000, ROME)
HOUSE = render.choice({}, NOW)
MAINS = render.choice({"show": "mains/active_power", "compare": "1"}, NOW)
OPENAPI = {
    "paths": {
        "/api/v1/history": {
            "get": {
                "summary": "A quantity over a time",
                "parameters": [
                    {"name": "device", "required": True, "schema": {"type": "string"}},
                    {"name": "range", "schema": {"enum": ["hour", "day"]}, "description": "length"},
                ],
            }
        }
    }
}
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "now": ("now", {"now": views.NOW}),
    "devices": ("devices", {"now": views.NOW}),
    "energy": (
        "history",
        {"choice": HOUSE, "devices": views.DEVICES.devices, "energy": views.ENERGY},
    ),
    "history": (
        "history",
        {"choice": MAINS, "devices": views.DEVICES.devices, "history": views.HISTORY},
    ),
    "counter": ("history", {"choice": MAINS, "history": views.HISTORY_OF_COUNTER}),
    "refused": ("history", {"choice": MAINS, "error": "there is no <device>"}),
    "cost": ("cost", {"cost": views.COST}),
    "bill": ("bill", {"bill": views.BILL}),
    "health": ("health", {"health": views.HEALTH, "events": views.EVENTS}),
    "api": ("api", {"openapi": OPENAPI}),
    "login": ("login", {"wrong": True, "wait_s": 0, "next": "/cost?x=<y>"}),
    "error": ("error", {"status": 404, "sentence": "There is no <page>."}),
}
VOID = {"meta", "link", "input", "br", "img", "hr"}


def page(name, language="en", **changed):
    kind, given = PAGES[name]
    return render.page(kind, language, ROME, "Casa <al> lago", **{**given, **changed}).decode()


class Html(HTMLParser):
    """Collects what stands in a page, and fails where it is not well formed."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def parsed(text):
    html = Html()
    html.feed(text)
    html.close()
    assert html.open == []
    html.texts = [each.replace("\xa0", " ") for each in html.texts]
    return html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_has_no_script_or_style_in_it(name, language):
    html = parsed(page(name, language))
    assert html.tags[0] == ("html", {**html.tags[0][1], "lang": language})
    for tag, attributes in html.tags:
        assert tag != "style"
        assert tag != "script" or attributes["src"] in assets()
        assert not [each for each in attributes if each == "style" or each.startswith("on")]
    assert sum(tag == "h1" for tag, _ in html.tags) == 1
    assert "None" not in " ".join(html.texts)


@pytest.mark.parametrize("name", PAGES)
def test_no_id_stands_twice_and_every_reference_leads_somewhere(name):
    tags = parsed(page(name)).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        for each in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(each, ids[0]) in ids


@pytest.mark.parametrize("name", PAGES)
def test_what_comes_from_outside_is_escaped(name):
    text = page(name)
    for each in ("<freezer>", "<al>", "<device>", "<page>", "<y>"):
        assert each not in text


def test_the_first_html_has_the_three_answers():
    text = " ".join(parsed(page("now")).texts)
    assert re.search(r"2\.35\s*kW", text)
    assert "€1.23" in text
    assert "7 of 8 sources answer" in text


def test_of_several_sentences_only_the_true_one_is_shown():
    tags = parsed(page("now")).tags
    cases = [attributes for _, attributes in tags if "data-case" in attributes]
    shown = {each["data-case"] for each in cases if "hidden" not in each}
    assert shown == {"high", "attention"}


def test_colour_is_never_alone():
    text = " ".join(parsed(page("now")).texts)
    for word in ("fed in", "charging", "produced", "silent for 12 min"):
        assert word in text


def test_a_house_of_which_nothing_is_known_yet_has_its_page_too():
    empty = NowView(
        site="",
        label="",
        at_ms=views.AT_MS,
        clock_trusted=False,
        house=House(),
        flow=Flow(),
        today=Today(),
        measured=replace(views.NOW.measured, problems=()),
        devices=(),
    )
    text = " ".join(parsed(page("now", now=empty)).texts)
    assert "The power of the house is not known." in text
    assert "No device has been read yet." in text
    assert "not trusted" in text


def test_a_house_without_tariff_or_history_has_its_pages_too():
    cost = CostView(at_ms=views.AT_MS, warnings=("there is no contract",))
    assert "There is no tariff." in page("cost", cost=cost)
    total = views.ENERGY.total
    nothing = EnergyView(
        by="hour", unit="Wh", begin_ms=0, end_ms=views.DAY_MS, periods=(), total=total
    )
    assert "Nothing was recorded" in page("energy", energy=nothing)
    assert "Nothing was recorded" in page("history", history=replace(views.HISTORY, points=()))
    assert "Nothing has happened" in page(
        "health", events=EventsView(begin_ms=0, end_ms=1, events=())
    )


def test_a_change_is_told_in_words():
    assert "12 % less than the day before" in page("energy")
    assert "12 % weniger als am Tag davor" in page("history", "de")


def test_a_history_can_be_read_without_a_chart():
    text = " ".join(parsed(page("history")).texts)
    assert "9.01 kW" in text
    assert "<table>" in page("history")


def test_states_are_words():
    assert "Heizen" in page("devices", "de")


def test_a_quantity_without_a_name_in_the_language_keeps_the_english_one():
    assert "Temperatura percepita" not in page("devices", "it")
    assert "Coefficient of performance" in page("devices", "it")


@pytest.mark.parametrize(("name", "most"), [("now", 8), ("devices", 6), ("history", 17)])
def test_a_page_is_light(name, most):
    assert len(gzip.compress(page(name).encode())) < most * 1000


def test_all_that_a_page_loads_is_light():
    scripts = ("app.css", "app.js", "history.js", "uplot.js")
    assert sum(len(assets()[path_of(each)].gzipped) for each in scripts) < 40_000


def test_scripts_import_each_other_by_the_name_that_is_served():
    body = assets()[path_of("history.js")].body.decode()
    assert f"from '{path_of('app.js')}'" in body
    assert gzip.decompress(assets()[path_of("app.js")].gzipped) == assets()[path_of("app.js")].body


def test_what_is_vendored_has_its_licence_beside_it():
    from importlib.resources import files  # noqa: PLC0415  for this one

    folder = files("collector.page").joinpath("static")
    assert "1.6.32" in folder.joinpath("uplot.js").read_text()
    assert "MIT" in folder.joinpath("uplot.LICENSE").read_text()
