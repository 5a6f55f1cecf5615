"""The browser that judges the page is strict: it finds what axe calls serious."""

from tests.servers.browser import browser, violations


def test_axe_finds_a_picture_without_words():
    with browser() as chromium:
        page = chromium.new_context(bypass_csp=True).new_page()
        page.set_content("<html><title>x</title><body><img src='data:,'></body></html>")
        found = violations(page)
    assert any(each.startswith("image-alt (critical)") for each in found), found


def test_axe_accepts_a_page_that_says_all():
    with browser() as chromium:
        page = chromium.new_context(bypass_csp=True).new_page()
        page.set_content(
            "<html lang='en'><title>x</title><body><main><h1>House</h1></main></body></html>"
        )
        assert violations(page) == []
