"""The machine: its memory, its power supply, and what its system lacks."""

from collections.abc import Callable, Iterator
from pathlib import Path

from collector.contract import Context
from collector.doctor.case import Case
from collector.doctor.finding import CannotTell, Finding, Severity
from collector.lines.serial import Lines
from collector.sources import host
from collector.text import amount

SMALL_MEMORY = 1_100_000 * 1024  # a Pi that is sold with 1 GB, and no larger one
POWER_WHY = "Low voltage damages what is being written; a slow processor skips slots."
SUPPLY = "a good power supply for this Pi (5.1 V), with a short, thick cable"
POWER: tuple[tuple[str, str, Severity, Severity, str], ...] = (
    ("under_voltage", "the supply voltage {} too low", "error", "warning", SUPPLY),
    ("throttled", "the processor {} throttled", "warning", "advice", SUPPLY),
    (
        "temperature_limited",
        "the processor {} too hot",
        "warning",
        "advice",
        "a heat sink or a fan",
    ),
)
CMDLINES = ("/boot/firmware/cmdline.txt", "/boot/cmdline.txt")
RELEASE = "/opt/energy-monitor/current"
JOURNALD = ("usr/lib/systemd", "run/systemd", "etc/systemd")


def memory_groups(case: Case) -> Iterator[Finding]:
    """Does the kernel enforce limits of memory?"""
    machine = case.machine
    unified, old = machine.at("sys/fs/cgroup/cgroup.controllers"), "/proc/cgroups"
    if unified.exists():
        there = "memory" in unified.read_text(encoding="ascii").split()
    else:
        lines = [line.split() for line in machine.read(old).splitlines()]
        there = any(line[0] == "memory" and line[-1] == "1" for line in lines if line)
    if there:
        yield Finding("ok", "memory limits are enforced")
        return
    cmdline = next((each for each in CMDLINES if machine.at(each).exists()), "")
    set_already = cmdline and "cgroup_enable=memory" in machine.read(cmdline)
    mend = f"sudo sed -i '1 s/$/ cgroup_enable=memory/' {cmdline} && sudo reboot"
    if not cmdline:
        mend = "add cgroup_enable=memory to the kernel's command line, and restart the machine"
    yield Finding(
        "warning" if machine.has_stack else "advice",
        "the kernel does not enforce memory limits",
        "Those of Docker and systemd are ignored without a message: one greedy program takes all, "
        "and the kernel then ends another.",
        "sudo reboot    # cgroup_enable=memory is set, and holds from then on"
        if set_already
        else mend,
    )


def swap(case: Case) -> Iterator[Finding]:
    """Has a small machine somewhere to put memory that it does not need just now?"""
    kib = {
        line.split(":")[0]: int(line.split()[1])
        for line in case.machine.read("/proc/meminfo").splitlines()
    }
    total, swapped = kib["MemTotal"] * 1024, kib["SwapTotal"] * 1024
    what = f"{amount(total)} of memory, {amount(swapped) if swapped else 'no'} swap"
    areas = [line.split()[0] for line in case.machine.read("/proc/swaps").splitlines()[1:]]
    on_disk = [area for area in areas if "zram" not in area]
    if total <= SMALL_MEMORY and not swapped:
        yield Finding(
            "warning",
            what,
            "When the database needs more for a moment, the kernel ends a program. Compressed "
            "swap in memory (zram) wears no card.",
            "sudo apt install zram-tools",
        )
    elif total <= SMALL_MEMORY and on_disk:
        why = "Swapping to a card is slow and wears it; compressed swap in memory (zram) does not."
        mend = "sudo apt install zram-tools"
        yield Finding("advice", f"{what}, on {', '.join(on_disk)}", why, mend)
    else:
        yield Finding("ok", what)


