"""What the demo writes into its folder, and what it leaves alone."""

import socket
from datetime import UTC, date, datetime

import pytest

from collector.config import load
from collector.contract.page import PageOptions
from collector.contract.roles import plan, roles_of
from collector.demo import configuration
from collector.demo.configuration import Place, configure, place_in, port_for_page
from collector.derive.cost import check
from collector.errors import EnergyMonitorError
from collector.run import wiring

NETWORKED = ("tcp://127.0.0.1:8889", ("tcp://127.0.0.1:23", "http://127.0.0.1/DbXmlInfo.xml"))
PLACE = Place("Europe/Rome", date(2026, 10, 1), 1796000400.0)
NOW = datetime(2026, 11, 30, 12, 7, tzinfo=UTC).timestamp()


def test_a_configuration_that_is_not_the_demos_is_left_alone(tmp_path):
    (tmp_path / "config.yaml").write_text("sources: {}\n")
    with pytest.raises(EnergyMonitorError, match=r"config\.yaml is not the demo's: name another"):
        configure(tmp_path, PLACE, *NETWORKED)
    assert (tmp_path / "config.yaml").read_text() == "sources: {}\n"
    (tmp_path / "config.yaml").unlink()
    again = [configure(tmp_path, PLACE, *NETWORKED) for _ in range(2)]
    assert again == [tmp_path / "config.yaml"] * 2


@pytest.mark.parametrize("name", ["a: b #c", 'it\'s "quoted"', "été \N{RABBIT}", "{x}", "- [a"])
def test_the_demo_runs_in_a_folder_of_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    loaded = load(configure(folder, PLACE, *NETWORKED))
    assert loaded.data_dir == folder
    assert loaded.sources["mains"].line == str(folder / "meters")
    assert loaded.main.runtime_dir == str(folder)


def test_the_configuration_is_without_fault_and_without_advice(tmp_path):
    loaded = load(configure(tmp_path, PLACE, *NETWORKED))
    assert wiring.check(loaded) == []
    found = plan(roles_of(loaded.sources))
    assert found.of("grid") == ("mains",)
    assert set(found.of("solar")) == {"roof", "sun"}
    assert found.of("battery") == ("battery",)
    assert set(found.parts) == {"heatpump_meter", "kitchen", "laundry", "lamps"}
    assert check.load(loaded.tariffs).meters() == ["mains"]


def test_a_contract_that_was_changed_stays(tmp_path):
    file = configure(tmp_path, PLACE, *NETWORKED).parent / "tariffs.yaml"
    file.write_text("contracts: []\n")
    configure(tmp_path, PLACE, *NETWORKED)
    assert file.read_text() == "contracts: []\n"


def test_a_house_is_sixty_days_old_and_stays_the_same(tmp_path):
    place = place_in(tmp_path, NOW)
    assert (date(2026, 11, 30) - place.built).days == 60
    assert place_in(tmp_path, NOW + 5 * 86400) == place


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"timezone": 1, "built": "x"}'])
def test_a_damaged_house_is_said(tmp_path, text):
    (tmp_path / "house.json").write_text(text)
    with pytest.raises(EnergyMonitorError, match=r"house\.json is damaged: remove"):
        place_in(tmp_path, NOW)


def test_the_readings_of_another_house_are_not_mixed_with_these(tmp_path):
    (tmp_path / "journal").mkdir()
    with pytest.raises(EnergyMonitorError, match="has readings of another house: remove it"):
        place_in(tmp_path, NOW)


@pytest.mark.parametrize(
    ("zone", "place"),
    [("America/Toronto", "America/Toronto"), ("UTC", "Europe/Rome"), ("../x", "Europe/Rome")],
)
def test_the_house_stands_where_the_computer_does(monkeypatch, zone, place):
    monkeypatch.setenv("TZ", zone)
    assert configuration.timezone_here() == place


def test_the_page_is_at_the_usual_port_unless_somebody_has_it():
    with socket.create_server((PageOptions.address, 0)) as taken:
        usual = taken.getsockname()[1]
        assert port_for_page(usual) not in {0, usual}
    assert port_for_page(usual) == usual
