"""What the demo writes into its folder: the house, its configuration, its contract, a secret."""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from collector.config import DEFAULT_FILE
from collector.contract.page import PageOptions
from collector.demo import history, lights
from collector.demo.household import HEAT_PUMP, METERS, QUANTITIES, Household
from collector.errors import EnergyMonitorError

OURS = "# The demo's house. The real thing differs in the lines, and has outputs.\n"
CONFIG = """\
site: demo
timezone: {timezone}
data_dir: {folder}
runtime_dir: {folder}
clock: {{trust: always}}
page: {{port: {port}}}
sources:
{meters}
  battery:
    type: vedirect
    label: Battery in the shed
    line: {battery}
    expect: {{PID: "0x204"}}
    role: battery
  sun:
    type: vedirect
    label: Panels on the shed
    line: {sun}
    role: solar
  heatpump:
    type: luxtronik
    label: Heat pump
    line: {heat_pump}
    every: 5s
    quantities: [{heat_pump_quantities}, coefficient_of_performance]
  lights:
    type: lutron_qs
    label: Lights
    line: {lights}
    user: {user}
    password: !secret demo-lights
    database: {database}
  pi:
    type: host
    label: This computer
    every: 10s
derivations:
  flows: {{type: flows, since: beginning}}
  bank:
    type: battery_bank
    label: Bank in the shed
    since: beginning
    device: battery
    chemistry: lifepo4
    capacity: 50
    in_series: 2
    charged_voltage: 13.3
    tail_current: 50  # the charger has no absorption
  heating:
    type: heat_pump
    label: Heat pump's performance
    since: beginning
    device: heatpump
    meter: heatpump_meter
    boundary: H3
  alerts:
    type: alerts
    since: beginning
    contract: 3300
    rules:
      filter:
        when: heatpump.heat_pump_time > 100 h
        say: the heat pump has run for more than 100 hours since its filter was cleaned
        do: clean the filter in the return
"""
METER = """\
  {name}:
    type: modbus
    label: {label}
    line: {line}
    serial: {{baudrate: 9600, parity: none}}  # a pseudo-terminal knows neither
    model: {model}
    address: {address}
    every: {every}
    role: {role}
    quantities: [{quantities}]"""
TARIFFS = """\
# The demo's contract; docs/tariffs.md says how yours is written.
contracts:
  - from: 2026-01-01
    name: Demo
    meter: mains
    currency: EUR
    vat: 10%
    standing: 0.42/day
    energy:
      - {name: day, price: 0.2450, days: mon-fri, hours: 08:00-19:00}
      - {name: evening, price: 0.2120, days: mon-sat, hours: 07:00-23:00}
      - {name: night and Sunday, price: 0.1780}
    export: 0.085
"""
BUS, BATTERY, SUN = "meters", "battery", "sun"  # the simulated devices' serial ports
SEED = 1
ELSEWHERE = "Europe/Rome"  # where this computer does not say where it is


@dataclass(frozen=True)
class Place:
    """Where the house stands, since when, and when the journal begins, in seconds since 1970."""

    timezone: str
    built: date
    read_since: float

    def household(self) -> Household:
        """Return the house; each has sums of its own, so that threads do not meet in one."""
        return Household(SEED, self.timezone, self.built)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what a simulated device is told of it."""
        built = f"--built={self.built}"
        return (f"--seed={SEED}", f"--timezone={self.timezone}", built)


def place_in(folder: Path, now: float) -> Place:
    """Return where the house of *folder* stands; a new one was built sixty days ago.

    Raise EnergyMonitorError where the folder has the readings of another house, OSError.
    """
    file = folder / "house.json"
    try:
        if file.exists():
            known = json.loads(file.read_text(encoding="utf-8"))
            built = date.fromisoformat(known["built"])
            return Place(str(known["timezone"]), built, float(known["read_since"]))
    except (ValueError, LookupError, TypeError) as error:
        raise EnergyMonitorError(f"{file} is damaged: remove {folder} ({error})") from error
    if (folder / "journal").exists():
        msg = f"{folder} has readings of another house: remove it, or name another with --data-dir"
        raise EnergyMonitorError(msg)
    timezone = timezone_here()
    built = datetime.fromtimestamp(now, ZoneInfo(timezone)).date() - timedelta(days=history.DAYS)
    place = Place(timezone, built, history.first_reading(now))
    file.write_text(json.dumps(asdict(place), default=str), encoding="utf-8")
    return place


def timezone_here() -> str:
    """Return the time zone of this computer, where it has one with a name of a place."""
    path = os.path.realpath("/etc/localtime")
    name = os.environ.get("TZ", path.partition("zoneinfo/")[2])
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return ELSEWHERE
    return name if "/" in name and not name.startswith("Etc/") else ELSEWHERE


def port_for_page(usual: int = PageOptions.port) -> int:
    """Return the usual port, unless an installation here has it; then one that is free."""
    for port in (0,) if DEFAULT_FILE.exists() else (usual, 0):
        with closing(socket.socket()) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind((PageOptions.address, port))
                door.listen()
            except OSError:
                continue
            return int(door.getsockname()[1])
    return 0


def check_ours(folder: Path) -> Path:
    """Return the configuration's file. Raise EnergyMonitorError where one is that is not ours."""
    file = folder / "config.yaml"
    if file.exists() and not file.read_bytes().startswith(OURS.encode()):
        msg = f"{file} is not the demo's: name another folder with --data-dir"
        raise EnergyMonitorError(msg)
    return file


def configure(
    folder: Path, place: Place, heat_pump: str, processor: tuple[str, str], more: str = ""
) -> Path:
    """Write the demo's configuration. Raise EnergyMonitorError where one is that is not ours.

    *processor* is the line of the lights, and where their database is; *more* is added at the end.
    """
    file = check_ours(folder)
    text = CONFIG.format(
        timezone=place.timezone,
        port=port_for_page(),
        folder=quoted(folder),
        meters="\n".join(meters(quoted(folder / BUS))),
        battery=quoted(folder / BATTERY),
        sun=quoted(folder / SUN),
        heat_pump=heat_pump,
        heat_pump_quantities=", ".join(HEAT_PUMP),
        lights=processor[0],
        database=processor[1],
        user=lights.USER,
    )
    file.write_text(OURS + text + more, encoding="utf-8")
    tariffs = folder / "tariffs.yaml"
    if not tariffs.exists():  # whoever looks at the demo may try a contract of their own
        tariffs.write_text(TARIFFS, encoding="utf-8")
    keep_secrets(folder / "secrets", {"demo-lights": lights.PASSWORD})
    return file


def meters(line: str) -> list[str]:
    return [
        METER.format(
            **each._asdict() | {"line": line, "quantities": ", ".join(QUANTITIES[each.model])}
        )
        for each in METERS
    ]


def quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def keep_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, secret in secrets.items():
        (folder / name).write_text(secret, encoding="utf-8")
