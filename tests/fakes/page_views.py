"""One rich example of each view: a house with sun, battery, heat pump and a meter that is away."""

import math

from collector.contract.views import (
    BackupAge,
    BillRow,
    BillView,
    Cost,
    CostView,
    DevicesView,
    DeviceView,
    Disk,
    EnergyPeriod,
    EnergyView,
    EventsView,
    EventView,
    Figure,
    Flow,
    HealthView,
    HistoryView,
    House,
    KnownDevice,
    KnownQuantity,
    Measured,
    MeterBill,
    NowView,
    OutputHealth,
    Part,
    PartCost,
    Peak,
    Problem,
    SourceHealth,
    Today,
    Vat,
)
from collector.status import ClockStatus, JournalStatus, OutputStatus, SourceStatus, Status

AT_MS = 1_763_654_400_000  # 20 November 2025, 16:00 UTC
QUARTER_MS, HOUR_MS, DAY_MS = 900_000, 3_600_000, 86_400_000
MIDNIGHT_MS = AT_MS - 17 * HOUR_MS  # in Rome

PROBLEMS = (
    Problem(
        text="garage is silent for 12 min: no answer within 0.3 s",
        command="sudo energy-monitor read garage --raw",
    ),
    Problem(
        text="grafana-cloud is away: Connection refused; 4,210 readings wait",
        command="energy-monitor status",
    ),
)


def spark(mean, swing):
    """Return ten minutes of a figure that swings."""
    return tuple(
        (AT_MS - (59 - n) * 10_000, round(mean + swing * math.sin(n / 6), 1)) for n in range(60)
    )


def device(name, kind, label, main, *figures, role="", age_s=0.6, source="", points=()):
    return DeviceView(
        device=name,
        kind=kind,
        label=label,
        source=source or name,
        at_ms=AT_MS - round(age_s * 1000),
        age_s=age_s,
        fresh=age_s < 60,
        role=role,
        main=main,
        figures=((main, *figures) if main else figures),
        spark=points,
    )


def watts(value, quantity="active_power", label="active power"):
    return Figure(quantity=quantity, label=label, value=value, unit="W")


NOW = NowView(
    site="home",
    label="Casa al lago",
    at_ms=AT_MS,
    clock_trusted=True,
    house=House(power=2345.6, usual_low=310.0, usual_high=1480.0, verdict="high"),
    flow=Flow(
        grid=-412.3,
        solar=3120.5,
        battery=-362.6,
        house=2345.6,
        heat_pump=1510.0,
        parts=(
            Part(name="heatpump", label="Heat pump", power=1510.0),
            Part(name="fridge", label="Fridge & <freezer>", power=84.2),
            Part(name="garage", label="Garage", power=None),
        ),
        rest=751.4,
    ),
    today=Today(
        begin_ms=MIDNIGHT_MS,
        until_ms=AT_MS,
        house_wh=8912.4,
        import_wh=4210.0,
        export_wh=1822.5,
        solar_wh=9120.0,
        self_use=0.8,
        autarky=0.53,
        cost="1.23",
        cost_state="known",
        currency="EUR",
        yesterday_same_time_cost="1.41",
        yesterday_same_time_wh=9875.0,
    ),
    measured=Measured(state="attention", sources_ok=7, sources=8, problems=PROBLEMS),
    devices=(
        device(
            "mains",
            "electricity",
            "Mains",
            watts(-412.3),
            Figure(quantity="voltage", label="voltage", value=231.4, unit="V"),
            Figure(quantity="frequency", label="frequency", value=50.01, unit="Hz"),
            Figure(
                quantity="active_energy_import",
                label="active energy, import",
                value=13_450_120.0,
                unit="Wh",
            ),
            role="grid",
            points=spark(-400, 350),
        ),
        device(
            "roof",
            "solar",
            "Roof",
            watts(3120.5, "panel_power", "panel power"),
            Figure(quantity="yield_today", label="yield today", value=9120.0, unit="Wh"),
            role="solar",
            points=spark(3000, 200),
        ),
        device(
            "bank",
            "battery",
            "Battery bank",
            Figure(quantity="state_of_charge", label="state of charge", value=78.5, unit="%"),
            watts(362.6, "battery_power", "battery power"),
            Figure(quantity="battery_voltage", label="battery voltage", value=52.81, unit="V"),
            Figure(quantity="time_to_go", label="time to go", value=7260.0, unit="s"),
            role="battery",
            points=spark(78, 1),
        ),
        device(
            "heatpump",
            "heatpump",
            "Heat pump",
            watts(1510.0),
            Figure(quantity="operating_mode", label="operating mode", value=0.0, unit="1"),
            Figure(
                quantity="hot_water_temperature",
                label="temperature of the hot water",
                value=48.2,
                unit="°C",
            ),
            Figure(quantity="cop", label="coefficient of performance", value=3.9, unit="1"),
            role="heat_pump",
            points=spark(1400, 120),
        ),
        device(
            "fridge",
            "electricity",
            "Fridge & <freezer>",
            watts(84.2),
            role="part of house",
            points=spark(70, 30),
        ),
        device(
            "lights.kitchen", "lighting", "Kitchen", watts(46.0, "estimated_power"), source="lights"
        ),
        device("garage", "electricity", "Garage", None, role="part of house", age_s=724.0),
        device(
            "weather",
            "climate",
            "Outdoors",
            Figure(quantity="temperature", label="temperature", value=-2.4, unit="°C"),
            age_s=40.0,
        ),
    ),
)

