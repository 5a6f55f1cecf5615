"""The stack of containers: pinned, private, coming back by itself, and unable to wipe data.

Each rule is shown to find what it is for, in a service that breaks it.
"""

import copy
import re
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.contract.metric_names import metrics
from collector.page.metrics import INFO
from tests.fakes.page import PASSWORD, ask, options_with, serving
from tests.servers import influxd

ROOT = Path(__file__).parents[1]
RULES_OF_OLD = ROOT / "examples" / "prometheus"
STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECRETS_DIR = "${SECRETS_DIR:-/run/energy-monitor-stack/secrets}"
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-alpine)?@sha256:[0-9a-f]{64}")
OWN_PORT = re.compile(
    r"(127\.0\.0\.1|\$\{GRAFANA_BIND:-127\.0\.0\.1\}):(\d+|\$\{INFLUXDB_IMAGE:\+8088\}):\d+"
)
SECRET = re.compile(r"password|passwd|secret|token|credential|api_?key", re.IGNORECASE)
GIVEN = re.compile(rf"(?:{SECRET.pattern}|pass|auth)[\w-]*['\"]?[=: ]+([^\s/-].*)", re.IGNORECASE)
MEMORY_LIMITED = {"influxdb", "grafana", "prometheus"}  # also in a house with 1 GB

Service = dict[str, Any]
Rule = Callable[[str, Service], Iterator[str]]


def image_is_pinned(_: str, service: Service) -> Iterator[str]:
    image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", service["image"])
    if not PINNED.fullmatch(image):
        yield f"image {image} is not named by version and digest"


def ports_are_this_computer_s_own(_: str, service: Service) -> Iterator[str]:
    for port in service.get("ports", []):
        if not OWN_PORT.fullmatch(port):
            yield f"port {port} is open to the network"
    if service.get("network_mode") == "host" or service.get("privileged"):
        yield "it leaves its container"


def it_comes_back(_: str, service: Service) -> Iterator[str]:
    if service.get("restart") != "unless-stopped":
        yield "it does not come back after a power cut"


def its_health_is_checked(_: str, service: Service) -> Iterator[str]:
    check = service.get("healthcheck", {})
    if check.keys() < {"test", "interval", "timeout", "start_period", "start_interval"}:
        yield "nobody asks it how it is"


def its_log_is_bounded(_: str, service: Service) -> Iterator[str]:
    options = service.get("logging", {}).get("options", {})
    if options.keys() < {"max-size", "max-file"}:
        yield "its log fills the disk"


def its_memory_is_bounded(name: str, service: Service) -> Iterator[str]:
    if "oom_score_adj" not in service:
        yield "the collector may be killed before it"
    if name in MEMORY_LIMITED and not {"GOMEMLIMIT"} <= service.get("environment", {}).keys():
        yield "it does not know how much memory it may use"
    if name in MEMORY_LIMITED and "mem_limit" not in service:
        yield "it takes all memory there is"


def data_is_in_named_volumes(_: str, service: Service) -> Iterator[str]:
    for volume in service.get("volumes", []):
        if isinstance(volume, dict):
            if not volume.get("read_only"):
                yield f"it writes to {volume['source']}"
        elif volume.split(":")[0] not in STACK["volumes"]:
            yield f"volume {volume} has no name"


def spoken(service: Service) -> Iterator[str]:
    """Yield what everyone on the computer can read of a service."""
    for part in (service.get("command"), service.get("healthcheck", {}).get("test")):
        yield " ".join(part) if isinstance(part, list) else part or ""
    yield yaml.safe_dump(service.get("labels"))


def secrets_are_files(_: str, service: Service) -> Iterator[str]:
    for name, value in service.get("environment", {}).items():
        if SECRET.search(name) and not re.match(r"/run/secrets/[\w-]+$", value):
            yield f"{name} stands in the environment"
    for words in spoken(service):
        for value in GIVEN.findall(words):
            if not value.startswith(("$$(cat /run/secrets/", '"$$(cat /run/secrets/')):
                yield f"{value} is a secret on a command line"
    for secret in service.get("secrets", []):
        if STACK["secrets"].get(secret) != {"file": f"{SECRETS_DIR}/{secret}"}:
            yield f"secret {secret} does not come from SECRETS_DIR"


def it_never_sets_itself_up(_: str, service: Service) -> Iterator[str]:
    if any(name.startswith("DOCKER_INFLUXDB_INIT") for name in service.get("environment", {})):
        yield "a set-up that fails deletes the data"


def it_gains_no_rights(_: str, service: Service) -> Iterator[str]:
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it may gain rights"


