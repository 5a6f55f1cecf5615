"""The stack: the images of InfluxDB and Grafana, their containers, and what Grafana sees."""

import base64
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import yaml

from collector.contract.documents import parsed
from collector.doctor.case import AS_ROOT, COMPOSE_FILE, MEND_STACK, PATIENCE, Case
from collector.doctor.finding import CannotTell, Finding
from collector.errors import ReadFault
from collector.lines import http
from collector.lines.http_answer import Answer

PINNED = re.compile(r"@sha256:[0-9a-f]{64}|:v?\d+\.\d+\.\d+")
PROJECT = "com.docker.compose.project=energy-monitor"
LIST = [
    *("docker", "ps", "--all", "--filter", f"label={PROJECT}", "--format"),
    '{{.Label "com.docker.compose.service"}}\t{{.Names}}\t{{.State}}\t{{.Status}}',
]
SETTINGS = "/etc/energy-monitor/stack.env"  # which may name other images
PASSWORD = "grafana-admin"  # noqa: S105  the name of a file
USER = "admin"
ROLLED_UP = "influxdb-"  # so begin the names of the sources of minutes, hours and days


def installed(case: Case) -> None:
    """Raise CannotTell where InfluxDB and Grafana are not installed here."""
    if not case.machine.has_stack:
        raise CannotTell(
            "InfluxDB and Grafana do not run here: energy-monitor-stack is not switched on"
        )


def pins(case: Case) -> Iterator[Finding]:
    """Does every image have an exact version?"""
    installed(case)
    try:
        services = yaml.safe_load(case.machine.read(COMPOSE_FILE))["services"]
        images = {name: str(service["image"]) for name, service in services.items()}
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise CannotTell(f"{COMPOSE_FILE} is no Compose file: {error}") from error
    for line in settings(case):
        name, _, image = line.partition("_IMAGE=")
        if image:
            images[name.lower()] = image
    floating = {name: image for name, image in images.items() if not PINNED.search(image)}
    for name, image in floating.items():
        yield Finding(
            "warning",
            f"{name}: the image {image} has no exact version",
            "The next start may download another version: 'influxdb:latest' once went from 2 to 3, "
            "which cannot read the data of 2.",
            f"sudoedit {COMPOSE_FILE}    # such as influxdb:2.9.1, or name@sha256:…",
        )
    if not floating:
        yield Finding("ok", f"{len(images)} images, each with an exact version")


def settings(case: Case) -> list[str]:
    try:
        return case.machine.read(SETTINGS).splitlines()
    except CannotTell:  # none are needed
        return []


def containers(case: Case) -> Iterator[Finding]:
    """Does every container run, and is it healthy?"""
    installed(case)
    try:
        rows = [row.split("\t") for row in case.machine.run(LIST).splitlines()]
    except CannotTell as reason:
        denied = "permission denied" in str(reason).lower()
        raise CannotTell(f"containers: {reason}", AS_ROOT if denied else "") from reason
    if not rows:
        yield from missing_images(case)
        why = "Nothing is stored or shown while they are not running."
        yield Finding("error", "no container of the stack is there", why, MEND_STACK)
    for service, name, state, status in rows:
        if state == "running" and "unhealthy" not in status:
            yield Finding("ok", f"{service}: {status[0].lower()}{status[1:]}")
        else:
            yield Finding(
                "error",
                f"{service}: {state}: {status}",
                "Docker starts it again when it ends; one that keeps ending says why in its log.",
                f"sudo docker logs --tail 20 {name}; {MEND_STACK}",
            )


def missing_images(case: Case) -> Iterator[Finding]:
    """Which images of those that always run have not been downloaded?"""
    for name, image in images_of(case).items():
        try:
            case.machine.run(["docker", "image", "inspect", "--format", "{{.Id}}", image])
        except CannotTell as reason:
            if "no such image" in str(reason).lower():
                why = "It could not be downloaded when the stack was started."
                what = f"{name}: the image {image} has not been downloaded"
                yield Finding("error", what, why, f"sudo docker pull {image} && {MEND_STACK}")


