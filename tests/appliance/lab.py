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
MACHINES = CACHE / "machines"
UNIFIED = Path("/sys/fs/cgroup/unified")  # where the host has the older control groups too
CGROUPS = UNIFIED if UNIFIED.exists() else UNIFIED.parent
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
# A pseudo-terminal has no parity, and says so to whoever asks for nothing new but that (glibc's
# tcsetattr): at a speed that nobody wants, everybody asks for something new.
ExecStart=sh -c 'while sleep 0.2; do stty -F /dev/ttyUSB0 50; done 2>/dev/null & \
    exec python3 -m collector.demo.meter --model orno-we-515 --address 1 --link /dev/ttyUSB0'
ExecStartPost=sh -c 'until [ -e /dev/ttyUSB0 ]; do sleep 0.1; done'
ExecStartPost=sh -c 'tty=$(readlink -f /dev/ttyUSB0); chgrp dialout $tty; chmod 660 $tty'
ExecStopPost=rm -f {BY_ID}
[Install]
WantedBy=multi-user.target
"""
CLOCK_IS_RIGHT = "f /run/systemd/timesync/synchronized\n"
DOCKER_IN_A_CONTAINER = "[Service]\nEnvironment=DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1\n"
# What a machine is made of, and how to see in a moment whether it can be had.
OVERLAY = "mount -t tmpfs lab /mnt && cd /mnt && mkdir a b c d && "
OVERLAY += "mount -t overlay lab -o lowerdir=a,upperdir=b,workdir=c d"
CGROUP = f"{CGROUPS}/energy-monitor-$$"
TRIALS = {
    "namespaces": "unshare --mount --net --pid --fork --mount-proc true",
    "overlay mounts": f"unshare --mount sh -c '{OVERLAY}'",
    "loop devices": "test -b $(losetup --find)",
    "network tunnels": "test -c /dev/net/tun && : < /dev/net/tun",
    "control groups": f"mkdir {CGROUP} && {{ ls {CGROUP}/cgroup.procs; had=$?; rmdir {CGROUP}; exit $had; }}",
}


def obstacle():
    """Say why no lab can be had here; nothing where it can."""
    if os.geteuid() != 0:
        return "no lab without root: sudo make lab"
    for needed, trial in TRIALS.items():
        tried = subprocess.run(["sh", "-c", trial], check=False, capture_output=True, text=True)
        if tried.returncode:
            why = " ".join(tried.stderr.split()) or trial
            return f"no lab on this machine, which lets even root have no {needed}: {why}"
    missing = {package for name, package in PROGRAMS.items() if not shutil.which(name)}
    if missing:
        return f"no lab without: apt install {' '.join(sorted(missing))}"
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
        if not MACHINES.exists() or not any(MACHINES.iterdir()):  # none may stand on an older one
            for older in (*CACHE.glob(f"{suite}-*"), *CACHE.glob(f"archives-{suite}")):
                shutil.rmtree(older)
        unfinished = folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["--variant=minbase", f"--include={PACKAGES}"]
        host("debootstrap", *options, suite, unfinished, *mirror_of_the_host())
        furnish(unfinished)
        unfinished.rename(folder)
    return folder


def mirror_of_the_host():
    """Return the host's mirror of Debian; nothing where debootstrap's own choice has to do."""
    listed = host("apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)/$(LABEL)")
    # Whose packages they are is known after 'apt-get update' only; before, the name has to do.
    found = re.search(r"^(https?://\S+) Debian/Debian$", listed, re.MULTILINE) or re.search(
        r"^(https?://\S+/debian/) ", listed, re.MULTILINE
    )
    return [found[1]] if found else []


def furnish(folder):
    """Give a tree the lab's hardware."""
    (folder / "etc/hostname").write_text("lab\n")
    (folder / "etc/systemd/system/lab-meter.service").write_text(METER)
    (folder / "etc/tmpfiles.d/lab-clock.conf").write_text(CLOCK_IS_RIGHT)
    docker = folder / "etc/systemd/system/docker.service.d/lab.conf"
    docker.parent.mkdir()
    docker.write_text(DOCKER_IN_A_CONTAINER)
    host("systemctl", f"--root={folder}", "enable", "lab-meter.service")
