"""The far sides of outputs, for the suite over all of them: one driver per real server.

A driver is a context manager that gives a ``Far``. A new output joins by adding one to ``DRIVERS``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from collector.reading import Reading
from tests.servers import influxd, victoria


@dataclass(frozen=True)
class Far:
    """A real server at *url*.

    *options* are those of the output besides 'url', *secrets* the files that they name. *stored*
    gives the voltages of a device by time. *hurried* shortens the output's patience for a while.
    *full* and *endless* are answers of a server that is full, and of one that never ends.
    *refuses* makes a reading that the server refuses for ever, *credential* is the secret that
    lets us in; None where this server has no such thing.
    """

    url: str
    options: dict[str, Any]
    secrets: dict[str, str]
    stored: Callable[[str], dict[int, float]]
    hurried: Callable[[Any], AbstractContextManager[None]]
    full: bytes
    endless: bytes
    refuses: Callable[[str, int], Reading] | None = None
    credential: str | None = None


def http_answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@contextmanager
def hurried_http(output: Any) -> Iterator[None]:
    patient = output.server.limits
    output.server.limits = replace(patient, answer_s=0.5)
    yield
    output.server.limits = patient


FULL = http_answer(500, b'{"code":"internal error","message":"no space left on device"}')
ENDLESS = http_answer(500, b"x" * 3_000_000)
TOKEN = "!secret token"


@contextmanager
def influxdb_2(folder):
    with influxd.shared(folder) as server:

        def stored(device):
            rows = server.query(f"SELECT voltage FROM electricity WHERE device = '{device}'")
            return {at_ms: voltage for at_ms, voltage in rows if voltage is not None}

        def refuses(device, at_ms):
            line = f'electricity,device={device} current="a text" {at_ms}'
            fields = {"org": server.org, "bucket": server.bucket, "precision": "ms"}
            assert server.ask("POST", "/api/v2/write", fields, body=line).status == 204
            return Reading("electricity", device, at_ms, {"current": 1.0})

        yield Far(
            url=server.url,
            options={"org": server.org, "bucket": server.bucket, "token": TOKEN},
            secrets={"token": server.token},
            stored=stored,
            hurried=hurried_http,
            full=FULL,
            endless=ENDLESS,
            refuses=refuses,
            credential="token",
        )


@contextmanager
def victoria_metrics(folder):
    with victoria.running(folder) as server:

        def stored(device):
            found = server.export(f'{{__name__="electricity_voltage",device="{device}"}}')
            return {at_ms: value for (_, at_ms), value in found.items()}

        yield Far(
            url=server.url,
            options={"bucket": "energy", "token": TOKEN},
            secrets={"token": "any"},
            stored=stored,
            hurried=hurried_http,
            full=FULL,
            endless=ENDLESS,
        )


DRIVERS = {"influxdb": [influxdb_2, victoria_metrics]}
