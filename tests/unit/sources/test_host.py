"""The machine itself: trees of /proc and /sys as on a Raspberry Pi, and the real one."""

import os
import time

import pytest

from collector.contract import Context
from collector.errors import FrameDamaged
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.sources import host
from collector.sources.host import Host, HostOptions

# A Pi 4 with Raspberry Pi OS: card mmcblk0 with two partitions, eth0, wlan0, Docker's bridge.
PROC = {
    "stat": (
        "cpu  1000 20 300 8000 500 0 30 0 50 0\n"
        "cpu0 250 5 75 2000 125 0 8 0 12 0\n"
        "intr 12345 0 0\nbtime 1781000000\n"
    ),
    "loadavg": "0.52 0.31 0.18 1/212 4711\n",
    "meminfo": (
        "MemTotal:        3884344 kB\nMemFree:         2114520 kB\nMemAvailable:    3184344 kB\n"
        "Buffers:           61724 kB\nSwapTotal:        102396 kB\nSwapFree:         100396 kB\n"
        "HugePages_Total:       0\n"
    ),
    "uptime": "86412.34 331022.12\n",
    "net/dev": (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
        "    lo:  999999    1000    0    0    0     0          0         0   999999    1000"
        " 0 0 0 0 0 0\n"
        "  eth0: 5000000   40000    0    0    0     0          0         0  3000000   20000"
        " 0 0 0 0 0 0\n"
        " wlan0:     700      10    0    0    0     0          0         0       80       1"
        " 0 0 0 0 0 0\n"
        "docker0:  12345      10    0    0    0     0          0         0    54321       1"
        " 0 0 0 0 0 0\n"
    ),
    "self/mountinfo": (
        "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
        "23 22 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw\n"
        "40 22 179:1 / /boot/firmware rw,relatime - vfat /dev/mmcblk0p1 rw\n"
    ),
}
CARD = "devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"
SYS = {
    f"{CARD}/stat": "  41000 9000 3000000 20000 52000 61000 8000000 90000 0 60000 110000\n",
    f"{CARD}/mmcblk0p2/stat": "  40000 9000 2900000 20000 51000 61000 7000000 90000 0 1 2\n",
    f"{CARD}/mmcblk0p2/partition": "2\n",
    "class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "class/thermal/thermal_zone0/temp": "48312\n",
    "class/net/eth0/device/uevent": "DRIVER=bcmgenet\n",
    "class/net/wlan0/device/uevent": "DRIVER=brcmfmac\n",
    "class/net/lo/address": "00:00:00:00:00:00\n",
    "class/net/docker0/address": "02:42:00:00:00:00\n",
}
THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
VOLTAGE = "class/hwmon/hwmon1"
POWER = {name for name in host.QUANTITIES if name.removesuffix("_since_boot") in host.POWER_BITS}


class Machine:
    """A tree of kernel files that a test writes."""

    def __init__(self, folder):
        self.folder = folder
        for path, text in PROC.items():
            self.write(f"proc/{path}", text)
        for path, text in SYS.items():
            self.write(f"sys/{path}", text)
        blocks = folder / "sys/dev/block"
        blocks.mkdir(parents=True)
        (blocks / "179:2").symlink_to(folder / "sys" / CARD / "mmcblk0p2")

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def remove(self, path):
        (self.folder / path).unlink()

    def source(self):
        source = Host(
            "pi",
            HostOptions(type="host"),
            context(self.folder),
            self.folder / "proc",
            self.folder / "sys",
        )
        source.open()
        return source

    def values(self, *quantities):
        (reading,) = self.source().read(0, frozenset(quantities or host.QUANTITIES))
        wanted = quantities or host.QUANTITIES
        return {name: value for name, value in reading.values.items() if name in wanted}


def context(folder):
    return Context("home", Lines(), folder, folder / "data" / "state" / "pi")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_pi_is_read(machine):
    machine.write(f"sys/{THROTTLED}", "0\n")
    values = machine.values()
    expected = {
        "load_1m": 0.52,
        "load_5m": 0.31,
        "load_15m": 0.18,
        "memory_used": 700_000 * 1024,
        "memory_available": 3_184_344 * 1024,
        "swap_used": 2000 * 1024,
        "uptime": 86412.34,
        "network_received": 5_000_700,
        "network_sent": 3_000_080,
        "disk_written": 8_000_000 * 512,
        "cpu_temperature": 48.312,
        **dict.fromkeys(POWER, 0),
    }
    assert {name: values[name] for name in expected} == expected
    assert set(values) == set(host.QUANTITIES) - {"cpu_usage"}  # no processor time has gone by
    assert all(isinstance(value, float) for value in values.values())


def test_a_reading_has_the_name_of_the_source_and_the_time_of_the_slot(machine):
    (reading,) = machine.source().read(1234, frozenset({"uptime"}))
    assert (reading.kind, reading.device, reading.at_ms) == ("host", "pi", 1234)
    assert reading.values["uptime"] == 86412.34