# Each rule, and a change that breaks it.
RULES: list[tuple[Rule, dict[str, Any]]] = [
    (image_is_pinned, {"image": "influxdb:latest"}),
    (image_is_pinned, {"image": "influxdb"}),
    (image_is_pinned, {"image": "influxdb:2.9.1-alpine"}),
    (image_is_pinned, {"image": "${INFLUXDB_IMAGE}"}),
    (image_is_pinned, {"image": "${INFLUXDB_IMAGE:-influxdb:2}"}),
    (ports_are_this_computer_s_own, {"ports": ["8086:8086"]}),
    (ports_are_this_computer_s_own, {"ports": ["0.0.0.0:8086:8086"]}),
    (ports_are_this_computer_s_own, {"ports": ["${BIND:-0.0.0.0}:8086:8086"]}),
    (ports_are_this_computer_s_own, {"network_mode": "host"}),
    (ports_are_this_computer_s_own, {"privileged": True}),
    (it_comes_back, {"restart": "on-failure"}),
    (its_health_is_checked, {"healthcheck": {}}),
    (its_health_is_checked, {"healthcheck": {"test": ["CMD", "true"]}}),
    (its_log_is_bounded, {"logging": {"driver": "json-file"}}),
    (its_memory_is_bounded, {"environment": {}}),
    (its_memory_is_bounded, {"mem_limit": None}),
    (its_memory_is_bounded, {"oom_score_adj": None}),
    (data_is_in_named_volumes, {"volumes": ["/var/lib/influxdb2"]}),
    (data_is_in_named_volumes, {"volumes": ["./data:/var/lib/influxdb2"]}),
    (data_is_in_named_volumes, {"volumes": [{"source": "./data", "target": "/data"}]}),
    (secrets_are_files, {"environment": {"GF_SECURITY_ADMIN_PASSWORD": "admin"}}),
    (secrets_are_files, {"environment": {"INFLUX_TOKEN": "${INFLUX_TOKEN}"}}),
    (secrets_are_files, {"command": ["redis-server", "--password=redis"]}),
    (secrets_are_files, {"command": ["redis-server", "--requirepass", "redis"]}),
    (secrets_are_files, {"command": "redis-server --requirepass redis"}),
    (secrets_are_files, {"healthcheck": {"test": ["CMD-SHELL", "REDISCLI_AUTH=redis redis-cli"]}}),
    (secrets_are_files, {"labels": {"note": "password=redis"}}),
    (secrets_are_files, {"secrets": ["from-elsewhere"]}),
    (it_never_sets_itself_up, {"environment": {"DOCKER_INFLUXDB_INIT_MODE": "setup"}}),
    (it_gains_no_rights, {"security_opt": []}),
]


@pytest.mark.parametrize("name", STACK["services"])
@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, _ in RULES))
def test_every_service_keeps_every_rule(rule, name):
    assert list(rule(name, STACK["services"][name])) == []


@pytest.mark.parametrize(("rule", "change"), RULES)
def test_a_rule_finds_what_breaks_it(rule, change):
    service = copy.deepcopy(STACK["services"]["influxdb"]) | change
    service = {key: value for key, value in service.items() if value is not None}
    assert list(rule("influxdb", service))


def test_only_influxdb_and_grafana_run_unasked_and_the_others_at_one_word():
    for name, service in STACK["services"].items():
        wanted = None if name in {"influxdb", "grafana"} else [name]
        assert service.get("profiles") == wanted
    assert STACK["name"] == "energy-monitor"


def test_all_of_influxdb_s_data_is_in_one_volume():
    influxdb = STACK["services"]["influxdb"]
    assert influxdb["volumes"] == ["influxdb:/var/lib/influxdb2"]
    for name, value in influxdb["environment"].items():
        assert not name.endswith("_DIR") or value.startswith("/var/lib/influxdb2/")


def test_no_secret_is_handed_out_that_nobody_needs():
    handed = {secret for each in STACK["services"].values() for secret in each.get("secrets", [])}
    assert handed == set(STACK["secrets"])
    assert not any("admin-token" in secret or secret == "influxdb-token" for secret in handed)


def test_influxdb_2_knows_every_setting():
    program = influxd.find("2.")
    known = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    settings = [
        name.removeprefix("INFLUXD_").lower().replace("_", "-")
        for name in STACK["services"]["influxdb"]["environment"]
        if name.startswith("INFLUXD_")
    ]
    assert len(settings) > 10
    assert [name for name in settings if f"--{name} " not in known] == []


def test_influxdb_2_takes_them(tmp_path):
    printed = subprocess.run(
        [influxd.find("2."), "print-config", f"--bolt-path={tmp_path}/bolt"],
        env={"HOME": str(tmp_path)} | STACK["services"]["influxdb"]["environment"],
        capture_output=True,
        check=True,
    )
    taken = yaml.safe_load(printed.stdout)
    assert taken["storage-cache-max-memory-size"] == 96 << 20
    assert taken["query-memory-bytes"] == 100 << 20
    assert taken["log-level"] == "warn"


def test_docker_compose_takes_the_file_with_every_profile():
    command = [program("docker"), "compose", "-f", str(ROOT / "docker-compose.yml")]
    command += ["--profile", "*", "config", "--services"]
    if subprocess.run([*command[:2], "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose here")
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) == STACK["services"].keys()
    assert not found.stderr