DEVICES = DevicesView(
    at_ms=AT_MS,
    devices=(
        KnownDevice(
            device="mains",
            kind="electricity",
            label="Mains",
            source="mains",
            role="grid",
            at_ms=AT_MS - 600,
            quantities=(
                KnownQuantity(quantity="active_power", label="active power", unit="W", kept=True),
                KnownQuantity(
                    quantity="active_energy_import",
                    label="active energy, import",
                    unit="Wh",
                    counter=True,
                    kept=True,
                ),
            ),
        ),
        KnownDevice(
            device="garage",
            kind="electricity",
            label="Garage",
            source="garage",
            role="part of house",
            at_ms=AT_MS - 724_000,
            quantities=(KnownQuantity(quantity="active_power", label="active power", unit="W"),),
        ),
    ),
)

DAY_POINTS = tuple(
    (MIDNIGHT_MS + n * 60_000, None, None, None)
    if 300 <= n < 330
    else (
        MIDNIGHT_MS + n * 60_000,
        round(600 + 400 * math.sin(n / 90), 1),
        round(400 + 400 * math.sin(n / 90), 1),
        9012.0 if n == 700 else round(800 + 400 * math.sin(n / 90), 1),
    )
    for n in range(17 * 60)
)

HISTORY = HistoryView(
    device="mains",
    label="Mains",
    quantity="active_power",
    unit="W",
    begin_ms=MIDNIGHT_MS,
    end_ms=MIDNIGHT_MS + DAY_MS,
    step_ms=60_000,
    source="journal",
    shows="level",
    points=DAY_POINTS,
    mean=612.3,
    low=3.1,
    high=9012.0,
    before=tuple(
        (at - DAY_MS, None if mean is None else round(mean * 1.1, 1), low, high)
        for at, mean, low, high in DAY_POINTS
    ),
    change=-0.12,
)

HISTORY_OF_COUNTER = HistoryView(
    device="mains",
    label="Mains",
    quantity="active_energy_import",
    unit="Wh",
    begin_ms=MIDNIGHT_MS,
    end_ms=MIDNIGHT_MS + DAY_MS,
    step_ms=QUARTER_MS,
    source="ledger",
    shows="used",
    points=tuple((MIDNIGHT_MS + n * QUARTER_MS, 150.0 + n, None, None) for n in range(17 * 4)),
    total=12_478.0,
)


