"""An image for the stack, since none can be fetched: the lab's Debian with the servers below, put
in place of the pinned ones. All else of docker-compose.yml is what runs.

InfluxDB           the host's ``influxd`` 2.x: the real one. Where there is none, Debian's
                   VictoriaMetrics, which takes the collector's writes, and knows neither set-up
                   nor tokens nor InfluxQL: what is seen with it are containers and delivery.
Grafana            the host's ``grafana`` where GRAFANA_HOME is set: the real one. Else
                   ``grafana_stand_in.py``.
Redis, Mosquitto   Debian's.
"""

import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from tests.appliance.lab import host, tree
from tests.servers.influxd import find

ARCHIVE = "/var/lib/docker/image.tar"
IMAGE = "lab/stand-in:1.0.0"
# Lines for stack.env.
SETTINGS = f"""\
COMPOSE_FILE=/opt/energy-monitor/current/docker-compose.yml:/srv/override.yml
INFLUXDB_IMAGE={IMAGE}
"""
PACKAGES = ("redis-server", "mosquitto", "netcat-openbsd", "victoria-metrics")
# Not needed to run servers, a Python and curl.
LEFT_OUT: tuple[str, ...] = (
    "proc",
    "sys",
    "dev",
    "run",
    "var/lib/apt",
    "var/cache",
    "usr/lib/systemd",
)
LEFT_OUT += ("usr/lib/udev", "usr/lib/apt", "usr/share/doc", "usr/share/man", "usr/share/locale")
# The folders for data belong to whom they belong to in the real images.
FOLDERS = {
    "var/lib/influxdb2": 1000,
    "var/lib/grafana": 472,
    "data": 999,
    "mosquitto/data": 1883,
    "mosquitto/config": 1883,
}
INFLUXDB = (
    "influxd, --bolt-path=/var/lib/influxdb2/influxd.bolt, "
    "--engine-path=/var/lib/influxdb2/engine, --sqlite-path=/var/lib/influxdb2/influxd.sqlite"
)
VICTORIA = (
    "victoria-metrics, '-httpListenAddr=:8086', -storageDataPath=/var/lib/influxdb2, "
    "-retentionPeriod=10y, -inmemoryDataFlushInterval=1s"
)
OVERRIDE = """\
services:
  influxdb:
    user: "1000:1000"
    command: [{database}]
  grafana:
    image: {image}
    user: "472:0"
    command: [/usr/local/bin/start-grafana]
    environment:
      GF_PATHS_DATA: /var/lib/grafana
      GF_PATHS_LOGS: /var/lib/grafana/logs
      GF_PATHS_PROVISIONING: /etc/grafana/provisioning
  redis: {{image: {image}}}
  mosquitto: {{image: {image}}}
"""
# The real image's own start replaces what ends in __FILE by what that file holds; so must this.
REAL_GRAFANA = """\
#!/bin/sh
file=${GF_SECURITY_ADMIN_PASSWORD__FILE:-}
[ -z "$file" ] || export GF_SECURITY_ADMIN_PASSWORD="$(cat "$file")"
unset GF_SECURITY_ADMIN_PASSWORD__FILE
exec grafana server --homepath /usr/share/grafana
"""
GRAFANA_STAND_IN = "#!/bin/sh\nexec python3 /usr/local/bin/grafana_stand_in.py\n"


@cache
def influxd():
    """Return the host's ``influxd`` 2.x; None where there is none."""
    with suppress(pytest.skip.Exception):
        return find("2.")
    return None


@cache
def grafana():
    """Return the host's ``grafana`` and the folder of its pages; None where they are not there."""
    program, home = shutil.which("grafana"), os.environ.get("GRAFANA_HOME")
    return (program, Path(home)) if program and home else None


def told():
    """Say what runs in the place of what."""
    return (
        f"InfluxDB is {'real (influxd 2)' if influxd() else 'stood in for by VictoriaMetrics'}, "
        f"Grafana is {'real' if grafana() else 'stood in for by grafana_stand_in.py'}, "
        "Redis and Mosquitto are Debian's"
    )


def bring(machine):
    """Put the image where the machine finds it as ARCHIVE, and the override into root's home."""
    image, whole = machine.folder / "image", machine.folder / "whole"
    furnish(machine, image)
    whole.mkdir()
    layers = f"lowerdir={image}:{tree(machine.suite)}"
    host("mount", "-t", "overlay", "overlay", "-o", layers, whole)
    leave_out = [f"--exclude=./{each}/*" for each in LEFT_OUT]
    host("tar", *leave_out, "-C", whole, "-cf", machine.disk / "docker" / Path(ARCHIVE).name, ".")
    host("umount", whole)
    shutil.rmtree(image)
    database = INFLUXDB if influxd() else VICTORIA
    (machine.root / "srv/override.yml").write_text(OVERRIDE.format(image=IMAGE, database=database))


def load(machine):
    """Hand the image to Docker, and have the stack run it."""
    machine.run(f"docker import {ARCHIVE} {IMAGE} && rm {ARCHIVE}; mkdir -p /etc/energy-monitor")
    machine.run(f"echo '{SETTINGS}' >> /etc/energy-monitor/stack.env")


def furnish(machine, image):
    """Put into the folder *image* what the lab's Debian lacks."""
    fetch = "apt-get install --yes --download-only --no-install-recommends"
    machine.run(
        "mkdir -p /srv/servers/partial; apt-get update; "
        f"{fetch} -o Dir::Cache::archives=/srv/servers {' '.join(PACKAGES)}"
    )
    for each in (machine.root / "srv/servers").glob("*.deb"):
        host("dpkg-deb", "--extract", each, image)
    (image / "usr/bin/nc").symlink_to("nc.openbsd")
    programs = image / "usr/local/bin"
    programs.mkdir(parents=True)
    if program := influxd():
        shutil.copy2(program, programs)
    shutil.copy2(Path(__file__).with_name("grafana_stand_in.py"), programs)
    start = programs / "start-grafana"
    start.write_text(REAL_GRAFANA if grafana() else GRAFANA_STAND_IN)
    start.chmod(0o755)
    if found := grafana():
        program, home = found
        shutil.copy2(program, programs)
        for part in ("public", "conf"):
            shutil.copytree(home / part, image / "usr/share/grafana" / part)
    for name, owner in FOLDERS.items():
        (image / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(image / name, owner, 0)
