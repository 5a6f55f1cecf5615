"""The machine that the collector runs on: processor, memory, disk, network, temperature, power.

Everything comes from the kernel's files under /proc and /sys, whose forms are told in its
documentation (filesystems/proc, block/stat, thermal/sysfs-api). What a machine does not have is
absent, never 0. Counters, and what ends in ``_since_boot``, begin anew when the machine starts.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from collector.contract import Context, SourceOptions
from collector.errors import FrameDamaged
from collector.reading import Reading

PROC = Path("/proc")
SYS = Path("/sys")

BYTES_PER_KIB = 1024
BYTES_PER_SECTOR = 512  # of block/*/stat, whatever the sectors of the disk are
SECTORS_WRITTEN = 6  # place of the figure in block/*/stat
CPU_ZONES = ("cpu-thermal", "cpu_thermal", "x86_pkg_temp")
# Bits of the Raspberry Pi's get_throttled; each is repeated 16 higher for "since boot".
POWER_BITS = {"under_voltage": 0, "frequency_capped": 1, "throttled": 2, "temperature_limited": 3}
QUANTITIES = (
    *("cpu_usage", "load_1m", "load_5m", "load_15m", "cpu_temperature", "uptime"),
    *("memory_used", "memory_available", "swap_used"),
    *("disk_used", "disk_free", "disk_written", "network_received", "network_sent"),
    *POWER_BITS,
    *(f"{name}_since_boot" for name in POWER_BITS),
)

Values = dict[str, float]


def parse_cpu(text: str) -> tuple[int, int]:
    """Return the busy and the whole processor time since boot, in ticks, from /proc/stat."""
    user, nice, system, idle, iowait, *interrupts = map(int, text.split("\n", 1)[0].split()[1:9])
    busy = user + nice + system + sum(interrupts)
    return busy, busy + idle + iowait


def parse_loadavg(text: str) -> Values:
    load_1m, load_5m, load_15m = map(float, text.split()[:3])
    return {"load_1m": load_1m, "load_5m": load_5m, "load_15m": load_15m}


def parse_meminfo(text: str) -> Values:
    """Return bytes; *used* is what could not be handed out at once."""
    kib = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()}
    return {
        "memory_used": float(kib["MemTotal"] - kib["MemAvailable"]) * BYTES_PER_KIB,
        "memory_available": float(kib["MemAvailable"]) * BYTES_PER_KIB,
        "swap_used": float(kib["SwapTotal"] - kib["SwapFree"]) * BYTES_PER_KIB,
    }


def parse_uptime(text: str) -> Values:
    return {"uptime": float(text.split(maxsplit=1)[0])}


def parse_network(text: str, interfaces: frozenset[str]) -> Values:
    """Return the bytes that all *interfaces* together received and sent, from /proc/net/dev."""
    lines = (line.partition(":") for line in text.splitlines()[2:])
    figures = [rest.split() for name, _, rest in lines if name.strip() in interfaces]
    if not figures:
        return {}
    return {
        "network_received": float(sum(int(each[0]) for each in figures)),
        "network_sent": float(sum(int(each[8]) for each in figures)),
    }


def parse_root_device(text: str) -> str:
    """Return the device of the root folder as major:minor, from /proc/self/mountinfo."""
    mounts = [line.split() for line in text.splitlines()]
    return next((mount[2] for mount in reversed(mounts) if mount[4] == "/"), "")


def parse_block_stat(text: str) -> Values:
    return {"disk_written": float(int(text.split()[SECTORS_WRITTEN]) * BYTES_PER_SECTOR)}


def parse_temperature(text: str) -> Values:
    return {"cpu_temperature": int(text) / 1000}


def parse_throttled(text: str) -> Values:
    """Return 0 or 1 for each of ``POWER_BITS``; the file holds a hexadecimal number."""
    bits = int(text, 16)
    now = {name: float(bits >> bit & 1) for name, bit in POWER_BITS.items()}
    since = {f"{name}_since_boot": float(bits >> bit + 16 & 1) for name, bit in POWER_BITS.items()}
    return now | since


def parse_alarm(text: str) -> Values:
    return {"under_voltage": float(int(text))}


def parsed(file: Path, parse: Callable[[str], Values]) -> Values:
    """Read and parse one file; nothing where it cannot be read. Raise FrameDamaged."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # a sensor that this machine has not, or that has nothing to say just now
        return {}
    try:
        return parse(text)
    except (ValueError, LookupError) as error:
        msg = f"{file} is not in the kernel's form: {error}"
        raise FrameDamaged(msg) from error


