"""What the tests do on a machine: bring a project folder, install, ask the collector."""

import json
import random
import re
import shlex
import shutil
import subprocess
import time

from tests.appliance.lab import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "tests", "demo-data", "build")


def bring(machine, name="project", version=None, added=None):
    """Put the project into /srv as *name*, as release *version* where one is given.

    *added* maps a file to what is added to its end.
    """
    folder = machine.root / "srv" / name
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
    """Return the times of what was read of *device* in the journal, in UTC ms."""
    lines = machine.run("energy-monitor journal export --format lp").stdout.splitlines()
    of_device = [each for each in lines if f",device={device} " in each]
    derived = ("collector,", "energy,", "counter_event,")
    return [int(each.split()[-1]) for each in of_device if not each.startswith(derived)]


def secret(machine, name):
    return machine.run(f"energy-monitor secret show {name}").stdout.strip()


def influxdb(machine, query):
    """Return the rows that InfluxQL finds, as Grafana would ask for them."""
    token = secret(machine, "influxdb-read-token")
    answer = machine.run(
        "curl -sS --get http://127.0.0.1:8086/query -d db=energy -d epoch=ms --data-urlencode "
        f"q={shlex.quote(query)} -H 'Authorization: Token {token}'"
    ).stdout
    (result,) = json.loads(answer)["results"]
    return [row for series in result.get("series", []) for row in series["values"]]


def property_of(machine, unit, name):
    return machine.ask(f"systemctl show --property={name} --value {unit}")


def steps(text):
    """Return the names of the steps that install.sh told."""
    return re.findall(r"^==> (.*)$", text, re.MULTILINE)


def kill_in(machine, install, step, after_s):
    """Kill the command *install*, and all that it has started, *after_s* into *step*."""
    script = f"setsid --wait sh -c 'echo $$ > /run/lab.group; exec {install}'"
    with subprocess.Popen(machine.command(script), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any(line == f"==> {step}\n" for line in running.stdout), f"no step {step}"
        time.sleep(after_s * random.uniform(0.8, 1.2))
        machine.run("kill -KILL -- -$(cat /run/lab.group)", check=False)