def energy_of(begin_ms, length_ms, scale):
    """Return a period whose parts and origins add up to the house."""
    return EnergyPeriod(
        begin_ms=begin_ms,
        end_ms=begin_ms + length_ms,
        house=1000.0 * scale,
        imported=500.0 * scale,
        exported=200.0 * scale,
        solar=700.0 * scale,
        battery_in=100.0 * scale,
        battery_out=100.0 * scale,
        from_grid=500.0 * scale,
        from_solar=400.0 * scale,
        from_battery=100.0 * scale,
        parts={"heatpump": 600.0 * scale, "fridge": 80.0 * scale},
        rest=320.0 * scale,
        self_use=0.71,
        autarky=0.5,
        known=1.0,
    )


ENERGY = EnergyView(
    by="hour",
    unit="Wh",
    begin_ms=MIDNIGHT_MS,
    end_ms=MIDNIGHT_MS + DAY_MS,
    periods=tuple(energy_of(MIDNIGHT_MS + n * HOUR_MS, HOUR_MS, 0.3 + n / 20) for n in range(17)),
    total=energy_of(MIDNIGHT_MS, DAY_MS, 11.9),
    before=energy_of(MIDNIGHT_MS - DAY_MS, DAY_MS, 13.5),
    change=-0.12,
    labels={"heatpump": "Heat pump", "fridge": "Fridge & <freezer>", "garage": "Garage"},
)

ROWS = (
    BillRow(
        contract="Energia",
        kind="energy",
        name="F1",
        quantity="92.310",
        unit="kWh",
        price="0.1812",
        amount="16.73",
        vat_percent="10",
    ),
    BillRow(
        contract="Energia",
        kind="energy",
        name="F23",
        quantity="141.007",
        unit="kWh",
        price="0.1544",
        amount="21.77",
        vat_percent="10",
        gap_kwh="0.42",
    ),
    BillRow(
        contract="Energia",
        kind="standing",
        name="Fixed",
        quantity="20",
        unit="days",
        price="0.35",
        amount="7.00",
        vat_percent="10",
    ),
    BillRow(
        contract="Feed-in",
        kind="export",
        name="Fed in",
        quantity="34.120",
        unit="kWh",
        price="0.08",
        amount="-2.73",
    ),
)

COST = CostView(
    at_ms=AT_MS,
    currency="EUR",
    today=Cost(amount="1.23", wh=4210.0, begin_ms=MIDNIGHT_MS, end_ms=AT_MS),
    yesterday=Cost(amount="2.05", wh=8120.0, begin_ms=MIDNIGHT_MS - DAY_MS, end_ms=MIDNIGHT_MS),
    month=Cost(amount="47.32", wh=233_317.0, begin_ms=MIDNIGHT_MS - 19 * DAY_MS, end_ms=AT_MS),
    month_before=Cost(
        amount="66.10",
        wh=341_000.0,
        begin_ms=MIDNIGHT_MS - 50 * DAY_MS,
        end_ms=MIDNIGHT_MS - 19 * DAY_MS,
    ),
    forecast=Cost(
        amount="70.98",
        wh=350_000.0,
        begin_ms=MIDNIGHT_MS - 19 * DAY_MS,
        end_ms=MIDNIGHT_MS + 11 * DAY_MS,
    ),
    by_window=ROWS,
    by_part=(
        PartCost(name="heatpump", label="Heat pump", wh=120_400.0, amount="22.10"),
        PartCost(name="fridge", label="Fridge & <freezer>", wh=14_200.0, amount="2.61"),
        PartCost(name="", label="", wh=98_717.0, amount="18.20"),
    ),
    base_load_w=142.0,
    base_load_per_year="213.40",
    peak_quarter=Peak(power=5230.0, at_ms=MIDNIGHT_MS - 4 * DAY_MS + 19 * HOUR_MS),
    self_use=0.78,
    autarky=0.49,
    warnings=("market: 92 prices for the 96 quarter hours of 2025-11-18; not billed",),
)

