"""Prometheus and VictoriaMetrics as receivers of remote writes, for the suite over all outputs."""

from contextlib import contextmanager

from collector.reading import Reading
from tests.fakes.outputs.far import ENDLESS, FULL, TOKEN, Far, hurried_http
from tests.servers import prometheus as servers
from tests.servers import victoria

WINDOW = "storage: {tsdb: {out_of_order_time_window: 1d}}\n"
RECEIVER = "--web.enable-remote-write-receiver"


@contextmanager
def prometheus(folder):
    with servers.running(folder, WINDOW, RECEIVER) as server:

        def stored(device):
            return server.samples(f'energy_monitor_voltage_volts{{device="{device}"}}[1d]')

        def refuses(device, at_ms):
            return Reading("electricity", device, at_ms - 3 * 86_400_000, {"current": 1.0})

        yield Far(
            url=server.url,
            options={},
            secrets={},
            stored=stored,
            hurried=hurried_http,
            full=FULL,
            endless=ENDLESS,
            refuses=refuses,
        )


@contextmanager
def victoria_metrics(folder):
    with victoria.running(folder) as server:

        def stored(device):
            name = "energy_monitor_voltage_volts"
            found = server.export(f'{{__name__="{name}",device="{device}",site="home"}}')
            return {at_ms: value for (_, at_ms), value in found.items()}

        yield Far(
            url=server.url,
            options={"token": TOKEN},
            secrets={"token": "any"},
            stored=stored,
            hurried=hurried_http,
            full=FULL,
            endless=ENDLESS,
        )
