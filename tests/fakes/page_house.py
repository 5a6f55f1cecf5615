"""A house with sun, battery, heat pump and fridge: its ledger, its journal and its contract.

Forty days in the ledger, six hours in the journal, ending at ``NOW_MS``. All figures follow from
the quarter or second that they are of, so that a test can compute them anew.
"""

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from collector.contract.page import DeviceNow, Home
from collector.journal.journal import Journal
from collector.ledger.database import Event, Gap, create
from collector.ledger.days import MICRO, PER_DAY, QUARTER_MS, Amount, Shown
from collector.reading import Reading, encode
from collector.scalars import Role
from collector.status import AlertStatus, ClockStatus, LatestReading, SourceStatus, Status

ZONE = "Europe/Rome"
NOW_MS = round(datetime(2026, 11, 20, 16, 10, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)
NOW = NOW_MS // QUARTER_MS  # the quarter that is not over
DAYS = 40
FIRST = (NOW // PER_DAY - DAYS) * PER_DAY
ROLES = {
    "mains": Role("grid"),
    "roof": Role("solar"),
    "bank": Role("battery"),
    "heatpump": Role("heat_pump"),
    "fridge": Role("part of house"),
}
LABELS = {"mains": "Mains", "heatpump": "Heat pump", "fridge": "Fridge & <freezer>"}
SPIKE_MS = NOW_MS - 7_200_000
SPIKE_W = 9_000.0
TARIFFS = """
contracts:
  - name: Energia
    from: 2026-01-01
    currency: EUR
    vat: 10%
    meter: mains
    energy:
      - {name: F1, days: mon-fri, hours: "08:00-19:00", price: 0.25}
      - {name: F23, price: 0.20}
    standing: 9.00/month
"""


def flows(quarter):
    """Return what flowed in a quarter, in micro-Wh: house, solar, charged, discharged."""
    slot = quarter % PER_DAY
    house = (100 + (quarter * 7) % 31) * MICRO
    solar = max(round(400 * math.sin((slot - 28) / 40 * math.pi)), 0) * MICRO
    charged = 20 * MICRO if solar > 200 * MICRO else 0
    discharged = 25 * MICRO if slot > 76 else 0
    return house, solar, charged, discharged


def counters(quarter):
    """Yield device, quantity and micro-Wh of a quarter."""
    house, solar, charged, discharged = flows(quarter)
    net = house - solar + charged - discharged
    yield "mains", "active_energy_import", max(net, 0)
    yield "mains", "active_energy_export", max(-net, 0)
    yield "roof", "active_energy_export", solar
    yield "bank", "charged_energy", charged
    yield "bank", "discharged_energy", discharged
    yield "heatpump", "active_energy", 40 * MICRO
    yield "fridge", "active_energy", 12 * MICRO


def write_ledger(file, days=DAYS):
    ledger = create(file)
    first = (NOW // PER_DAY - days) * PER_DAY
    with ledger.transaction():
        for day in range(first // PER_DAY, NOW // PER_DAY + 1):
            quarters = range(day * PER_DAY, min((day + 1) * PER_DAY, NOW))
            rows: dict[tuple[str, str, Any], dict[int, Any]] = {}
            for quarter in quarters:
                for device, quantity, micro in counters(quarter):
                    there = rows.setdefault((device, quantity, "counter"), {})
                    there[quarter % PER_DAY] = Amount(micro, QUARTER_MS)
                there = rows.setdefault(("mains", "active_power", "gauge"), {})
                high = SPIKE_W if quarter == SPIKE_MS // QUARTER_MS else 900.0
                there[quarter % PER_DAY] = Shown(500.0, 100.0, high, QUARTER_MS)
            for key, there in rows.items():
                ledger.put_day(ledger.series(*key), day, there)
        ledger.put_gap(
            ledger.series("garage", "active_energy", "counter"),
            Gap(NOW_MS - 86_400_000, NOW_MS - 84_000_000, 420 * MICRO),
        )
        more = {"active_energy": 100.0, "event_before": 812_400.0, "event_energy": 100.0}
        ledger.put_event(Event(NOW_MS - 9 * 86_400_000, "fridge", "active_energy", "7", more))
    ledger.close()
    return file


def power_at(second):
    return round(500 + 300 * math.sin(second / 600), 1)


def write_journal(folder, hours=6, devices=("mains", "fridge")):
    """Write a reading of each device each second; the mains has a spike of one second."""
    journal = Journal(folder, "boot")
    journal.open()
    for begin in range(NOW_MS // 1000 - hours * 3600, NOW_MS // 1000, 60):
        lines = []
        for second in range(begin, begin + 60):
            for device in devices:
                is_spike = device == "mains" and second == SPIKE_MS // 1000
                power = SPIKE_W if is_spike else power_at(second)
                values = {"voltage": 230.1, "active_power": power, "active_power_l1": 1.0}
                lines.append(encode(Reading("electricity", device, second * 1000, values)))
        journal.append(lines)
    journal.sync()
    journal.keep_house(1 << 30)
    journal.close()
    return folder


def home(folder, **given):
    """Write a house into *folder*; return what the page is told of it."""
    (folder / "ledger").mkdir(parents=True)
    (folder / "tariffs.yaml").write_text(TARIFFS)
    return Home(
        site="home",
        timezone=ZONE,
        version="1.2.3",
        journal=write_journal(folder / "journal"),
        ledger=write_ledger(folder / "ledger" / "ledger.sqlite"),
        tariffs=folder / "tariffs.yaml",
        holidays=folder / "holidays.json",
        labels=LABELS,
        roles=ROLES,
        **given,
    )


def show():
    """Return what the service says of now."""
    at_ms = NOW_MS - 400
    flow = {
        "house_power": 2345.6,
        "grid_import_power": 0.0,
        "grid_export_power": 412.3,
        "solar_power": 3120.5,
        "battery_charge_power": 362.6,
        "battery_discharge_power": 0.0,
        "rest_power": 751.4,
    }
    devices = [
        DeviceNow(
            *("electricity", "mains", "Mains", "mains", at_ms),
            {"voltage": 231.4, "active_power": -412.3, "active_energy_import": 13_450_120.0},
        ),
        DeviceNow("solar", "roof", "", "roof", at_ms, {"panel_power": 3120.5}),
        DeviceNow(
            *("battery", "bank", "", "bank", at_ms),
            {"battery_power": 362.6, "state_of_charge": 78.5},
        ),
        DeviceNow(
            *("heatpump", "heatpump", "Heat pump", "heatpump", at_ms), {"active_power": 1510.0}
        ),
        DeviceNow("electricity", "fridge", "", "fridge", at_ms, {"active_power": 84.2}),
        DeviceNow("electricity", "garage", "", "garage", NOW_MS - 724_000, {}),
        DeviceNow("flows", "home", "", "flows", at_ms, flow),
        *(
            DeviceNow("lighting", f"lights.{each}", "Lights", "lights", NOW_MS - 3_600_000, {})
            for each in ("kitchen", "hall")
        ),
        DeviceNow("electricity_1m", "mains", "", "mains", at_ms, {"active_power": 1.0}),
        DeviceNow("collector", "mains", "", "mains", at_ms, {"reads": 7.0}),
    ]
    kitchen = LatestReading(kind="lighting", values={"level": 40.0, "estimated_power": 24.0})
    sources = {
        "lights": SourceStatus(
            label="Lights", state="alive", age_s=3600.0, latest={"lights.kitchen": kitchen}
        ),
        "mains": SourceStatus(state="alive", age_s=0.4),
        "garage": SourceStatus(state="silent", last_error="no answer within 0.3 s"),
    }
    status = Status(
        site="home",
        now_ms=NOW_MS,
        up_s=86_400.0,
        clock=ClockStatus(trusted=True),
        sources=sources,
        alerts={
            "base.fridge": AlertStatus(
                text="the fridge runs on", advice="Look whether its door is open.", since_ms=NOW_MS
            )
        },
        problems=(
            "source garage is silent: no answer within 0.3 s",
            "alert base.fridge for 3 min: the fridge runs on",
        ),
    )
    return status, devices
