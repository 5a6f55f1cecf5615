"""A lighting processor that does not exist: the ports of a HomeWorks QS, showing the house.

    python -m collector.demo.lights --port 2323

What its lamps come to by their wattage is the power of the house's lights. They go on one after
the other, and those in the garden, of which no wattage is known, with the first. It runs until it
is interrupted, or until its standard input closes when told ``--with-parent``.
"""

import argparse
import http.server
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import NamedTuple

from collector.errors import EnergyMonitorError
from collector.sources.simulated.house import BUILT, House

USER, PASSWORD = "demo", "demo-lights"
EXPORTED = ("11/05/2026", "18:30:00")
EVERY_S = 1.0
IDLE_CLIENT_S = 3600  # one that asks nothing for so long is hung up on
PROMPT = b"QNET> "
LONGEST_LINE = 200
TELNET = re.compile(rb"\xff(?:\xfa.*?\xff\xf0|[\xfb-\xfe].|[^\xfa-\xfe])", re.DOTALL)
KEYPAD, LED = 31, 81
SHADE = 18


class Lamp(NamedTuple):
    """A zone that the database of this house has."""

    id: int
    area: str
    name: str
    type: str
    watts: int


ZONES = (
    Lamp(11, "Hall", "Ceiling", "NON_DIM", 20),
    Lamp(12, "Kitchen", "Table", "MLV", 45),
    Lamp(13, "Kitchen", "Counter", "ELV", 25),
    Lamp(14, "Living Room", "Ceiling", "INC", 75),
    Lamp(15, "Bedroom", "Bedside", "ELV", 40),
    Lamp(16, "Garden", "Path", "NON_DIM_ELV", 0),
    Lamp(SHADE, "Living Room", "Window", "SYSTEM_SHADE", 0),
)
AREAS = {name: 2 + number for number, name in enumerate(dict.fromkeys(each.area for each in ZONES))}