# The commands and configurations of the profiles, run with Debian's servers.


def program(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"no {name} on the PATH")


@contextmanager
def profile(name: str, folder: Path, changes: dict[str, str]) -> Iterator[None]:
    """Run the command of a service here, where its paths and its port are others."""
    (folder / f"{name}-password").write_text("right-one")
    script = STACK["services"][name]["command"][2].replace("$$", "$")
    for there, here in {"/run/secrets": str(folder), **changes}.items():
        assert there in script
        script = script.replace(there, here)
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def talk(port: int, message: bytes, size: int) -> bytes:
    """Send a message as soon as someone listens, and return the first bytes of the answer."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(message)
                return connection.recv(size)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_redis_wants_the_password_of_its_secret(tmp_path):
    program("redis-server")
    port = influxd.free_port()
    with profile("redis", tmp_path, {"dir /data": f"dir {tmp_path}\nport {port}"}):
        assert talk(port, b"PING\r\n", 7) == b"-NOAUTH"
        assert talk(port, b"AUTH wrong\r\nPING\r\n", 10) == b"-WRONGPASS"
        assert talk(port, b"AUTH right-one\r\n", 5) == b"+OK\r\n"


def test_mosquitto_wants_the_password_of_its_secret(tmp_path):
    program("mosquitto")
    port, config = influxd.free_port(), tmp_path / "mosquitto.conf"
    text = STACK["configs"]["mosquitto"]["content"]
    for there, here in {
        "listener 1883": f"listener {port} 127.0.0.1\nuser root",
        "/run/mosquitto": str(tmp_path),
        "/mosquitto/data/": f"{tmp_path}/",
    }.items():
        assert there in text
        text = text.replace(there, here)
    config.write_text(text)
    paths = {"/run/mosquitto": str(tmp_path), "/mosquitto/config/mosquitto.conf": str(config)}
    with profile("mosquitto", tmp_path, paths):
        assert talk(port, mqtt_connect("energy-monitor", "right-one"), 4)[3] == 0
        assert talk(port, mqtt_connect("energy-monitor", "wrong"), 4)[3] == 5
        assert talk(port, mqtt_connect("", ""), 4)[3] == 5


def mqtt_connect(user: str, password: str) -> bytes:
    """Return a CONNECT of MQTT 3.1.1 (section 3.1), whose answer's last byte is 0 for welcome."""
    words = ["", user, password] if user else [""]
    flags = 0xC2 if user else 0x02
    payload = b"".join(len(word).to_bytes(2, "big") + word.encode() for word in words)
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x3c" + payload
    return b"\x10" + bytes([len(body)]) + body


def prometheus_files(folder: Path) -> Path:
    """Write what the container of Prometheus gets into *folder*; return the configuration."""
    text = STACK["configs"]["prometheus"]["content"].replace("$$", "$")
    for there in ("/etc/prometheus/", "/run/secrets/"):
        assert there in text
        text = text.replace(there, f"{folder}/")
    rules = STACK["configs"]["prometheus-rules"]["content"].replace("$$", "$")
    (folder / "predecessors.yml").write_text(rules)
    (folder / "page-password").write_text(PASSWORD)
    (folder / "prometheus.yml").write_text(text)
    return folder / "prometheus.yml"


def test_prometheus_takes_its_configuration(tmp_path):
    config = str(prometheus_files(tmp_path))
    subprocess.run([program("promtool"), "check", "config", config], check=True)


def test_prometheus_asks_the_collector_by_a_name_that_it_answers_to_and_with_the_password(tmp_path):
    service = STACK["services"]["prometheus"]
    name, _, where = service["extra_hosts"][0].partition(":")
    assert where == "host-gateway"
    config = yaml.safe_load(prometheus_files(tmp_path).read_text())
    (job,) = [each for each in config["scrape_configs"] if each["job_name"] == "energy-monitor"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == f"{name}:9992"
    with serving(options_with(tmp_path)) as options:
        user, password = job["basic_auth"]["username"], (tmp_path / "page-password").read_text()
        login = b64encode(f"{user}:{password}".encode()).decode()
        assert ask(options, host=target, Authorization=f"Basic {login}")[0] == 200


def test_the_rules_of_the_stack_are_those_of_the_example():
    inline = yaml.safe_load(STACK["configs"]["prometheus-rules"]["content"].replace("$$", "$"))
    assert inline == yaml.safe_load((RULES_OF_OLD / "predecessors.yml").read_text())


def test_the_rules_rebuild_the_names_of_the_old_exporters():
    for check in ("check", "test"):
        file = "predecessors.yml" if check == "check" else "predecessors.test.yml"
        command = [program("promtool"), check, "rules", file]
        subprocess.run(command, cwd=RULES_OF_OLD, check=True)


def test_the_rules_use_only_metrics_that_there_are():
    text = (RULES_OF_OLD / "predecessors.yml").read_text()
    used = set(re.findall(r"energy_monitor_\w+", text))
    assert used - {each.name for each in metrics().values()} == {INFO.name}
