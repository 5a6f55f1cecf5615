"""The commands that mend: they work when they are pasted, and the safe ones can be run.

A check writes them for the appliance. Here they are fitted to this machine: its configuration,
who may write it, and whether systemd runs.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace

from collector.doctor.case import Case
from collector.doctor.command import command, owned, pasteable
from collector.doctor.finding import Finding

BETWEEN = re.compile(r"( && |; )")
OF_SYSTEMD = re.compile(r"(sudo )?(systemctl |journalctl |energy-monitor reload\b)")
STARTS = re.compile(
    r"(sudo )?(systemctl (start|restart) energy-monitor-collector|energy-monitor reload)"
)
# Whatever else is on the machine, these take nothing away that cannot be had again.
SAFE = re.compile(
    r"sudo systemctl (start|restart|enable( --now)?)( energy-monitor-[a-z]+(\.(service|timer))?)+"
    r"|sudo (/[\w./-]+/)?energy-monitor reload( --config /[\w./-]+)?"
    r"|sudo systemctl restart systemd-journald"
    r"|sudo journalctl --flush"
    r"|sudo usermod -aG [a-z][a-z0-9_-]* energy-monitor"
    r"|sudo chmod -R u=rwX,go= (/[\w.-]+)+"
    r"|sudo docker pull [\w./:@-]+"
    r"|sudo udevadm (control --reload|trigger --subsystem-match=usb-serial)"
    r"|(echo|printf) '[^']*' \| sudo tee /etc/udev/rules\.d/60-energy-monitor\.rules"
    r"|printf '[^']*' \| sudo install -D -m 644 /dev/stdin"
    r" /etc/systemd/journald\.conf\.d/energy-monitor[a-z-]*\.conf"
    r"|journalctl -u energy-monitor-[a-z]+( -n \d+)?"
)


def fitted(case: Case, findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings* with commands that work when they are pasted on this machine."""
    return [
        replace(
            each,
            what=pasteable(each.what, case.file),
            why=pasteable(each.why, case.file),
            mend=pasted(case, each.mend) if each.mend else "",
        )
        for each in findings
    ]


def pasted(case: Case, mend: str) -> str:
    """Return *mend* with the configuration in use, and without systemd where there is none."""
    line, mark, comment = mend.partition("    # ")
    parts = BETWEEN.split(line)
    if not case.machine.at("run/systemd/system").is_dir():
        parts, was = without_systemd(parts), parts
        if not parts and was:
            return fallback(case, was)
    fitting = "".join(part_of(case, each) for each in parts)
    return f"{fitting}{mark}{comment}"


def without_systemd(parts: list[str]) -> list[str]:
    """Leave out what asks systemd, and what stands between."""
    kept: list[str] = []
    for number in range(0, len(parts), 2):
        if not OF_SYSTEMD.match(parts[number]):
            kept += [*([parts[number - 1]] if kept else []), parts[number]]
    return kept


def fallback(case: Case, parts: list[str]) -> str:
    if any(STARTS.match(each) for each in parts):
        return f"{part_of(case, 'energy-monitor run')}    # end the one that runs first"
    return "look at what 'energy-monitor run' has printed"


def part_of(case: Case, part: str) -> str:
    if owned(case.file):
        part = part.replace("sudoedit ", "${EDITOR:-nano} ")
    return command(part, case.file)


def safe(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield one finding for each command that may be run without knowing more."""
    seen = set()
    for each in findings:
        line = each.mend.partition("    # ")[0]
        if each.severity in {"advice", "warning", "error"} and line not in seen:
            seen.add(line)
            if line and all(SAFE.fullmatch(part) for part in BETWEEN.split(line)[::2]):
                yield each


def run(line: str) -> int:
    """Run *line* in a shell, without sudo where we are root; return its exit status."""
    if os.geteuid() == 0:
        line = re.sub(r"(^|\| |&& |; )sudo ", r"\1", line)
    done = subprocess.run(["bash", "-c", line], check=False)  # noqa: S603, S607  SAFE has matched
    return done.returncode
