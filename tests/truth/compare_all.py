"""Everything that a house has stored, beside the truth."""

from tests.truth import compare, compare_bill, compare_devices
from tests.truth.run import WANTED


def result_of(truth, it):
    """Compare all that every house has; *it* is where it lived."""
    result, made = compare.Result(), it.made(WANTED)
    found = compare.ledger(truth, it.file, result)
    compare.rollups(truth, found, made, result)
    compare.balances(truth, it.file, found, result)
    compare_devices.bank(truth, made, result)
    compare_devices.heat_pump(truth, made, result)
    compare_bill.bills(truth, it.file, found, result)
    return result
