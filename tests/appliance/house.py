"""What the tests do on a machine: bring a project folder, install, ask the collector."""

import json
import re
import shutil

from tests.appliance.lab import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "tests", "demo-data", "build")


def bring(machine, name="project", version=None, added=None):
    """Put the project into root's home as *name*, as release *version* where one is given.

    *added* maps a file to what is added to its end.
    """
    folder = machine.root / "root" / name
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    if version:
        (folder / "collector/__init__.py").write_text(f'__version__ = "{version}"\n')
    for file, text in (added or {}).items():
        with (folder / file).open("a") as opened:
            opened.write(text)


def status(machine):
    """Return what ``status --json`` says; nothing while no collector answers."""
    said = machine.ask("energy-monitor status --json 2>/dev/null")
    return json.loads(said) if said.startswith("{") else None


def state(machine, name, kind="sources"):
    told = status(machine)
    return told[kind].get(name, {}).get("state") if told else None


def wait_for_state(machine, name, wanted, kind="sources"):
    machine.wait_for(lambda: state(machine, name, kind) == wanted, f"{name} is {wanted}")


def wait_for_reads(machine, name, count):
    """Wait until *name* was read *count* times since the collector was started."""

    def enough():
        told = status(machine)
        return told and told["sources"][name]["reads"] >= count

    machine.wait_for(enough, f"{name} is read {count} times")


def stored(machine, device):
    """Return the times of all readings of *device* in the journal, in UTC ms."""
    lines = machine.run("energy-monitor journal export --format lp").stdout.splitlines()
    of_device = [each for each in lines if f",device={device} " in each]
    return [int(each.split()[-1]) for each in of_device if not each.startswith("collector,")]


def property_of(machine, unit, name):
    return machine.ask(f"systemctl show --property={name} --value {unit}")


def steps(text):
    """Return the names of the steps that install.sh told."""
    return re.findall(r"^==> (.*)$", text, re.MULTILINE)
