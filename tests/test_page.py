"""The page in a real browser: phone and desktop, light and dark, by keyboard, without script.

Pictures of every page are left in ``build/screenshots/``.
"""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from collector.page.assets import path_of
from collector.page.figures import Writer
from collector.page.words import LANGUAGES, words
from tests.fakes import page_site, page_views
from tests.servers.browser import browser, violations

PICTURES = Path(__file__).parent.parent / "build/screenshots"
SIZES = {
    "phone": {"width": 390, "height": 844},
    "desktop": {"width": 1280, "height": 900},
    "phone at 200 %": {"width": 195, "height": 422},
}
SCHEMES = ("light", "dark")
CHART = "/history?show=mains/active_power&compare=1"
PAGES = {
    "now": "/",
    "energy": "/history",
    "history": CHART,
    "counter": "/history?show=mains/active_energy_import",
    "cost": "/cost",
    "bill": "/bill",
    "devices": "/devices",
    "health": "/health",
    "api": "/api",
    "login": "/login",
}
FIGURES = [0.0, -0.4, 480.4, -412.3, 2345.6, 12345.6, 9.996, 99.96, -2.4, 1234567.0, 0.004]
UNITS = ["W", "Wh", "V", "Hz", "%", "°C", "A", "", "1", "bytes", "K"]


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.fixture
def site():
    with page_site.served() as found:
        yield found


@pytest.fixture
def opened(chromium, site):
    """Return a function that opens a page and remembers what its console says."""
    contexts, said = [], []

    def open_page(path="/", size="phone", **about):
        context = chromium.new_context(viewport=SIZES[size], **{"locale": "en-GB", **about})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(site.url + path)
        return page

    yield open_page
    for each in contexts:
        each.close()
    known = ("Password forms should have", "net::ERR_FAILED")  # an advice; what a test does
    assert [each for each in said if not any(part in each for part in known)] == []


def is_drawn(page):
    page.wait_for_selector("[data-chart] canvas")
    return page.evaluate(
        """() => { const canvas = document.querySelector('[data-chart] canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return data.some((value, index) => index % 4 === 3 && value > 0); }"""
    )


def text(locator):
    return locator.text_content().replace("\xa0", " ")


def overflow(page):
    """Return by how many pixels a page must be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_and_axe_finds_nothing_serious(opened, name, size, scheme):
    page = opened(PAGES[name], size, color_scheme=scheme, bypass_csp=True)
    if name in {"history", "counter"}:
        assert is_drawn(page)
    assert overflow(page) <= 0
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=size == "desktop")
    for each in page.query_selector_all("details"):
        each.evaluate("each => each.open = true")
    assert violations(page) == []


def test_the_three_answers_are_on_the_first_screen_of_a_phone(opened):
    page = opened()
    bar = page.locator("nav").bounding_box()
    assert bar is not None
    for each in (".draws .fig", ".draws .verdict:not([hidden])", ".today .big", ".measured"):
        box = page.locator(each).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < bar["y"], each


def test_figures_are_kept_up_to_date_without_loading_the_page_again(opened, site):
    page = opened()
    shown = page.locator(".draws .fig b")
    assert shown.text_content() == "1.10"
    page_site.wait_for(lambda: shown.text_content() >= "1.13")
    assert page.locator("[data-clock]").text_content() >= "17:00:02"
    assert page.locator("[data-word='flow/grid']").text_content() == "drawn"
    assert page.locator(".draws .verdict:not([hidden])").text_content().strip() == (
        "Usual for this hour"
    )
    assert [path for path, _ in site.asked].count("/") == 1


def test_a_hidden_tab_asks_nothing(opened, site):
    page = opened()
    page_site.wait_for(lambda: page.locator(".draws .fig b").text_content() >= "1.12")
    hide(page, hidden=True)
    page.wait_for_timeout(200)  # what was under way may end
    asked = len(site.asked)
    page.wait_for_timeout(3000)
    assert len(site.asked) == asked
    hide(page, hidden=False)
    page_site.wait_for(lambda: len(site.asked) > asked)


def hide(page, *, hidden):
    page.evaluate(
        """(hidden) => {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange')); }""",
        hidden,
    )


def test_a_lost_connection_is_told(opened):
    page = opened()
    page.route("**/api/v1/now", lambda route: route.abort())
    page.wait_for_selector("[data-beat=lost]")
    assert page.locator("[data-beat]").text_content().strip() == "no connection"
    page.unroute_all()
    page.wait_for_selector("[data-beat=live]")


@pytest.mark.parametrize("path", ["/", "/devices", CHART, "/history", "/cost", "/health"])
def test_without_javascript_everything_is_there(opened, path):
    page = opened(path, java_script_enabled=False)
    assert page.locator("main").inner_text().strip()
    if path in {"/", "/devices", "/health"}:
        assert page.locator("meta[http-equiv=refresh][content='10']").count() == 1
    if path == CHART:
        assert page.locator("svg.still path.line").count() == 2
    if "history" in path:
        page.get_by_role("button", name="Show").click()
        assert "range=day" in page.url


@pytest.mark.parametrize("name", [name for name in PAGES if name not in {"api", "login"}])
def test_a_page_loads_little(opened, site, name):
    page = opened("/login")
    answers = []
    page.on("requestfinished", lambda each: answers.append(each))  # noqa: PLW0108  playwright refuses built-ins
    page.goto(site.url + PAGES[name])
    page.wait_for_load_state("networkidle" if "history" in PAGES[name] else "load")
    sizes = {urlsplit(each.url).path: each.sizes()["responseBodySize"] for each in answers}
    assert len(sizes) <= 6, sizes
    assert sum(sizes.values()) <= 60_000, sizes


