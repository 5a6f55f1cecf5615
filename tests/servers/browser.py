"""Opens pages in Debian's Chromium by Playwright, and judges them by axe-core.

``tests/install-servers`` installs both; no browser is downloaded.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE_VERSION = "4.14.1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
AXE = CACHE / f"energy-monitor-tests/axe-core-{AXE_VERSION}/node_modules/axe-core/axe.min.js"
GRAVE = {"serious", "critical"}


@contextmanager
def browser() -> Iterator["Browser"]:
    """Start a browser without a window. Skip the test where there is none."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  it brings a node of its own

    program = shutil.which("chromium")
    if not program:
        pytest.skip("chromium is missing: Debian package chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()


def violations(page: "Page") -> list[str]:
    """Return what axe finds serious or critical on *page*; its context must bypass the CSP."""
    if not AXE.exists():
        pytest.skip("axe-core is missing: tests/install-servers installs it with npm")
    page.add_script_tag(path=AXE)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{each['id']} ({each['impact']}): {node['target']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
