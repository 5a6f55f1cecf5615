"""A heat pump that does not exist: the port of a Luxtronik controller, showing the house.

    python -m collector.demo.heatpump --port 8889

Its electricity is that of the house's heat pump, and its heat is always ``PERFORMANCE`` times as
much; all of it counts as heating. The tables are as long as those of firmware 3.88 and later. It
runs until it is interrupted, or until its standard input closes when told ``--with-parent``.
"""

import argparse
import math
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache

from collector.errors import EnergyMonitorError
from collector.sources.luxtronik import meaning
from collector.sources.luxtronik.meaning import Entry
from collector.sources.luxtronik.protocol import (
    CALCULATIONS,
    PARAMETERS,
    REQUEST,
    VISIBILITIES,
    Table,
)
from collector.sources.simulated.appliances import HEAT_PUMP_W, Day, mean_outside_c
from collector.sources.simulated.house import BUILT, DAYS_AT_HAND, House

PERFORMANCE = 3.6
FIRMWARE, MODEL = b"V3.88.0", 74
LENGTHS = {"calculations": 269, "parameters": 1143, "visibilities": 366}
HEATING, HOT_WATER, NO_REQUEST = 0, 1, 5
RUNS, IDLE = 0, 1
FLOW_L_PER_H, WH_PER_L_AND_K = 1200, 1.163
SWING_C = 4  # between the mean of a day and its warmest hour
RUN_S = 2400  # a run's usual length, to believe the number of starts
IDLE_CLIENT_S = 3600  # one that asks nothing for so long is hung up on


def values(house: House, t: float) -> dict[str, float]:
    """Return what the controller shows at *t*, by the names and units of the catalogue."""
    electric, used = house.powers(t)["heat_pump"], house.energies(t)["heat_pump"]
    day_c, warmth = outside(house, t)
    hot_water = electric > 1.1 * HEAT_PUMP_W  # heating never draws so much
    return_c = 26 + max(0.0, 20 - day_c) * 0.4 + 14 * hot_water
    spread_k = PERFORMANCE * electric / (FLOW_L_PER_H * WH_PER_L_AND_K)
    busy_s = used / HEAT_PUMP_W * 3600
    runs = electric > 0
    return {
        "outside_temperature": day_c + SWING_C * warmth,
        "outside_temperature_avg": day_c,
        "flow_temperature": return_c + spread_k,
        "return_temperature": return_c,
        "return_target_temperature": 26 + max(0.0, 20 - day_c) * 0.4,
        "hot_water_temperature": 47 + warmth,
        "hot_water_target_temperature": 48.0,
        "flow_rate": FLOW_L_PER_H * runs,
        "heat_power": PERFORMANCE * electric,
        "active_power": electric,
        "heat_energy": PERFORMANCE * used,
        "heat_energy_heating": PERFORMANCE * used,
        "active_energy_heating": used,
        "heat_pump_time": busy_s,
        "heating_time": busy_s,
        "compressor1_time": busy_s,
        "compressor1_starts": busy_s // RUN_S,
        "compressor1_on": float(runs),
        "heating_pump_on": float(runs),
        "source_pump_on": float(runs),
        "operating_mode": (HOT_WATER if hot_water else HEATING) if runs else NO_REQUEST,
        "bivalence_level": 1.0,
        "status_line1": RUNS if runs else IDLE,
        "heat_pump_model": MODEL,
    }


def outside(house: House, t: float) -> tuple[float, float]:
    """Return the mean °C of the day of *t*, and how warm the hour is: from -1 to 1."""
    wall = datetime.fromtimestamp(t, house.zone)
    hour = wall.hour + wall.minute / 60
    warmth = math.sin(2 * math.pi * (hour - 9) / 24)  # most at 15 o'clock
    return mean_c(house.day(wall.date())), warmth


@lru_cache(DAYS_AT_HAND)
def mean_c(day: Day) -> float:
    return mean_outside_c(day, day.rng("heat_pump"))


def numbers(table: Table, entries: Sequence[Entry], shown: Mapping[str, float]) -> list[int]:
    """Return the numbers of a table that shows the values *shown*; all others are 0."""
    held = [0] * LENGTHS[table.name]
    for entry in entries:
        if entry.quantity in shown:
            held[entry.index] = round(shown[entry.quantity] / entry.scale)
    return held


def answer(house: House, t: float, command: int) -> bytes | None:
    """Return what the controller answers to *command* at *t*; None where it hangs up instead."""
    known = meaning.load()
    entries = {CALCULATIONS: known.calculations, PARAMETERS: known.parameters, VISIBILITIES: ()}
    for table, each in entries.items():
        if table.command == command:
            held = numbers(table, each, values(house, t))
            if table is CALCULATIONS:
                held[meaning.FIRMWARE] = FIRMWARE.ljust(10, b"\0")
            return table.head.pack(command, len(held)) + b"".join(map(table.number.pack, held))
    return None


class Client(socketserver.StreamRequestHandler):
    """Answers one client until it hangs up, or asks for what is not shown."""

    timeout = IDLE_CLIENT_S
    server: "Server"

    def handle(self) -> None:
        while len(request := self.rfile.read(REQUEST.size)) == REQUEST.size:
            with self.server.lock:
                said = answer(self.server.house, time.time(), REQUEST.unpack(request)[0])
            if said is None:
                return
            self.wfile.write(said)


class Server(socketserver.ThreadingTCPServer):
    """The controller's port, on this machine only; clients take turns at the *house*."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, house: House, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Client)
        self.house = house
        self.lock = threading.Lock()

    @property
    def line(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away."""


@contextmanager
def start(*more: str) -> Iterator[str]:
    """Run a heat pump as a process of its own, and yield its line. Raise EnergyMonitorError."""
    with subprocess.Popen(  # noqa: S603  ourselves
        [sys.executable, "-m", "collector.demo.heatpump", "--with-parent", *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it in its own time
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        if not line:
            raise EnergyMonitorError("the simulated heat pump does not start")
        yield line


def main(given: Sequence[str] | None = None) -> None:
    """Run a heat pump until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m collector.demo.heatpump")
    parser.add_argument("--port", type=int, default=0, help="its TCP port (default: any)")
    parser.add_argument("--seed", type=int, default=1, help="which house it heats")
    parser.add_argument("--timezone", default="Europe/Rome", help="time zone of the house")
    parser.add_argument("--built", type=date.fromisoformat, default=BUILT, help="its first day")
    parser.add_argument("--with-parent", action="store_true", help="end with standard input")
    told = parser.parse_args(given)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    with Server(House(told.seed, told.timezone, told.built), told.port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.line, flush=True)  # noqa: T201  whoever starts it reads this
        with server.lock:  # it adds up the days until now
            server.house.at(time.time())
        if told.with_parent:
            sys.stdin.buffer.read()
        else:
            signal.pause()


if __name__ == "__main__":
    main()