def test_processor_time_is_that_since_the_last_read(machine):
    source = machine.source()
    usage = frozenset({"cpu_usage"})
    # user, system, irq, softirq and steal are work; idle and waiting for the disk are not;
    # time of guests is part of user time
    machine.write("proc/stat", "cpu  1010 20 305 8060 520 1 32 2 60 0\n")
    assert source.read(0, usage)[0].values["cpu_usage"] == 20
    machine.write("proc/stat", "cpu  1010 20 305 8160 520 1 32 2 60 0\n")
    source.read(0, frozenset({"uptime"}))
    assert source.read(0, usage)[0].values["cpu_usage"] == 0
    assert "cpu_usage" not in source.read(0, usage)[0].values


@pytest.mark.parametrize(
    ("bits", "true"),
    [
        ("0", set()),
        ("1", {"under_voltage"}),
        ("2", {"frequency_capped"}),
        ("4", {"throttled"}),
        ("8", {"temperature_limited"}),
        (
            "50005",
            {"under_voltage", "throttled", "under_voltage_since_boot", "throttled_since_boot"},
        ),
        ("20000", {"frequency_capped_since_boot"}),
        ("80000", {"temperature_limited_since_boot"}),
    ],
)
def test_the_bits_of_the_power_supply(bits, true):
    values = host.parse_throttled(bits + "\n")
    assert set(values) == POWER
    assert {name for name, value in values.items() if value} == true


def test_the_firmware_of_a_newer_pi_is_found_too(machine):
    machine.write(
        "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "1\n"
    )
    assert machine.values("under_voltage") == {"under_voltage": 1}


def test_where_the_bits_are_hidden_the_voltage_alarm_is_read(machine):
    machine.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    machine.write(f"sys/{VOLTAGE}/name", "rpi_volt\n")
    machine.write(f"sys/{VOLTAGE}/in0_lcrit_alarm", "1\n")
    assert machine.values(*POWER) == {"under_voltage": 1}


def test_what_a_machine_has_not_is_absent(machine):
    machine.remove("sys/class/thermal/thermal_zone0/temp")
    machine.remove(f"sys/{CARD}/stat")
    machine.remove("sys/class/net/eth0/device/uevent")
    machine.write("proc/self/mountinfo", "22 1 0:31 / / rw - overlay overlay rw\n")
    values = machine.values()
    assert not {"cpu_temperature", "disk_written", *POWER} & set(values)
    assert {"uptime", "load_1m"} <= set(values)


def test_without_a_real_network_card_nothing_is_said_of_the_network(machine):
    for card in ("eth0", "wlan0"):
        machine.remove(f"sys/class/net/{card}/device/uevent")
        (machine.folder / f"sys/class/net/{card}/device").rmdir()
    assert not {"network_received", "network_sent"} & set(machine.values())


def test_a_root_on_a_whole_disk_is_counted(machine):
    machine.write("proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n")
    machine.write("sys/dev/block/254:0/stat", "1 0 1 1 1 0 10 1 0 1 1\n")
    assert machine.values("disk_written") == {"disk_written": 5120}


def test_the_disk_is_that_of_the_data_folder_even_before_it_is_made(machine):
    disk = os.statvfs(machine.folder)
    size = disk.f_blocks * disk.f_frsize
    values = machine.values("disk_used", "disk_free")
    assert 0 < values["disk_used"] <= size
    assert 0 <= values["disk_free"] <= size - values["disk_used"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proc/loadavg", "much\n"),
        ("proc/meminfo", "MemTotal: 1 kB\n"),
        ("proc/uptime", ""),
        ("proc/net/dev", "\n\n  eth0: 1 2 3\n"),
        ("sys/class/thermal/thermal_zone0/temp", "hot\n"),
    ],
)
def test_a_file_in_another_form_is_named(machine, path, text):
    source = machine.source()
    machine.write(path, text)
    with pytest.raises(FrameDamaged, match=path.rpartition("/")[2]):
        source.read(0, frozenset(host.QUANTITIES))


def test_it_may_be_closed_twice_and_opened_again(machine):
    source = machine.source()
    source.close()
    source.close()
    source.open()
    assert source.read(0, frozenset({"uptime"}))


def test_the_real_machine_is_read(tmp_path):
    source = Host("here", HostOptions(type="host"), context(tmp_path))
    source.open()
    deadline = time.monotonic() + 20
    values = {}
    while "cpu_usage" not in values:  # ticks of processor time are 10 ms apart
        assert time.monotonic() < deadline
        values = dict(source.read(0, frozenset(host.QUANTITIES))[0].values)
    assert values["uptime"] == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=60)
    assert 0 <= values["cpu_usage"] <= 100
    assert values["memory_used"] > 0
    for name, value in values.items():
        assert catalogue()[name].low <= value <= catalogue()[name].high
