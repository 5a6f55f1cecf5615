"""What roll-ups of gauges and the power flow say, beside what was read."""

from bisect import bisect_left

from collector.ledger.sums import By, periods
from tests.truth.chain import ROME

WANTED = ("electricity_1h", "electricity_1d", "flows")
MAINS, ROOF, SHED, HEAT = range(4)
BY: dict[str, By] = {"electricity_1h": "hour", "electricity_1d": "day"}


def rollups(truth, made, result):
    """Compare mean, lowest, highest and last power of two meters in each hour and local day."""
    times = [each.at_ms for each in truth.flowed]
    for kind, by in BY.items():
        for one in periods(truth.begin_ms, truth.end_ms, by, ROME):
            first, last = bisect_left(times, one.begin_ms), bisect_left(times, one.end_ms)
            for device, place, name in (("mains", MAINS, "mains"), ("heat", HEAT, "heat_pump")):
                read = [
                    flowed.power[name]
                    for flowed, heard in zip(
                        truth.flowed[first:last], truth.read[first:last], strict=True
                    )
                    if heard[place]
                ]
                values = made[kind].get((device, one.begin_ms))
                # What came late is left out, and a reading that is late by a slot is.
                if values is None or truth.is_late(device, one) or one.end_ms > truth.end_ms:
                    continue
                where = kind, device, one.begin_ms
                true = {
                    "mean": sum(round(each * 1e6) for each in read) / len(read) / 1e6,
                    "lowest": min(read),
                    "highest": max(read),
                    "last": read[-1],
                }
                for figure, right in true.items():
                    value = values[f"active_power_{figure}"]
                    result.add("roll-up of power", (*where, figure), value, right, right, 1e-9)


def flows(truth, made, result):
    """Compare what the house draws at each instant at which all of its meters were heard."""
    shown = {at: values for (device, at), values in made["flows"].items() if device == "home"}
    for flowed, heard in zip(truth.flowed, truth.read, strict=True):
        values = shown.get(flowed.at_ms // 60_000 * 60_000)
        if values is None or flowed.at_ms % 60_000 or not all(heard[: HEAT + 1]):
            continue
        if flowed.until_ms - flowed.at_ms < 60_000:
            continue  # the balance is that at the end of its slot
        power = flowed.power
        house = power["mains"] + power["solar"] - power["battery"]
        result.add(
            "power of the house",
            flowed.at_ms,
            values["house_power"],
            max(house, 0),
            max(house, 0),
            1e-6,
        )
