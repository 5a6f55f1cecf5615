"""The configurations of docs/batteries.md and docs/heat-pumps.md are accepted as they stand."""

import re
from pathlib import Path

import pytest

from collector import config
from collector.run import wiring
from tests.fakes.running import configure

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
BATTERY = "  battery: {type: vedirect, line: /dev/ttyUSB0}\n"
WEATHER = "  weather: {type: simulated}\n"
OTHERS = {"vm_cap", "heat_pump_performance"}


def check(folder, sources, extra):
    wiring.check(config.load(configure(folder, sources, extra=extra)))


@pytest.mark.parametrize("rest", [False, True])
def test_the_bank_that_is_shown_is_accepted(rest, tmp_path):
    bank, voltages = BLOCK.findall((DOCS / "batteries.md").read_text())
    check(tmp_path, BATTERY, bank + (voltages if rest else ""))


def test_the_heat_pump_that_is_shown_is_accepted(tmp_path):
    (block,) = BLOCK.findall((DOCS / "heat-pumps.md").read_text())
    _, sources, derivations = re.split(r"(?m)^sources:\n|(?=^derivations:)", block)
    check(tmp_path, sources + WEATHER, derivations)


@pytest.mark.parametrize("page", ["batteries.md", "heat-pumps.md"])
def test_every_quantity_that_is_named_exists(page):
    from collector.cli import reference  # noqa: PLC0415  it imports every source

    text = (DOCS / page).read_text()
    known = reference.reference()
    words = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", text)) - OTHERS
    assert len(words) > 20
    for each in words:
        assert f"`{each}" in known or f"### {each}\n" in known, each