def test_a_chart_is_read_by_keyboard(opened, site):
    page = opened(CHART, "desktop")
    assert is_drawn(page)
    chart, told = page.locator("[data-chart]"), page.locator("[data-readout]")
    chart.focus()
    page.keyboard.press("Home")
    assert text(told).startswith("00:00: 602 W")
    page.keyboard.press("ArrowRight")
    assert text(told).startswith("00:02: ")
    assert "Period before" in text(told)
    page.keyboard.press("+")
    page.wait_for_selector("[data-zoom-out]:not([hidden])")
    zoomed = [
        query for path, query in site.asked if path.endswith("/history") and "since_ms" in query
    ]
    assert len(zoomed) == 1
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-zoom-out]", state="hidden")


def test_a_chart_is_read_and_zoomed_by_the_mouse(opened, site):
    page = opened(CHART, "desktop")
    assert is_drawn(page)
    over = page.locator(".u-over").bounding_box()
    page.mouse.move(over["x"] + over["width"] / 4, over["y"] + 50)
    assert text(page.locator("[data-readout]")).startswith("06:00: ")
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] / 2, over["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_selector("[data-zoom-out]:not([hidden])")
    since = [int(query["since_ms"]) for _, query in site.asked if "since_ms" in query]
    assert abs(since[0] - page_views.MIDNIGHT_MS - 6 * 3_600_000) < 120_000
    assert "since_ms" in page.locator("[data-csv]").get_attribute("href")


def test_bars_are_read_by_keyboard_and_mouse(opened):
    page = opened("/history", "desktop")
    page.locator("[data-bars]").focus()
    page.keyboard.press("Home")
    told = page.locator("[data-readout]")
    assert text(told).startswith("00:00: 0.30")
    page.keyboard.press("ArrowRight")
    assert text(told).startswith("01:00: ")
    page.locator(".bar").nth(5).hover()
    assert text(told).startswith("05:00: ")


@pytest.mark.parametrize("path", ["/history", CHART])
def test_what_is_shown_is_downloaded_as_csv(opened, path):
    page = opened(path)
    with page.expect_download() as download:
        page.get_by_text("Download as CSV").click()
    assert Path(download.value.path()).read_text().startswith("time,")
    query = parse_qs(urlsplit(download.value.url).query)
    assert query["range"] == ["day"]


def test_a_choice_takes_effect_at_once(opened):
    page = opened("/history", "desktop")
    page.get_by_role("radio", name="Week").check()
    page.wait_for_url("**range=week**")
    page.get_by_label("What").select_option("mains/active_power")
    page.wait_for_url("**show=mains%2Factive_power**")
    page.get_by_label("Earlier").click()
    page.wait_for_url("**at=2025-11-13**")
    page.get_by_role("radio", name="Hour").check()
    page.wait_for_url("**range=hour**")


@pytest.mark.parametrize("name", PAGES)
def test_everything_is_reached_by_keyboard_and_seen_there(opened, name):
    page = opened(PAGES[name], "desktop")
    wanted = page.evaluate(
        """() => [...document.querySelectorAll(
            'a[href], button, select, input:not([type=radio]), summary, [tabindex="0"]')]
        .filter(each => each.checkVisibility() && each.type !== 'hidden').length"""
    )
    seen = set()
    for _ in range(wanted + 30):
        page.keyboard.press("Tab")
        place, outline = page.evaluate(
            """() => { const each = document.activeElement; window.reached ??= new Map();
            if (!window.reached.has(each)) window.reached.set(each, window.reached.size);
            const shown = each.type === 'radio' ? each.nextElementSibling : each;
            return [each === document.body ? -1 : window.reached.get(each),
                    parseFloat(getComputedStyle(shown).outlineWidth)]; }"""
        )
        if place >= 0:
            seen.add(place)
            assert outline >= 2
    assert len(seen) >= wanted


@pytest.mark.parametrize("name", PAGES)
def test_at_twice_the_size_nothing_is_scrolled_sideways(opened, name):
    page = opened(PAGES[name], "phone at 200 %")
    assert overflow(page) <= 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_script_writes_figures_as_the_service_does(opened, language):
    page = opened(locale=language)
    writer = Writer(words(language), ZoneInfo("Europe/Rome"))
    wanted = [[str(writer.figure(value, unit)) for value in FIGURES] for unit in UNITS]
    found = page.evaluate(
        """async ([path, values, units]) => { const { written } = await import(path);
        return units.map(unit => values.map(value => written(value, unit))); }""",
        [path_of("app.js"), FIGURES, UNITS],
    )
    assert found == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_the_language_of_the_browser(opened, language):
    page = opened("/", "phone", locale=f"{language}-CH")
    assert page.locator("#draws").text_content() == words(language)("now.draws")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"now-phone-{language}.png")
    assert overflow(page) <= 0


def test_what_is_usual_lies_within_its_gauge(opened):
    page = opened("/", "desktop")
    track, band = (page.locator(f".gauge .{name}").bounding_box() for name in ("track", "band"))
    assert track["x"] < band["x"]
    assert band["x"] + band["width"] < track["x"] + track["width"]
