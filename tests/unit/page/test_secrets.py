"""No answer has a secret, also where the far sides of outputs say back all that they are told."""

import base64
import socketserver
import threading
from contextlib import contextmanager

from collector.contract.page import PageOptions
from tests.fakes.page import ask as ask_page
from tests.fakes.running import ask, collector, configure, wait_for
from tests.servers.influxd import free_port

NAMES = ("influxdb", "emoncms", "metrics", "metrics-user", "redis", "mqtt", "heartbeat", "page")
SECRETS = {f"{each}-secret": f"Zz9-{each}+of/this?test" for each in NAMES}
SECRETS["emoncms-secret"] = "Zz9emoncmsOfThisTest"  # a key has letters and digits only
OUTPUTS = """
  database: {{type: influxdb, url: "http://127.0.0.1:{port}", org: home, bucket: energy,
             token: !secret influxdb-secret}}
  emon: {{type: emoncms, url: "http://127.0.0.1:{port}", key: !secret emoncms-secret}}
  bearer: {{type: prometheus_remote_write, url: "http://127.0.0.1:{port}",
           token: !secret metrics-secret}}
  basic: {{type: prometheus_remote_write, url: "http://127.0.0.1:{port}", user: me,
          password: !secret metrics-user-secret}}
  cache: {{type: redis, url: "tcp://127.0.0.1:{port}", password: !secret redis-secret}}
  broker: {{type: mqtt, url: "mqtt://127.0.0.1:{port}", user: me, password: !secret mqtt-secret}}
  beat: {{type: heartbeat, url: "http://127.0.0.1:{port}", path: !secret heartbeat-secret,
         every: 60s}}
"""
VIEWS = ("now", "devices", "energy", "cost", "bill", "health", "events", "openapi.json", "nothing")
PATHS = (
    *("/", "/devices", "/history", "/cost", "/bill", "/health", "/api"),
    *("/login", "/metrics", "/healthz", "/nothing"),
    *(f"/api/v1/{each}" for each in VIEWS),
    "/api/v1/history?device=house&quantity=voltage",
)


class Echo(socketserver.BaseRequestHandler):
    """Says back what it hears, as an error of HTTP or of Redis."""

    def handle(self):
        heard = self.request.recv(65536)
        if b" HTTP/1." in heard.partition(b"\r\n")[0]:
            head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            self.request.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(heard), heard))
        else:
            self.request.sendall(b"-ERR " + heard.replace(b"\r\n", b" ") + b"\r\n")


@contextmanager
def echo():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(10)


def forms(value):
    """Return a secret as it may stand in a text."""
    users = (f"me:{value}", f":{value}", value)
    return [value, *(base64.b64encode(each.encode()).decode().rstrip("=") for each in users)]


def test_no_answer_has_a_secret_of_any_output(tmp_path):
    port = free_port()
    with echo() as far:
        file = configure(
            tmp_path, "  house: {type: simulated, every: 1s}\n", OUTPUTS.format(port=far), port=port
        )
        text = file.read_text()
        file.write_text(text.replace("{port: ", "{password: !secret page-secret, port: "))
        (tmp_path / "secrets").mkdir(mode=0o700)
        for name, value in SECRETS.items():
            (tmp_path / "secrets" / name).write_text(value)
        with collector(file) as process:
            wait_for(lambda: all(failed(tmp_path)), "every far side has said back what it heard")
            wait_for(lambda: ask(tmp_path)["page"]["state"] == "serving", "the page is served")
            answers = list(everything(port))
            process.terminate()
            _, logged = process.communicate(timeout=20)
    said = {f"{path} {headers}": body for path, headers, body in answers}
    for name, value in SECRETS.items():
        for form in forms(value):
            assert [where for where, text in said.items() if form in text] == [], name
            assert form not in logged, name


def failed(folder):
    """Yield for each output whether its far side has refused something."""
    for each in ask(folder)["outputs"].values():
        yield bool(each["last_error"])


def everything(port):
    """Yield what is answered at each path, to a stranger, to one who knows, and to a browser."""
    page = PageOptions(port=port)
    key = base64.b64encode(f":{SECRETS['page-secret']}".encode()).decode()
    for path in PATHS:
        for headers in ({}, {"Authorization": f"Basic {key}"},
                        {"Authorization": f"Basic {key}", "Accept": "text/html"}):  # fmt: skip
            status, found, body = ask_page(page, path, **headers)
            assert status != 500, path
            yield path, sorted(headers), f"{found}{body}"
