"""The lab's trees: fresh Debians, bootstrapped once and kept in a cache outside the repository.

What stands in for what: the tree's ``lab-meter.service`` is the hardware (a Modbus slave on a
pseudo-terminal, linked where a USB adapter would appear), and the mark that systemd-timesyncd
makes when the clock is right is always there, since timesyncd does not run in a container.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "energy-monitor-lab"
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "slirp4netns": "slirp4netns",
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
}
# What every Raspberry Pi OS and Debian has that was installed from an image; python3-yaml and
# python3-serial are the lab's own, for its meter.
PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,ca-certificates,iproute2,curl,python3-yaml,python3-serial"
BY_ID = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_LAB-if00-port0"
METER = f"""\
[Unit]
Description=Lab: a meter and its USB adapter
Before=energy-monitor-collector.service
[Service]
Environment=PYTHONPATH=/lab/project PYTHONDONTWRITEBYTECODE=1
ExecStartPre=mkdir -p /dev/serial/by-id
ExecStartPre=ln -sfn ../../ttyUSB0 {BY_ID}
ExecStart=python3 -m collector.demo.meter --model orno-we-515 --address 1 --link /dev/ttyUSB0
ExecStartPost=sh -c 'until [ -e /dev/ttyUSB0 ]; do sleep 0.1; done'
ExecStartPost=sh -c 'tty=$(readlink -f /dev/ttyUSB0); chgrp dialout $tty; chmod 660 $tty'
# A pseudo-terminal knows no parity, and says so to everybody but the first who asks for it.
ExecStartPost=python3 -c "import serial; serial.Serial('/dev/ttyUSB0', 9600, parity='E')"
ExecStopPost=rm -f {BY_ID}
[Install]
WantedBy=multi-user.target
"""
CLOCK_IS_RIGHT = "f /run/systemd/timesync/synchronized\n"
DOCKER_IN_A_CONTAINER = "[Service]\nEnvironment=DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1\n"


def obstacle():
    """Say why no lab can be had here; nothing where it can."""
    if os.geteuid() != 0:
        return "the appliance lab needs root: sudo make test"
    missing = {package for name, package in PROGRAMS.items() if not shutil.which(name)}
    if missing:
        return f"no lab without: apt install {' '.join(sorted(missing))}"
    if not Path("/dev/net/tun").exists() or not Path("/dev/loop-control").exists():
        return "no lab: this machine has no /dev/net/tun or no loop devices"
    return None


def host(*command, **options):
    """Run a program on the host; its output is in the error where it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    if done.returncode and options.get("check", True):
        raise AssertionError(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def tree(suite):
    """Return the folder with a fresh Debian *suite*, bootstrapped where it is not there yet."""
    recipe = hashlib.sha256(f"{PACKAGES}{METER}{CLOCK_IS_RIGHT}".encode()).hexdigest()[:12]
    folder = CACHE / f"{suite}-{recipe}"
    if not folder.exists():
        for older in CACHE.glob(f"{suite}-*"):
            shutil.rmtree(older)
        unfinished = folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        options = ["--variant=minbase", f"--include={PACKAGES}"]
        host("debootstrap", *options, suite, unfinished, *mirror_of_the_host())
        furnish(unfinished)
        unfinished.rename(folder)
    return folder


def mirror_of_the_host():
    """Return the host's mirror of Debian; nothing where debootstrap's own choice has to do."""
    sources = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt").glob("sources.list.d/*")]
    found = (
        re.search(r"^[^#]*?(https?://\S+/debian/?)(?=\s)", each.read_text(), re.MULTILINE)
        for each in sources
    )
    return [each[1] for each in found if each][:1]


def furnish(folder):
    """Give a tree the host's ways to packages, and the lab's hardware."""
    for file in Path("/etc/apt/apt.conf.d").iterdir():
        if file.is_file() and "Acquire::" in (text := file.read_text()):
            (folder / "etc/apt/apt.conf.d" / file.name).write_text(text)
    settings = [f"{name} = {value}\n" for name, value in pip_settings().items()]
    (folder / "etc/pip.conf").write_text("".join(["[global]\n", *settings]))
    (folder / "etc/resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    (folder / "etc/hostname").write_text("lab\n")
    (folder / "etc/systemd/system/lab-meter.service").write_text(METER)
    (folder / "etc/tmpfiles.d/lab-clock.conf").write_text(CLOCK_IS_RIGHT)
    docker = folder / "etc/systemd/system/docker.service.d/lab.conf"
    docker.parent.mkdir()
    docker.write_text(DOCKER_IN_A_CONTAINER)
    host("systemctl", f"--root={folder}", "enable", "lab-meter.service")


def pip_settings():
    """Return the host's pip settings, wherever they come from."""
    listed = host("python3", "-m", "pip", "config", "list")
    return dict(re.findall(r"^(?:global|:env:)\.(\S+)='(.*)'$", listed, re.MULTILINE))
