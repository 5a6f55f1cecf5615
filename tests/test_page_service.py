"""The page of the real service, which reads a simulated house, in a real browser."""

import pytest

from tests.fakes.running import collector, configure, wait_for, wait_for_reads
from tests.servers.browser import browser, violations
from tests.servers.influxd import free_port

HOUSE = "  house: {type: simulated, every: 1s, role: grid}\n"
PATHS = ("/", "/history", "/cost", "/bill", "/devices", "/health", "/api")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    port = free_port()
    with collector(configure(folder, HOUSE, port=port)):
        wait_for_reads(folder, "house", 3)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def page(service):
    said = []
    with browser() as chromium:
        context = chromium.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", bypass_csp=True
        )
        found = context.new_page()
        found.on("console", lambda message: said.append(message.text))
        found.on("pageerror", lambda error: said.append(str(error)))
        found.goto(service)
        yield found
        assert said == []


def test_every_page_opens_and_axe_finds_nothing_serious(page, service):
    for path in PATHS:
        answer = page.goto(f"{service}{path}")
        assert answer.status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert violations(page) == [], path


def test_figures_change_each_second(page, service):
    page.goto(service)
    shown = page.locator("[data-clock]")
    seen = []

    def told():
        if (now := shown.text_content()) not in seen:
            seen.append(now)
        return len(seen) >= 4

    wait_for(told, "the page has shown four seconds")
    assert seen == sorted(seen)
    assert page.locator(".draws .fig b").text_content()[0].isdigit()


def test_a_chart_is_drawn_zoomed_and_downloaded(page, service):
    page.goto(service)
    page.locator("[data-device='electricity/house']").click()
    page.get_by_role("radio", name="Hour").check()
    page.wait_for_url("**range=hour**")
    page.wait_for_selector("[data-chart] canvas")
    page.locator("[data-chart]").focus()
    page.keyboard.press("End")
    assert page.locator("[data-readout]").text_content()
    page.keyboard.press("+")
    page.wait_for_selector("[data-zoom-out]:not([hidden])")
    with page.expect_download() as download:
        page.get_by_text("Download as CSV").click()
    assert "time" in download.value.path().read_text().splitlines()[0]
