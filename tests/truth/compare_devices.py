"""What the battery bank, the heat pump and the bill say, beside the truth."""

from bisect import bisect_left
from itertools import pairwise

from collector.ledger.sums import periods
from tests.truth.chain import ROME
from tests.truth.house import CAPACITY

SHED, HEAT, PUMP = 2, 3, 4  # places in Truth.read
COUNTED, AT_MOST, AT_LEAST = 0, 2, 3
LATEST_MS = 36 * 3_600_000  # by when what falls has been decided
TINY = 1e-6  # sums of floats
QUARTER_MS, HOUR_MS = 900_000, 3_600_000


def bank(truth, made, result):
    """Compare state of charge and energies of the bank after it was full for the first time.

    Where readings are missing, *unseen* is what may have flowed meanwhile: until the bank is full
    again, its state may be off by that.
    """
    found = made["battery_bank"]
    is_full, unseen, before, energies = False, 0, None, None
    since = 0  # charge that flowed since the last reading, up or down
    usual: list[int] = []  # the last intervals: a longer one may be taken for a gap
    for flowed, read in zip(truth.flowed, truth.read, strict=True):
        took_s = (flowed.until_ms - flowed.at_ms) // 1000
        values = found.get(("bank", flowed.at_ms)) if read[SHED] else None
        if values is None:
            since += abs(flowed.current_ma) * took_s
            continue
        passed_s = (flowed.at_ms - before.at_ms) // 1000 if before else 0
        is_usual = bool(usual) and passed_s <= 3 * min(usual)
        usual = [*usual, passed_s][-5:] if passed_s else []
        if before is not None and not (is_usual and before.until_ms == flowed.at_ms):
            most = max(abs(before.current_ma), abs(flowed.current_ma))
            unseen += 100 * (since + most * passed_s)
        elif before is not None and energies is not None:
            for name, sign in (("charged_energy", 1), ("discharged_energy", -1)):
                rise = values[name] - energies[name]
                wh = max(sign * before.current_ma, 0) * before.voltage / 1000
                true = wh * (before.until_ms - before.at_ms) / HOUR_MS
                result.add("energy of the bank", flowed.at_ms, rise, true, true, TINY)
        before, energies, since = flowed, values, abs(flowed.current_ma) * took_s
        if values.get("time_since_full_charge") == 0:
            is_full, unseen = True, 0
        if is_full:
            charge(flowed, values, unseen, result)


def charge(flowed, values, unseen, result):
    true = 100 * (1 - flowed.missing / CAPACITY)
    shown, quality = values["state_of_charge"], values["state_of_charge_quality"]
    off = 100 * unseen / CAPACITY
    low, high = (true, true) if not unseen else (true - off, true + off)
    if unseen and quality == AT_MOST:
        low = true
    if unseen and quality == AT_LEAST:
        high = true
    result.add("state of charge", (flowed.at_ms, quality), shown, low, high, TINY)
    result.need("its quality", flowed.at_ms, unseen or quality == COUNTED)


def heat_pump(truth, made, result):
    """Compare the totals from noon to noon, and the figures of each local day."""
    found = {at: values for (_, at), values in made["heat_pump_performance"].items()}
    daily = {at: values for at, values in found.items() if "daily_starts" in values}
    known = {
        "active_energy": truth.meters["heat"].known["active_energy"],
        "heat_energy": truth.meters["pump"].known["heat_energy"],
    }
    days = list(periods(truth.begin_ms, truth.end_ms, "day", ROME))
    noons = [one.begin_ms + 12 * HOUR_MS for one in days]
    for first, last in pairwise(noons):
        for name, each in known.items():
            if first in found and last in found and is_settled(each, first, last):
                rise = found[last][name] - found[first][name]
                true = (each.bounds(last)[0] - each.bounds(first)[0]) / 1e6
                off = told_of_heat(truth, first, last) if name == "active_energy" else 0
                result.add("heat pump", (name, last), rise, true - off, true + off, TINY)
    for one in days[:-1]:
        if values := daily.get(one.begin_ms):
            day(truth, one, values, known, result)


def told_of_heat(truth, begin_ms, end_ms):
    """Return what a replacement that was told may be off by here, in Wh.

    The derivation of the heat pump takes it for a restart: only the ledger knows what was told.
    """
    told = [
        each
        for each in truth.meters["heat"].happened
        if each.what == "told" and begin_ms <= each.end_ms + LATEST_MS and each.begin_ms < end_ms
    ]
    return 2000 * len(told)


def is_settled(known, *times):
    """Tell whether a counter was heard all the hour before each of some times."""
    for at_ms in times:
        at = bisect_left(known.at, at_ms)
        hour = known.at[max(at - 11, 0) : at + 1]
        if not hour or hour[-1] != at_ms or hour[0] != at_ms - 11 * 300_000:
            return False
    return True


def day(truth, one, values, known, result):
    for name, quantity in (("daily_energy", "active_energy"), ("daily_heat", "heat_energy")):
        if is_undecided(truth.meters["heat" if name == "daily_energy" else "pump"], one):
            continue
        first, last = (known[quantity].bounds(each) for each in (one.begin_ms, one.end_ms))
        off = told_of_heat(truth, one.begin_ms, one.end_ms) if name == "daily_energy" else 0
        bounds = (last[0] - first[1]) / 1e6 - off, (last[1] - first[0]) / 1e6 + off
        result.add("day of the heat pump", (name, one.begin_ms), values[name], *bounds, TINY)
    times = [each.at_ms for each in truth.flowed]
    begin, end = bisect_left(times, one.begin_ms), bisect_left(times, one.end_ms)
    if begin < 5 or not all(read[PUMP] for read in truth.read[begin - 1 : end + 1]):
        return
    span = truth.flowed[begin:end]
    if len({each.until_ms - each.at_ms for each in truth.flowed[begin - 5 : end]}) > 1:
        return  # an interval that grows is a gap at first
    starts = sum(
        is_on(after) and not is_on(before)
        for before, after in pairwise(truth.flowed[begin - 1 : end])
    )
    run_s = sum((each.until_ms - each.at_ms) / 1000 for each in span if is_on(each))
    for name, true in (("daily_starts", starts), ("daily_run_time", run_s)):
        result.add("day of the heat pump", (name, one.begin_ms), values[name], true, true, TINY)


def is_undecided(meter, one):
    """Tell whether something was not decided yet at an end of a day: it is of the day after."""
    return any(
        each.what in {"reset", "replaced", "told"}
        and each.begin_ms - HOUR_MS <= edge <= each.end_ms + HOUR_MS
        for each in meter.happened
        for edge in (one.begin_ms, one.end_ms)
    )


def is_on(flowed):
    return flowed.power["heat_pump"] > 0