def power(case: Case) -> Iterator[Finding]:
    """Does the Pi get enough voltage, and is it cool enough?"""
    values: dict[str, float] = {}
    for file, parse in power_files(case).items():
        values |= host.parsed(file, parse)
    if not values:
        raise CannotTell("voltage and throttling are unknown: this kernel does not report them")
    for name, what, severity_now, severity_since, mend in POWER:
        if values.get(name):
            yield Finding(severity_now, f"{what.format('is')} at this moment", POWER_WHY, mend)
        elif values.get(f"{name}_since_boot"):
            past = f"{what.format('was')} since the start, though not now"
            yield Finding(severity_since, past, POWER_WHY, mend)
    if not any(values.values()):
        yield Finding("ok", "voltage and temperature have been good since the start")


def power_files(case: Case) -> dict[Path, Callable[[str], host.Values]]:
    """Find where the kernel tells of the power, as the source ``host`` does."""
    context = Context("", Lines(), case.file.parent, case.data_dir)
    options = host.HostOptions(type="host")
    return host.Host("", options, context, case.machine.at("proc"), case.machine.at("sys")).power()


def word_size(case: Case) -> Iterator[Finding]:
    """Is the system one that InfluxDB 2 and Grafana are made for?"""
    if case.machine.bits == 64:  # noqa: PLR2004  bits
        yield Finding("ok", "a 64-bit system")
        return
    yield Finding(
        "advice",
        "a 32-bit system",
        "InfluxDB 2 and Grafana are made for 64 bits only. Reading, journal and backup work here; "
        "the database has to be elsewhere.",
        "write the 64-bit Raspberry Pi OS to a new card, and restore the backup onto it",
    )


def system_log(case: Case) -> Iterator[Finding]:
    """Is the system's log kept within bounds?"""
    if not case.machine.at("run/systemd/system").is_dir():
        raise CannotTell("this machine does not run systemd: its log is not checked")
    settings = journald_settings(case.machine.root)
    storage = settings.get("Storage", "auto")
    kept = storage == "persistent" or (
        storage == "auto" and case.machine.at("var/log/journal").is_dir()
    )
    if not kept:
        yield Finding(
            "advice",
            "the system's log is kept in memory only",
            "After a restart nobody can say why the machine restarted, or what failed before.",
            "printf '[Journal]\\nStorage=persistent\\nSystemMaxUse=200M\\n' | "
            "sudo install -D -m 644 /dev/stdin "
            "/etc/systemd/journald.conf.d/energy-monitor-persistent.conf && "
            "sudo systemctl restart systemd-journald && sudo journalctl --flush",
        )
    elif limit := settings.get("SystemMaxUse"):
        yield Finding("ok", f"the system's log takes {limit} at most")
    else:
        yield Finding(
            "advice",
            "the system's log has no limit of its own",
            "It may take a tenth of the disk, up to 4 GB.",
            "printf '[Journal]\\nSystemMaxUse=200M\\n' | sudo install -D -m 644 /dev/stdin "
            "/etc/systemd/journald.conf.d/energy-monitor.conf && "
            "sudo systemctl restart systemd-journald",
        )


def journald_settings(root: Path) -> dict[str, str]:
    """Read journald.conf and its drop-ins, which are sorted by name whatever their folder."""
    drop_ins = {
        file.name: file
        for folder in JOURNALD
        for file in (root / folder / "journald.conf.d").glob("*.conf")
    }
    settings = {}
    for file in [root / "etc/systemd/journald.conf", *(drop_ins[key] for key in sorted(drop_ins))]:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        for line in lines:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                settings[key.strip()] = value.strip()
    return settings


def python(case: Case) -> Iterator[Finding]:
    """Is the Python there that the release was built for? An upgrade of Debian brings another."""
    built = case.machine.at(f"{RELEASE}/venv/lib")
    if not built.is_dir():
        raise CannotTell("no release is installed here: its Python is not checked")
    name = case.machine.at("usr/bin/python3").resolve().name
    if (built / name).is_dir():
        yield Finding("ok", f"the release is built for {name}, which is there")
        return
    yield Finding(
        "error",
        f"the release is built for {', '.join(sorted(each.name for each in built.iterdir()))}, "
        f"and the system has {name}",
        "An upgrade of Debian brought it. After the next start nothing is measured.",
        f"sudo {RELEASE}/install.sh",
    )


CHECKS = (memory_groups, swap, power, word_size, system_log, python)
