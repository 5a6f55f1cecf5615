"""A simulated house whose meters do everything that meters do: every figure beside the truth.

The long run reads every 5 minutes, a few days every minute, and each second around the hours that
are there twice or not at all; each second for 400 days would take an hour. It is killed some 130
times. Short runs are the same over a real journal, with the service's own derivations and keeper.
"""

import logging
from datetime import date

import pytest

from tests.truth import compare, compare_bill, compare_devices, compare_gauges
from tests.truth.chain import Chain
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


def result_of(truth, it):
    """Compare everything that a house has stored."""
    result, made = compare.Result(), it.made(WANTED)
    found = compare.ledger(truth, it.file, result)
    compare.rollups(truth, found, made, result)
    compare.balances(truth, it.file, found, result)
    compare_devices.bank(truth, made, result)
    compare_devices.heat_pump(truth, made, result)
    compare_bill.bills(truth, it.file, found, result)
    return result


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