BILL = BillView(
    site="home",
    label="Casa al lago",
    month="2025-11",
    months=("2025-11", "2025-10", "2025-09"),
    bills=(
        MeterBill(
            meter="mains",
            label="Mains",
            first="2025-11-01",
            last="2025-11-20",
            currency="EUR",
            rows=ROWS,
            net="42.77",
            vat=(Vat(percent="10", of="45.50", amount="4.55"),),
            total="47.32",
            measured=0.9991,
            gap_s=1560,
            gap_kwh="0.42",
            notes=("market: 92 prices for the 96 quarter hours of 2025-11-18; not billed",),
        ),
    ),
)

HEALTH = HealthView(
    at_ms=AT_MS,
    state="attention",
    version="1.0.0",
    problems=PROBLEMS,
    sources=(
        SourceHealth(
            name="mains",
            label="Mains",
            state="alive",
            since_ms=AT_MS - 3 * DAY_MS,
            age_s=0.6,
            reads=259_200,
            failures=3,
            last_error="",
        ),
        SourceHealth(
            name="garage",
            label="Garage",
            state="silent",
            since_ms=AT_MS - 724_000,
            age_s=724.0,
            reads=1200,
            failures=41,
            last_error="no answer within 0.3 s",
        ),
    ),
    outputs=(
        OutputHealth(
            name="history",
            label="",
            state="delivering",
            since_ms=AT_MS - 3 * DAY_MS,
            delivered=2_592_000,
            backlog=3,
            backlog_s=1.2,
            ends_in_s=None,
            last_error="",
        ),
        OutputHealth(
            name="grafana-cloud",
            label="Grafana Cloud",
            state="away",
            since_ms=AT_MS - 900_000,
            delivered=12_000,
            backlog=4210,
            backlog_s=900.0,
            ends_in_s=42.0,
            last_error="Connection refused",
        ),
    ),
    backups=(
        BackupAge(task="backup", age_s=30_000.0),
        BackupAge(task="rehearsal", age_s=260_000.0),
    ),
    disk=Disk(free=21_400_000_000, size=29_000_000_000, written_per_day=310_000_000, years=11.4),
    machine=(
        Figure(quantity="cpu_temperature", label="CPU temperature", value=51.5, unit="°C"),
        Figure(quantity="load_1m", label="load", value=0.21, unit="1"),
    ),
    status=Status(
        site="home",
        now_ms=AT_MS,
        up_s=259_200.0,
        clock=ClockStatus(trusted=True, steps=1),
        sources={
            "mains": SourceStatus(state="alive", age_s=0.6, reads=259_200),
            "garage": SourceStatus(state="silent", age_s=724.0),
        },
        outputs={
            "history": OutputStatus(state="delivering"),
            "grafana-cloud": OutputStatus(state="away", last_error="Connection refused"),
        },
        journal=JournalStatus(readings=4_812_000, bytes=141_000_000, days=7.0),
        resident_memory=36_000_000,
        backups={"backup": 30_000.0, "rehearsal": 260_000.0},
        problems=tuple(each.text for each in PROBLEMS),
    ),
)

EVENTS = EventsView(
    begin_ms=AT_MS - 30 * DAY_MS,
    end_ms=AT_MS,
    events=(
        EventView(at_ms=AT_MS - 724_000, device="garage", text="garage is silent", kind="alert"),
        EventView(
            at_ms=AT_MS - DAY_MS,
            device="mains",
            text="nothing was measured; 420 Wh used meanwhile",
            kind="gap",
            until_ms=AT_MS - DAY_MS + 1_560_000,
        ),
        EventView(at_ms=AT_MS - 3 * DAY_MS, device="collector", text="started", kind="restart"),
        EventView(
            at_ms=AT_MS - 9 * DAY_MS,
            device="fridge",
            text="active_energy was replaced: the old meter ended at 812.4 kWh, the new one now "
            "shows 0.1 kWh; 0.1 kWh counted between",
            kind="counter",
        ),
    ),
)
