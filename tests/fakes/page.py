"""A page of its own on loopback, and clients that say what they like."""

import socket
import threading
from contextlib import contextmanager, suppress

from collector.contract.page import DeviceNow, PageOptions
from collector.page.app import App
from collector.page.server import listening, server_at
from collector.secrets import Secret
from collector.status import SourceStatus, Status
from tests.servers.influxd import free_port

AT_MS = 1_763_654_400_000
PASSWORD = "open-sesame-of-this-test"


def options_with(folder=None, **given):
    """Return options for a free port, with ``PASSWORD`` where there is a *folder* for it."""
    if folder:
        (folder / "page-password").write_text(PASSWORD)
        given["password"] = Secret("page-password", folder)
    return PageOptions(**{"port": free_port(), **given})


def a_house(count=1, quantities=("voltage", "active_power")):
    """Return what the page is given: *count* devices."""
    values = {quantity: 230.0 + number for number, quantity in enumerate(quantities)}
    devices = [
        DeviceNow("electricity", f"meter{number}", "", "mains", AT_MS, values)
        for number in range(count)
    ]
    status = Status(site="home", now_ms=AT_MS, sources={"mains": SourceStatus(state="alive")})
    return status, devices


@contextmanager
def serving(options=None, show=a_house, **about):
    """Serve; yield the options, with the port."""
    options = options or options_with()
    app = App(options, show, **about)
    server = server_at(listening(options), app)
    stop = threading.Event()
    threads = [
        threading.Thread(target=server.serve, args=(stop,)),
        threading.Thread(target=app.maker.facts.run, args=(stop,)),
    ]
    for each in threads:
        each.start()
    try:
        yield options
    finally:
        stop.set()
        app.maker.facts.wanted.set()
        for each in threads:
            each.join(10)
        server.end()
        assert not any(each.is_alive() for each in threads)


def ask(options, path="/metrics", *, method="GET", host=None, **headers):
    """Return status, headers (by small names) and body of the answer."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'{options.address}:{options.port}'}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return say(options, "\r\n".join([*lines, "Connection: close", "", ""]).encode())


def say(options, request):
    """Send bytes and return what is answered until the end."""
    with connect(options) as client:
        client.sendall(request)
        return read_answer(client)


def connect(options):
    return socket.create_connection((options.address, options.port), timeout=20)


def read_answer(client):
    """Return status, headers and body; the status is 0 where nothing came before a hang-up."""
    answer = bytearray()
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            answer += part
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
    return int(first.split()[1]) if first else 0, headers, body.decode()