def images_of(case: Case) -> dict[str, str]:
    """Return the images of the services that no profile switches on. Raise CannotTell."""
    try:
        services = yaml.safe_load(case.machine.read(COMPOSE_FILE))["services"]
        wanted = {
            name: str(service["image"])
            for name, service in services.items()
            if not service.get("profiles")
        }
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise CannotTell(f"{COMPOSE_FILE} is no Compose file: {error}") from error
    return {name: own_image(case, name) or image_of(image) for name, image in wanted.items()}


def own_image(case: Case, name: str) -> str:
    lines = [line.partition("=") for line in settings(case)]
    return next((value for key, _, value in lines if key == f"{name.upper()}_IMAGE"), "")


def image_of(text: str) -> str:
    """Return the image in ``${INFLUXDB_IMAGE:-influxdb:2.9.1@sha256:…}``, or in plain text."""
    return re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text)


def grafana(case: Case) -> Iterator[Finding]:
    """Does Grafana answer, and does it get data from the database?"""
    installed(case)
    url = case.machine.grafana
    try:
        page = http.get(f"{url}/api/health", limits=PATIENCE, name="it")
    except ReadFault as error:
        why = "The dashboards are unavailable; readings are still stored."
        yield Finding("error", f"Grafana at {url} does not answer: {error}", why, MEND_STACK)
        return
    answer = document(page)
    if page.status != HTTPStatus.OK or answer.get("database") != "ok":
        why = "It is still starting, or its own database is damaged."
        mend = f"sudo docker logs --tail 20 energy-monitor-grafana-1; {MEND_STACK}"
        yield Finding("error", f"Grafana at {url} is not well: answered {page.status}", why, mend)
        return
    yield Finding("ok", f"Grafana {answer.get('version', '')} at {url} answers")
    yield from data_sources(case, url)


def document(page: Answer) -> dict[str, Any]:
    try:
        answer = parsed(page.text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def data_sources(case: Case, url: str) -> Iterator[Finding]:
    """Let Grafana try each of its data sources. Raise CannotTell."""
    headers = {"Authorization": f"Basic {login(case)}"}
    try:
        page = http.get(f"{url}/api/datasources", headers, PATIENCE)
        if page.status == HTTPStatus.UNAUTHORIZED:
            raise CannotTell(
                f"Grafana does not accept the password in secret {PASSWORD!r}: it was changed in "
                "Grafana, so its data sources are not checked",
                f"sudo energy-monitor secret set {PASSWORD}    # the one that you gave in Grafana",
            )
        for source in parsed(page.text):
            health = http.get(
                f"{url}/api/datasources/uid/{source['uid']}/health", headers, PATIENCE
            )
            message = document(health).get("message", f"answered {health.status}")
            if health.status == HTTPStatus.OK:
                yield Finding("ok", f"Grafana reads {source['name']}: {message}")
            else:
                yield unread(source, message)
    except (ReadFault, ValueError, LookupError, TypeError) as error:
        raise CannotTell(f"Grafana's data sources cannot be asked for: {error}") from error


def unread(source: dict[str, Any], message: str) -> Finding:
    what = f"Grafana cannot read {source['name']}: {message}"
    if str(source["uid"]).startswith(ROLLED_UP):
        why = "Energies of days and most curves of the dashboards come from there."
        return Finding("warning", what, why, "sudo energy-monitor setup influxdb --rollups")
    why = "Its dashboards show 'No data'. Restart Grafana after a token is renewed."
    return Finding("error", what, why, MEND_STACK)


def login(case: Case) -> str:
    file = case.secrets / PASSWORD
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        mend = AS_ROOT if isinstance(error, PermissionError) else ""
        reason = f"Grafana's data sources are not checked: {file}: {error.strerror}"
        raise CannotTell(reason, mend) from error
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


CHECKS = (pins, containers, grafana)
