"""A machine of the lab: a fresh Debian, with systemd as PID 1 and a network of its own.

Its disk is an overlay over the tree, on an ext4 image. systemd-nspawn boots it, and slirp4netns
is its way out: nothing of the host's network is touched or seen.
"""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.appliance import leftovers, ways_out
from tests.appliance.lab import CACHE, CGROUPS, MACHINES, ROOT, host, tree

WITHIN_S = 240  # a busy machine takes a tenth of it
NEEDED_GB = 5  # trees, packages, one machine and its copy while the power is cut
REBOOT = 133  # what systemd-nspawn ends with when its machine wants to be started again
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("-m", "-u", "-i", "-n", "-p", "-C")
# Docker inside takes all of it (and sets neither the clock nor the host's sysctls).
FOR_DOCKER = ("--capability=all", "--system-call-filter=add_key keyctl bpf @raw-io")


class Machine:
    """``boot`` it, ``run`` commands in it, ``reboot`` it or ``cut_power``, ``close`` it."""

    def __init__(self, name, suite="trixie", *, docker=False, size="6G"):
        self.name = f"{name}-{os.getpid()}"
        self.suite = suite
        self.docker = docker
        self.folder = MACHINES / self.name
        self.disk = self.folder / "disk"
        self.root = self.folder / "root"
        self.image = self.folder / "disk.img"
        self.archives = self.folder / "archives"
        self.cgroup = CGROUPS / f"energy-monitor-{self.name}"
        self.nspawn = None
        self.network = None
        with leftovers.one_at_a_time():
            leftovers.sweep()
            require_space()
            tree(suite)
            self.root.mkdir(parents=True)
            self.lock = leftovers.lock(self.folder / "lock")
        self.disk.mkdir()
        leftovers.share(CACHE / f"archives-{suite}", self.archives)
        (self.archives / "partial").mkdir()
        host("truncate", "--size", size, self.image)
        host("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.image)
        self.mount()
        ways_out.show(self.root, suite)

    def mount(self):
        """Put its root together: what it wrote, over the tree."""
        # A commit only when somebody asks for one: what 'cut_power' copies is of one moment.
        host("mount", "-o", "loop,commit=300", self.image, self.disk)
        for each in ("upper", "work", "docker"):
            (self.disk / each).mkdir(exist_ok=True)
        lower = f"lowerdir={tree(self.suite)}"
        layers = f"{lower},upperdir={self.disk}/upper,workdir={self.disk}/work"
        host("mount", "-t", "overlay", "overlay", "-o", layers, self.root)

    def unmount(self):
        for each in (self.root, self.disk):
            if each.is_mount():
                host("umount", each)

    def connect(self):
        """Give it a network of its own, once."""
        if self.network is not None:
            return
        host("ip", "netns", "add", self.name)
        inside = ("ip", "netns", "exec", self.name)
        host(*inside, "ip", "link", "set", "lo", "up")
        # Docker may not set it inside.
        host(*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        way_out = ("slirp4netns", "--configure", "--mtu=1400", "--netns-type=path")
        self.network = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *way_out, f"/run/netns/{self.name}", "tap0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def boot(self):
        """Switch it on, and return when systemd has started everything."""
        self.connect()
        self.cgroup.mkdir(exist_ok=True)
        with (self.folder / "console.log").open("ab") as console:
            self.nspawn = subprocess.Popen(
                self.boot_command(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self.wait_for(self.is_up, "it is up")

    def boot_command(self):
        docker = (*FOR_DOCKER, f"--bind={self.disk}/docker:/var/lib/docker") if self.docker else ()
        return [
            # A cgroup of its own: several systemds in one would quarrel.
            *("sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', self.cgroup),
            *("setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "--quiet", "--boot"),
            *("--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off"),
            *("--console=pipe", "--directory", self.root, "--machine", self.name),
            f"--network-namespace-path=/run/netns/{self.name}",
            f"--bind-ro={ROOT}:/lab/project",
            f"--bind={self.archives}:/var/cache/apt/archives",
            *(f"--bind-ro={each}" for each in ways_out.folders_to_see()),
            *docker,
        ]

    def is_up(self):
        return self.ask("systemctl is-system-running --wait") in {"running", "degraded"}

    @property
    def leader(self):
        """The process that is PID 1 inside, as the host numbers it; 0 while there is none."""
        assert self.nspawn is not None
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text()
        return children.split()[-1] if children.strip() else "0"

    def command(self, script, user="root"):
        """Return what runs a line of shell inside, as a command of the host."""
        switch = () if user == "root" else ("runuser", "-u", user, "--")
        environment = ("env", "-i", "HOME=/root", "LANG=C.UTF-8", f"PATH={PATH}")
        return [
            "nsenter",
            "-t",
            self.leader,
            *NAMESPACES,
            *environment,
            *switch,
            "bash",
            "-c",
            script,
        ]

    def run(self, script, user="root", *, check=True, timeout_s=600):
        """Run a line of shell inside as *user*; return what subprocess.run returns."""
        done = subprocess.run(
            self.command(script, user),
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            said = f"{done.stdout}{done.stderr}\n{self.log()}"
            raise AssertionError(f"{script}: status {done.returncode}\n{said}")
        return done

    def ask(self, script, user="root"):
        """Run a line of shell, and return what it says, however it ends."""
        with suppress(subprocess.TimeoutExpired):
            return self.run(script, user, check=False, timeout_s=60).stdout.strip()
        return ""

    def log(self):
        return self.ask("journalctl --no-pager --boot --lines 40 --output short-monotonic")

    def wait_for(self, condition, what, within_s=WITHIN_S):
        """Return what *condition* returns as soon as it is true; fail when it never is."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.2)
        raise AssertionError(f"waited {within_s} s in vain until {what}\n{self.log()}")

    def reboot(self):
        """Reboot as its owner would, and return when it is up again."""
        self.run("systemctl reboot", check=False)
        assert self.nspawn is not None
        assert self.nspawn.wait(WITHIN_S) == REBOOT
        self.boot()

    def cut_power(self):
        """End it with no warning, and lose all that was not forced onto the disk."""
        self.kill()
        cut = self.folder / "cut.img"
        host("cp", "--sparse=always", self.image, cut)
        self.unmount()
        cut.replace(self.image)
        self.mount()

    def kill(self):
        if self.nspawn is None:
            return
        with suppress(ProcessLookupError):
            if self.leader != "0":
                os.kill(int(self.leader), 9)
        self.nspawn.kill()
        self.nspawn.wait(30)
        self.nspawn = None

    def close(self):
        """Take it away; the packages that it fetched are kept."""
        self.kill()
        if self.network is not None:
            self.network.terminate()
            self.network.wait(10)
        leftovers.share(self.archives, CACHE / f"archives-{self.suite}")
        with self.lock, leftovers.one_at_a_time():
            leftovers.take_away(self.folder)


def require_space():
    free_gb = shutil.disk_usage(CACHE).free / 1e9
    assert free_gb >= NEEDED_GB, (
        f"{free_gb:.1f} GB are free at {CACHE}, and the lab needs {NEEDED_GB}: "
        "make room, or name another folder in XDG_CACHE_HOME"
    )
