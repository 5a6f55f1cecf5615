"""This second: the house, its power flow, today, whether all is measured, each device."""

from collections.abc import Mapping, Sequence

from collector.contract.page import DeviceNow
from collector.contract.roles import FLOWS, HOUSE
from collector.contract.views import (
    Flow,
    House,
    Measured,
    NowView,
    Part,
    Today,
    Verdict,
)
from collector.derive.flows import meters
from collector.page.views import figures
from collector.page.views.health import problems_of, state_of
from collector.page.views.records import Records
from collector.page.views.sparks import Sparks
from collector.page.views.usual import Usual
from collector.status import Status

NOTHING: Mapping[str, float] = {}
MARGIN, LEAST_W = 0.1, 50.0  # by so much more than usual is unusual


def view(
    records: Records,
    status: Status,
    devices: Sequence[DeviceNow],
    sparks: Sparks,
    usual: Usual | None,
    today: Today,
) -> NowView:
    flow = flow_of(records, devices)
    return NowView(
        site=status.site,
        label=status.site,
        at_ms=status.now_ms,
        clock_trusted=status.clock.trusted,
        house=house_of(flow.house, usual),
        flow=flow,
        today=today,
        measured=measured(status),
        devices=figures.devices(devices, records.home, sparks, status),
    )


def house_of(power: float | None, usual: Usual | None) -> House:
    if usual is None:
        return House(power=power)
    return House(
        power=power, usual_low=usual.low, usual_high=usual.high, verdict=verdict(power, usual)
    )


def verdict(power: float | None, usual: Usual) -> Verdict:
    if power is None:
        return "unknown"
    if power > usual.high + max(MARGIN * usual.high, LEAST_W):
        return "high"
    if power < usual.low - max(MARGIN * usual.low, LEAST_W):
        return "low"
    return "usual"


def flow_of(records: Records, devices: Sequence[DeviceNow]) -> Flow:
    """Return the power flow, as the derivation of flows found it; else that of the only meter."""
    plan = records.plan
    values = {each.device: each.values for each in devices if each.kind != FLOWS}
    if not plan.is_balanced:
        drawn = [each.values for each in devices if each.kind == "electricity"]
        only = meters.power(drawn[0], "part") if len(drawn) == 1 else None
        return Flow(grid=only, house=only)
    found = next(
        (
            each.values
            for each in devices
            if each.kind == FLOWS and each.device == records.home.site
        ),
        NOTHING,
    )
    parts = tuple(
        Part(
            name=part,
            label=label_of(part, devices, records),
            power=meters.power(values.get(part, NOTHING), "part"),
        )
        for part, whole in plan.parts.items()
        if whole == HOUSE
    )
    pumps = [part.power for part in parts if records.home.roles.get(part.name) == "heat_pump"]
    return Flow(
        grid=less(found, "grid_import_power", "grid_export_power", plan.of("grid")),
        solar=found.get("solar_power") if plan.of("solar") else None,
        battery=less(found, "battery_discharge_power", "battery_charge_power", plan.of("battery")),
        house=found.get("house_power"),
        heat_pump=sum(each or 0 for each in pumps) if any(p is not None for p in pumps) else None,
        parts=parts,
        rest=found.get("rest_power") if parts else None,
    )


def less(values: Mapping[str, float], more: str, less: str, devices: Sequence[str]) -> float | None:
    """Return the difference of two sides; None where there is no such device, or it is away."""
    if more not in values or (not devices and not more.startswith("grid")):
        return None
    return round(values[more] - values.get(less, 0.0), 3)


def label_of(device: str, devices: Sequence[DeviceNow], records: Records) -> str:
    heard = next((each.label for each in devices if each.device == device and each.label), "")
    return heard or records.home.labels.get(device, "")


def measured(status: Status) -> Measured:
    alive = sum(each.state == "alive" for each in status.sources.values())
    return Measured(
        state=state_of(status),
        sources_ok=alive,
        sources=len(status.sources),
        problems=problems_of(status),
    )
