"""PostgreSQL, for the suite over all outputs."""

import struct
from contextlib import contextmanager

from collector.reading import Reading
from tests.fakes.outputs.far import TOKEN, Far
from tests.servers import postgres

VOLTAGES = "SELECT time, voltage FROM electricity WHERE device = %s AND voltage IS NOT NULL"
REFUSING = "ALTER TABLE electricity ADD CONSTRAINT of_the_owner CHECK (current < 1000)"


@contextmanager
def postgresql(_folder):
    with postgres.running() as server:

        def stored(device):
            rows = server.ask(VOLTAGES, [device]) if has_table(server) else []
            return {round(time.timestamp() * 1000): voltage for time, voltage in rows}

        def refuses(device, at_ms):
            server.ask("ALTER TABLE electricity ADD COLUMN IF NOT EXISTS current float8")
            server.ask(REFUSING)
            return Reading("electricity", device, at_ms, {"current": 1e6})

        yield Far(
            url=server.url,
            options={"database": postgres.DATABASE, "password": TOKEN},
            secrets={"token": postgres.PASSWORD},
            stored=stored,
            hurried=hurried,
            full=error_response("53300", "sorry, too many clients already"),
            endless=b"N" + struct.pack(">i", 1_000_000_000) + b"x" * 20_000_000,
            refuses=refuses,
            credential="token",
        )


def has_table(server):
    return server.ask("SELECT to_regclass('electricity') IS NOT NULL")[0][0]


@contextmanager
def hurried(output):
    output.patience_s, patience_s = 0.5, output.patience_s
    yield
    output.patience_s = patience_s


def error_response(code, message):
    """Return what a server says that will not let us in."""
    fields = {b"S": "FATAL", b"V": "FATAL", b"C": code, b"M": message}
    body = b"".join(key + text.encode() + b"\0" for key, text in fields.items()) + b"\0"
    return b"E" + struct.pack(">i", len(body) + 4) + body


def rows(server, statement, *values):
    """Run a statement as the role of the output."""
    with server.connect(user=postgres.USER, password=postgres.PASSWORD) as connection:
        return connection.execute(statement, values).fetchall()