@dataclass(frozen=True, kw_only=True)
class HostOptions(SourceOptions):
    """The machine itself: processor, memory, disk, network, temperature and power supply."""


class Host:
    """Reads the machine that it runs on; *proc* and *sys* are where the kernel's files lie.

    ``disk_written`` counts the disk of the root folder, which is a Raspberry Pi's card, and
    ``disk_used`` and ``disk_free`` tell of the disk that holds the collector's data.
    """

    Options = HostOptions
    line = "host"
    quantities = QUANTITIES
    patience_s = 1.0

    def __init__(
        self,
        name: str,
        options: HostOptions,  # noqa: ARG002  the contract hands them over; there are none
        context: Context,
        proc: Path = PROC,
        sys: Path = SYS,
    ) -> None:
        self.name = name
        self.folder = context.state_dir
        self.proc = proc
        self.sys = sys
        self.sensors: dict[Path, Callable[[str], Values]] = {}
        self.ticks = (0, 0)

    def open(self) -> None:
        """Find the sensors of this machine, and begin to count processor time."""
        self.sensors = self.disk() | self.temperature() | self.power()
        parsed(self.proc / "stat", self.cpu_usage)

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Read what this machine has. Raise FrameDamaged."""
        values = self.space()
        for file, parse in (self.files() | self.sensors).items():
            values |= parsed(file, parse)
        if "cpu_usage" in quantities:
            values |= parsed(self.proc / "stat", self.cpu_usage)
        return [Reading("host", self.name, at_ms, values)]

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def files(self) -> dict[Path, Callable[[str], Values]]:
        cards = frozenset(card.parent.name for card in self.sys.glob("class/net/*/device"))
        return {
            self.proc / "loadavg": parse_loadavg,
            self.proc / "meminfo": parse_meminfo,
            self.proc / "uptime": parse_uptime,
            self.proc / "net/dev": partial(parse_network, interfaces=cards),
        }

    def cpu_usage(self, text: str) -> Values:
        """Return the busy share in % since this was last called."""
        (busy_before, all_before), self.ticks = self.ticks, parse_cpu(text)
        busy, ticks = self.ticks[0] - busy_before, self.ticks[1] - all_before
        return {"cpu_usage": 100 * busy / ticks} if ticks > 0 else {}

    def space(self) -> Values:
        folder = next(each for each in (self.folder, *self.folder.parents) if each.exists())
        disk = os.statvfs(folder)
        return {
            "disk_used": float((disk.f_blocks - disk.f_bfree) * disk.f_frsize),
            "disk_free": float(disk.f_bavail * disk.f_frsize),
        }

    def disk(self) -> dict[Path, Callable[[str], Values]]:
        """Find the figures of the root folder's disk: the whole of it, not one partition."""
        mounts = self.proc / "self/mountinfo"
        device = self.sys / "dev/block" / parse_root_device(mounts.read_text(encoding="utf-8"))
        whole = device.resolve().parent if (device / "partition").exists() else device
        return {whole / "stat": parse_block_stat}

    def temperature(self) -> dict[Path, Callable[[str], Values]]:
        zones = sorted(self.sys.glob("class/thermal/thermal_zone*"))
        of_cpu = [zone for zone in zones if (zone / "type").read_text().strip() in CPU_ZONES]
        return {zone / "temp": parse_temperature for zone in of_cpu[:1]}

    def power(self) -> dict[Path, Callable[[str], Values]]:
        """Find the Pi's own bits; where the kernel hides them, its alarm of the voltage."""
        for bits in self.sys.glob("devices/platform/soc*/soc*:firmware/get_throttled"):
            return {bits: parse_throttled}
        for name in self.sys.glob("class/hwmon/hwmon*/name"):
            if name.read_text(encoding="ascii").strip() == "rpi_volt":
                return {name.parent / "in0_lcrit_alarm": parse_alarm}
        return {}
