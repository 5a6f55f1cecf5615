"""InfluxDB 2 and VictoriaMetrics, for the suite over all outputs."""

from contextlib import contextmanager

from collector.reading import Reading
from tests.fakes.outputs.far import ENDLESS, FULL, TOKEN, Far, hurried_http
from tests.servers import influxd, victoria


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
