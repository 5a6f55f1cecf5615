"""Flows and roll-ups in a real service: what is in the journal, on /metrics, and what is not."""

from collector.journal.reader import read_all
from collector.reading import decode, kind_of
from tests.fakes.running import ask, collector, configure, wait_for

SOURCES = """\
  mains: {type: simulated, every: 1s, role: grid}
  roof: {type: simulated, every: 1s, part: solar, role: solar}
  heat: {type: simulated, every: 1s, part: heat_pump, role: heat_pump}
"""
ROLLUP = "derivations:\n  rollup: {type: rollup}\n"


def test_roles_start_the_power_flow_and_a_rollup_hears_it(tmp_path):
    file = configure(tmp_path, SOURCES, extra=ROLLUP)
    with collector(file):
        wait_for(lambda: ask(tmp_path)["derivations"]["flows"]["made"] >= 2, "a balance")
        status = ask(tmp_path)["derivations"]
        assert status["rollup"]["state"] == "deriving"
    lines = [line for _, line in read_all(tmp_path / "journal" / "log")]
    flows = [decode(line) for line in lines if kind_of(line) == "flows"]
    assert {each.device for each in flows} == {"home", "heat"}
    house = next(each for each in flows if each.device == "home").values
    drawn = house["grid_import_power"] + house["solar_power"] - house["grid_export_power"]
    assert abs(house["house_power"] - drawn) < 0.01
