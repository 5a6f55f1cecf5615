"""A token for each house, as docs/fleet.md has it: with the real vmauth before VictoriaMetrics."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import urllib3

from collector.contract import Context
from collector.errors import OutputAway
from collector.lines.serial import Lines
from collector.outputs.influxdb.output import InfluxDB, InfluxDBOptions
from collector.reading import Reading, encode
from collector.secrets import Secret
from tests.fakes.running import wait_for
from tests.servers import victoria
from tests.servers.influxd import free_port

DOCS = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text()
TOKEN = "LONG-RANDOM-WORD-OF-HOUSE-007"


@pytest.fixture
def servers(tmp_path):
    """VictoriaMetrics, and the address of vmauth before it."""
    program = shutil.which("vmauth")
    if not program:
        pytest.skip("no vmauth on the PATH: apt install victoria-metrics")
    with victoria.running(tmp_path) as server:
        (block,) = re.findall(r"```yaml\n(# vmauth.yml.*?)```", DOCS, re.DOTALL)
        file, at = tmp_path / "vmauth.yml", f"127.0.0.1:{free_port()}"
        file.write_text(block.replace("http://127.0.0.1:8428", server.url))
        command = [program, f"-auth.config={file}", f"-httpListenAddr={at}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(lambda: answers(f"http://{at}/"), "vmauth answers")
                yield server, f"http://{at}"
            finally:
                process.terminate()


def answers(url):
    try:
        return urllib3.request("GET", url, retries=False, timeout=5).status
    except urllib3.exceptions.HTTPError:
        return 0


def output_to(url, folder, token, site):
    (folder / "token").write_text(token)
    secret = Secret("token", folder)
    options = InfluxDBOptions(type="influxdb", url=url, bucket="b", token=secret, read_token=secret)
    return InfluxDB("c", options, Context(site, Lines(), folder, folder, installation="a" * 16))


def test_a_token_writes_and_reads_one_house_whatever_it_says(servers, tmp_path):
    server, url = servers
    at_ms = int(time.time()) * 1000 - 60_000
    reading = encode(Reading("electricity", "mains", at_ms, {"voltage": 230.0}))
    liar = output_to(url, tmp_path, TOKEN, "another-house")
    liar.open()
    liar.write([reading])
    assert server.export('electricity_voltage{site="house-007"}') == {
        ("electricity_voltage", at_ms): 230.0
    }
    assert server.export('electricity_voltage{site="another-house"}') == {}
    honest = output_to(url, tmp_path, TOKEN, "house-007")
    wait_for(lambda: honest.marks("15m") == {"a" * 16}, "its own mark is seen")
    with pytest.raises(OutputAway):
        output_to(url, tmp_path, "no-token", "house-007").write([reading])
