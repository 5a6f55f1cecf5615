"""Labels: names for people in any script, shown where they look and stored nowhere."""

import json
from functools import partial

import pytest
from click.testing import CliRunner

from collector.cli import show
from collector.cli.main import main
from collector.config import load
from collector.demo.live import live
from collector.doctor import examine, outputs, sources
from collector.errors import ConfigFault
from collector.run.health import Health
from collector.run.problems import problems
from collector.run.wiring import new_health
from collector.scalars import LONGEST_LABEL
from collector.status import LatestReading, from_json
from collector.text import width
from tests.fakes.doctor_case import a_source, a_status, an_output, open_in
from tests.fakes.running import ask, collector, configure, wait_for_reads

LABELS = ["Küche", "厨房", "مطبخ", "👨‍👩‍👧 Zimmer", "e\u0301tage", "a" * LONGEST_LABEL]
OUTPUT = (
    "  history: {{type: influxdb, url: 'http://127.0.0.1:9', bucket: b, token: !secret t, "
    "label: {}}}\n"
)


def quoted(label):
    return json.dumps(label, ensure_ascii=False)


def house(label):
    return f"  house: {{type: simulated, label: {quoted(label)}}}\n"


@pytest.mark.parametrize("label", LABELS)
def test_a_label_in_any_script_is_read_and_shown_at_the_end_of_a_row(tmp_path, label):
    file = configure(tmp_path, house(label), OUTPUT.format(quoted(label)))
    loaded = load(file)
    assert loaded.sources["house"].label == label
    assert loaded.outputs["history"].label == label
    shown = CliRunner().invoke(main, ["read", "house", "--config", str(file)]).stdout
    head, first, *_ = shown.splitlines()
    assert head.endswith("LABEL")
    assert first.startswith("house ")
    assert first.endswith(label)


@pytest.mark.parametrize(
    "label",
    [
        *("", " ", "a" * (LONGEST_LABEL + 1), "two\nlines", "tab\t", "\x1b[31mred", "\u2028"),
        *("abc\u202edcb", "\u2066abc", "\x85"),
    ],
)
def test_what_would_break_a_line_or_turn_it_round_is_refused(tmp_path, label):
    file = configure(tmp_path, f"  house: {{type: simulated, label: {json.dumps(label)}}}\n")
    with pytest.raises(ConfigFault, match=r"sources\.house\.label: ") as refused:
        load(file)
    assert not any(each in str(refused.value) for each in "\x1b\u202e\u2066")


def test_without_labels_no_table_has_a_column_for_them(tmp_path):
    file = configure(tmp_path, "  house: {type: simulated}\n")
    assert "LABEL" not in CliRunner().invoke(main, ["read", "house", "--config", str(file)]).stdout
    assert "LABEL" not in show.status(a_status(sources={"house": a_source()}))


def test_a_device_has_its_own_label_or_its_sources(tmp_path):
    source = "  house: {type: simulated, label: Haus, labels: {house: 房子}}\n"
    health = new_health(load(configure(tmp_path, source)))
    assert isinstance(health, Health)
    assert health.sources["house"].label == "Haus"
    assert health.sources["house"].labels == {"house": "房子"}
    latest = {"house": LatestReading(kind="electricity", label="房子", values={"voltage": 230.0})}
    status = a_status(sources={"house": a_source(label="Haus", latest=latest)})
    assert live(status).splitlines()[1].endswith("房子")
    assert show.status(status).splitlines()[3].endswith("Haus")


def test_the_service_tells_labels_and_stores_none(tmp_path):
    file = configure(tmp_path, house("厨房"))
    with collector(file):
        wait_for_reads(tmp_path, "house", 2)
        status = from_json(ask(tmp_path))
    assert status.sources["house"].label == "厨房"
    assert status.sources["house"].latest["house"].label == "厨房"
    log = tmp_path / "journal" / "log"
    kept = b"".join(each.read_bytes() for each in log.iterdir())
    assert b"device=house" in kept
    assert "厨房".encode() not in kept


def test_doctor_and_status_name_what_is_wrong_with_its_label(tmp_path):
    status = a_status(
        sources={"house": a_source(label="مطبخ", state="silent", last_error="no answer")},
        outputs={"history": an_output(label="Büro")},
    )
    opened = partial(open_in, tmp_path)(status=status)
    checks = (sources.each_source, outputs.delivering)
    ((_, found),) = examine.examine(opened, {"": checks})
    assert found[0].what.startswith("house (مطبخ): silent: no answer")
    assert found[-1].what.startswith("history (Büro): delivering")
    assert problems(status) == ["source house (مطبخ) is silent: no answer"]


@pytest.mark.parametrize(("text", "columns"), [("Küche", 5), ("厨房", 4), ("e\u0301", 1), ("", 0)])
def test_the_width_of_a_text_is_that_on_a_terminal(text, columns):
    assert width(text) == columns