def levels(watts: float) -> dict[int, float]:
    """Return the level of every zone, in %, when the lamps draw *watts* together."""
    shown = {16: 100.0 if watts > 0 else 0.0, SHADE: 0.0 if watts > 0 else 100.0}
    for zone in ZONES:
        if zone.watts:
            share = min(max(watts, 0.0) / zone.watts, 1.0)
            shown[zone.id] = round(100 * (share // 1 if zone.type == "NON_DIM" else share), 2)
            watts -= shown[zone.id] / 100 * zone.watts
    return shown


def drawn(house: House, t: float) -> dict[str, float]:
    """Return what the collector computes of all levels at *t*, and what all lamps draw at most."""
    shown = levels(house.powers(t)["lights"])
    watts = sum(zone.watts * shown[zone.id] for zone in ZONES if zone.watts) / 100
    return {
        "estimated_power": round(watts, 3),
        "nominal_power": float(sum(zone.watts for zone in ZONES)),
    }


def database() -> bytes:
    """Return DbXmlInfo.xml as a processor of this house would serve it."""
    areas = "".join(map(area_xml, AREAS))
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<Project><ProjectName ProjectName="Demo"/>'
        "<GUID>demo</GUID><AppVer>9.4.0</AppVer><XMLVer>1.7</XMLVer>"
        f"<DbExportDate>{EXPORTED[0]}</DbExportDate><DbExportTime>{EXPORTED[1]}</DbExportTime>"
        '<Areas><Area Name="House" IntegrationID="1" SortOrder="0"><DeviceGroups/><Outputs/>'
        f"<Areas>{areas}</Areas></Area></Areas></Project>\n"
    ).encode()


def area_xml(area: str) -> str:
    outputs = "".join(
        f'<Output Name="{each.name}" IntegrationID="{each.id}" OutputType="{each.type}" '
        f'Wattage="{each.watts}" SortOrder="0"/>'
        for each in ZONES
        if each.area == area
    )
    keypad = (
        f'<DeviceGroup Name="Door"><Devices><Device Name="Keypad" IntegrationID="{KEYPAD}" '
        'DeviceType="SEETOUCH_KEYPAD" GangPosition="0" SortOrder="0"><Components>'
        '<Component ComponentNumber="1" ComponentType="BUTTON"><Button Engraving="Lights" '
        'ButtonType="Toggle"/></Component>'
        f'<Component ComponentNumber="{LED}" ComponentType="LED"><LED/></Component>'
        "</Components></Device></Devices></DeviceGroup>"
    )
    return (
        f'<Area Name="{area}" IntegrationID="{AREAS[area]}" OccupancyGroupAssignedToID="" '
        f'SortOrder="0"><DeviceGroups>{keypad if area == "Hall" else ""}</DeviceGroups>'
        f"<Outputs>{outputs}</Outputs></Area>"
    )


class Client(socketserver.StreamRequestHandler):
    """Lets one client log in, answers what it asks, and tells it of what it monitors."""

    timeout = IDLE_CLIENT_S
    server: "Processor"

    def setup(self) -> None:
        super().setup()
        self.monitors = {3, 4, 5, 6, 8, 11, 12, 17, 18, 23}  # of a login at the level of a user
        self.lock = threading.Lock()

    def handle(self) -> None:
        with suppress(OSError):
            while not self.logs_in():
                self.say(b"\r\n")
            self.say(b"\r\n" + PROMPT + b"\0")
            self.server.clients.append(self)
            while line := self.rfile.readline(LONGEST_LINE):
                said = self.server.answer(TELNET.sub(b"", line).strip().decode(), self.monitors)
                self.say(said + (PROMPT if 12 in self.monitors else b""))  # noqa: PLR2004  prompts

    def finish(self) -> None:
        with suppress(ValueError):  # it never logged in
            self.server.clients.remove(self)
        with suppress(OSError):
            super().finish()

    def logs_in(self) -> bool:
        given = []
        for prompt in (b"login: ", b"password: "):
            self.say(prompt)
            line = self.rfile.readline(LONGEST_LINE)
            if not line:
                raise ConnectionResetError
            given.append(TELNET.sub(b"", line).strip().decode())
        self.server.logins.append(given[0])
        return tuple(given) == (self.server.user, self.server.password)

    def say(self, said: bytes) -> None:
        with self.lock:
            self.wfile.write(said)


class Processor(socketserver.ThreadingTCPServer):
    """The port for integration, on this machine only, and what it tells of *shown*.

    *shown* has a text for each of its points, such as ``OUTPUT,11,1``; all else is refused.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, port: int = 0, user: str = USER, password: str = PASSWORD, client: type = Client
    ) -> None:
        super().__init__(("127.0.0.1", port), client)
        self.user, self.password = user, password
        self.shown: dict[str, str] = {}
        self.clients: list[Client] = []
        self.logins: list[str] = []
        self.heard: list[str] = []

    @property
    def line(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"

    def show(self, shown: Mapping[str, str]) -> None:
        """Show what has changed, and tell of it those who monitor its kind."""
        changed = {point: text for point, text in shown.items() if self.shown.get(point) != text}
        self.shown |= changed
        for point, text in changed.items():
            kind = {"OUTPUT": 5, "DEVICE": 4}.get(point.split(",")[0])
            for client in [each for each in self.clients if kind in each.monitors]:
                with suppress(OSError):
                    client.say(f"~{point},{text}\r\n".encode())

    def answer(self, line: str, monitors: set[int]) -> bytes:
        """Return the answer to *line* of a client who *monitors* these kinds of events."""
        self.heard.append(line)
        point = line[1:]
        if not line:
            return b""
        if monitoring := re.fullmatch(r"#MONITORING,([0-9]+),([12])", line):
            kind, on = int(monitoring[1]), monitoring[2] == "1"
            kinds = {kind} if kind != 255 else set(range(1, 28)) - {11, 12}  # noqa: PLR2004  all
            (monitors.update if on else monitors.difference_update)(kinds)
            return f"~MONITORING,{kind},{monitoring[2]}\r\n".encode()
        if line == "?SYSTEM,8":
            return b"OS Firmware Revision = 9.4.0\r\n"
        if line == "?SYSTEM,1":
            return time.strftime("~SYSTEM,1,%H:%M:%S\r\n").encode()
        if line[0] == "?" and point in self.shown:
            return f"~{point},{self.shown[point]}\r\n".encode()
        return b"~ERROR,2\r\n" if line[0] == "?" else b"~ERROR,6\r\n"

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away."""


class DatabaseRequest(http.server.BaseHTTPRequestHandler):
    """Serves the database, and like a real processor does not tell its length."""

    timeout = 10

    def do_GET(self) -> None:
        is_there = self.path == "/DbXmlInfo.xml"
        self.send_response(200 if is_there else 404)
        self.end_headers()
        self.wfile.write(database() if is_there else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


@contextmanager
def serving(*servers: socketserver.BaseServer) -> Iterator[None]:
    """Let *servers* answer, each in a thread of its own."""
    threads = [threading.Thread(target=each.serve_forever, args=[0.05]) for each in servers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each, thread in zip(servers, threads, strict=True):
            each.shutdown()
            thread.join()
            each.server_close()


def shown_of(house: House, t: float) -> dict[str, str]:
    """Return what the processor shows at *t*, by point."""
    watts = house.powers(t)["lights"]
    shown = {f"OUTPUT,{zone},1": f"{level:.2f}" for zone, level in levels(watts).items()}
    shown |= {"ETHERNET,0": "127.0.0.1", "ETHERNET,4": "0"}
    return shown | {f"DEVICE,{KEYPAD},{LED},9": "1" if watts > 0 else "0"}


@contextmanager
def start(*more: str) -> Iterator[tuple[str, str]]:
    """Run a processor of its own; yield its line and its database. Raise EnergyMonitorError."""
    with subprocess.Popen(  # noqa: S603  ourselves
        [sys.executable, "-m", "collector.demo.lights", "--with-parent", *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it in its own time
    ) as process:
        assert process.stdout is not None
        line, _, place = process.stdout.readline().decode().strip().partition(" ")
        if not place:
            raise EnergyMonitorError("the simulated lighting processor does not start")
        yield line, place


def show_on(processor: Processor, house: House) -> None:
    while True:
        processor.show(shown_of(house, time.time()))
        time.sleep(EVERY_S)


def main(given: Sequence[str] | None = None) -> None:
    """Run a processor until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m collector.demo.lights")
    parser.add_argument("--port", type=int, default=0, help="its TCP port (default: any)")
    parser.add_argument("--seed", type=int, default=1, help="which house it lights")
    parser.add_argument("--timezone", default="Europe/Rome", help="time zone of the house")
    parser.add_argument("--built", type=date.fromisoformat, default=BUILT, help="its first day")
    parser.add_argument("--with-parent", action="store_true", help="end with standard input")
    told = parser.parse_args(given)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    house, processor = House(told.seed, told.timezone, told.built), Processor(told.port)
    processor.show(shown_of(house, time.time()))
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), DatabaseRequest)
    threading.Thread(target=show_on, args=[processor, house], daemon=True).start()
    with serving(processor, web):
        place = f"http://127.0.0.1:{web.server_address[1]}/DbXmlInfo.xml"
        print(f"{processor.line} {place}", flush=True)  # noqa: T201  whoever starts it reads this
        if told.with_parent:
            sys.stdin.buffer.read()
        else:
            signal.pause()


if __name__ == "__main__":
    main()
