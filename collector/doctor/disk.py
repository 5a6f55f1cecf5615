"""The disk: the room on it, and how long a card lasts at what is written to it."""

from collections.abc import Iterator
from pathlib import Path

from collector.doctor.case import Case
from collector.doctor.finding import CannotTell, Finding
from collector.sources import host
from collector.text import amount, duration

FULL, NEARLY_FULL = 0.95, 0.80
# What a card bears is seldom stated. Those sold for endurance are rated for about 900 times their
# size (2,500 h of video at 26 Mbit/s on 32 GB); a plain one is taken to bear a third of that.
TIMES_ITS_SIZE = 300
SOON_YEARS, LATER_YEARS = 2, 5
LEAST_UPTIME_S = 3600  # starting writes more than running
BYTES_PER_SECTOR = 512


def disks(case: Case) -> Iterator[Finding]:
    """Is there room on the disks of the readings and of Docker?"""
    seen = set()
    for folder in (case.data_dir, case.machine.at("/var/lib/docker")):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        size, used, free = case.machine.disk_usage(there)
        yield space(there, used / (used + free), size, free)


def space(folder: Path, part: float, size: int, free: int) -> Finding:
    what = f"the disk of {folder} is {part:.0%} full; {amount(free)} of {amount(size)} free"
    if part < NEARLY_FULL:
        return Finding("ok", what)
    return Finding(
        "error" if part >= FULL else "warning",
        what,
        "When it is full, the database stops and the journal gives up its oldest readings.",
        "sudo du -xh --max-depth=3 / | sort -h | tail -20; sudo journalctl --vacuum-size=200M; "
        "sudo docker image prune --all; sudo apt clean",
    )


def wear(case: Case) -> Iterator[Finding]:
    """How much is written to the disk a day, and how long does a card bear it?"""
    machine = case.machine
    device = host.parse_root_device(machine.read("/proc/self/mountinfo"))
    folder = machine.at(f"sys/dev/block/{device}").resolve()
    if (folder / "partition").exists():
        folder = folder.parent
    values = host.parsed(folder / "stat", host.parse_block_stat)
    uptime_s = host.parse_uptime(machine.read("/proc/uptime"))["uptime"]
    if not device or not values:
        raise CannotTell("how much is written to the disk is not known: the kernel does not say")
    if uptime_s < LEAST_UPTIME_S:
        raise CannotTell(
            f"how much is written a day is not known yet: the machine is up for "
            f"{duration(uptime_s)}",
            "energy-monitor doctor    # again, an hour after the start",
        )
    a_day = values["disk_written"] / uptime_s * 86_400
    sectors = host.parsed(folder / "size", lambda text: {"size": float(text)})
    yield lifetime(folder.name, a_day, sectors.get("size", 0) * BYTES_PER_SECTOR)


def lifetime(disk: str, a_day: float, size: float) -> Finding:
    """Say what so many bytes a day mean for a disk of *size* bytes, if it is a card."""
    what = f"{amount(a_day)} are written to {disk} a day"
    if not disk.startswith("mmcblk") or not size or not a_day:
        return Finding("ok", what)
    years = size * TIMES_ITS_SIZE / a_day / 365
    what += (
        f": the card lasts about {min(years, 99):.0f} years, if its {amount(size)} can be written "
        f"{TIMES_ITS_SIZE} times over ({size * TIMES_ITS_SIZE / 1e12:.1f} TB)"
    )
    if years >= LATER_YEARS:
        return Finding("ok", what)
    return Finding(
        "warning" if years < SOON_YEARS else "advice",
        what,
        "A card that is worn out loses everything at once. Cards sold for endurance bear three "
        "times as much and more; an SSD bears more still.",
        "sudo apt install iotop && sudo iotop --only --accumulated    # shows who writes",
    )


CHECKS = (disks, wear)
