"""A simulated house whose meters do everything that meters do: every figure beside the truth.

The long run reads every 5 minutes, a few days every minute, and each second around the hours that
are there twice or not at all; each second for 400 days would take an hour. It is killed some 130
times. Short runs are the same over a real journal, with the service's own derivations and keeper.
"""

import logging
from contextlib import closing
from datetime import date

import pytest

from collector.ledger.database import open_to_read
from collector.ledger.sums import used
from tests.truth import compare_gauges
from tests.truth.chain import ROME, Chain
from tests.truth.compare_all import result_of
from tests.truth.lines import Lines
from tests.truth.run import (
    ALL_OPTIONS,
    BUILT,
    CLOCK_CHANGES,
    OPTIONS,
    ROLES,
    WANTED,
    begin_of,
    every_s,
    run,
)


def show(result, truth, it, capsys):
    with capsys.disabled():
        happened = sum(len(each.happened) for each in truth.meters.values())
        print(f"\n{result.text}; {happened} mishaps, {it.kills} kills")
    assert result.wrong == []


@pytest.mark.slow
def test_400_days_are_equal_to_the_truth(tmp_path, capsys, caplog):
    caplog.set_level(logging.ERROR, "collector")
    it = Lines(tmp_path, OPTIONS, ROLES, WANTED)
    truth = run(it, 1, BUILT, 400, every_s(400, CLOCK_CHANGES))
    result = result_of(truth, it)
    show(result, truth, it, capsys)
    assert it.kills > 100
    assert result.exact.total() > 500_000
    assert result.bounded.total() < result.exact.total() / 20


@pytest.mark.slow
@pytest.mark.parametrize(("first", "seed"), [(date(2026, 3, 28), 2), (date(2026, 10, 24), 3)])
def test_so_are_days_on_which_clocks_change_out_of_a_real_journal(
    first, seed, tmp_path, capsys, caplog
):
    caplog.set_level(logging.ERROR, "collector")
    it = Chain(tmp_path, ALL_OPTIONS, ROLES, begin_of(first))
    truth = run(it, seed, first, 3, every_s(400, CLOCK_CHANGES), every_hours=4, calm_days=1)
    result = result_of(truth, it)
    compare_gauges.rollups(truth, it.made(compare_gauges.WANTED), result)
    compare_gauges.flows(truth, it.made(compare_gauges.WANTED), result)
    show(result, truth, it, capsys)
    assert it.kills


@pytest.mark.parametrize("seed", range(4, 7))
def test_so_is_a_fortnight(seed, tmp_path, capsys, caplog):
    caplog.set_level(logging.ERROR, "collector")
    first = date(2026, 3, 20)
    it = Lines(tmp_path, OPTIONS, ROLES, WANTED)
    truth = run(it, seed, first, 14, every_s(400), every_hours=6)
    result = result_of(truth, it)
    show(result, truth, it, capsys)


ALERTS = {
    "type": "alerts",
    "rules": {
        "much": {"when": "mains.active_power > 2 kW"},
    },
}
ZEROS = {name: ["false_zeros"] for name in ("mains", "roof", "shed", "heat", "pump")}
FLOWS = ("house", "imported", "exported", "solar", "from_grid", "from_solar", "from_battery")


def test_false_zeros_move_no_figure_by_more_than_was_used_meanwhile(tmp_path, caplog):
    """The same house with false zeros and without: sums by day, flows, roll-ups, bills, alerts."""
    caplog.set_level(logging.ERROR, "collector")
    first, days, houses = date(2026, 4, 1), 10, []
    wanted = {**WANTED, "alert": ()}
    for number, happenings in enumerate((ZEROS, {name: [] for name in ZEROS})):
        it = Lines(tmp_path / str(number), {**OPTIONS, "alerts": ALERTS}, ROLES, wanted)
        truth = run(it, 7, first, days, every_s(400), happenings=happenings, every_hours=3)
        houses.append((it, truth))
    assert sum(len(each.happened) for each in houses[0][1].meters.values()) > 50
    for it, truth in houses:
        assert result_of(truth, it).wrong == []
    for by in ("hour", "day", "month"):
        with_zeros, without = (sums_of(it, truth, by) for it, truth in houses)
        for key, micro in with_zeros.items():
            assert abs(micro - without[key]) <= most_meanwhile(houses[1][1], *key), (by, key)
    raised = [
        {key: values for key, values in it.found["alert"].items() if "fell" not in key[0]}
        for it, _ in houses
    ]
    assert raised[0] == raised[1] != {}  # that a counter fell is said, and no more


def sums_of(it, truth, by):
    """Return every sum of a house by device, counter and time."""
    with closing(open_to_read(it.file)) as database:
        return {
            (device, quantity, one.period.begin_ms): one.micro
            for (device, quantity, kind), series in database.known.items()
            if kind == "counter"
            for one in used(database, series, truth.begin_ms, truth.end_ms, by, ROME)
        }


def most_meanwhile(truth, device, quantity, begin_ms):
    """Return what can have been used around an hour's two ends, each up to seven readings long."""
    known = truth.meters[device].known[quantity]
    span = 8 * 300_000
    first = known.bounds(begin_ms + span)[1] - known.bounds(begin_ms - span)[0]
    return first + 3_000 * 1_000_000  # what 4 kW are in 40 minutes at the other end
