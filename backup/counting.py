"""Who may count the points of InfluxDB's buckets: a token counts in its own organisation alone.

It does so also where another organisation has a bucket of the same name.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from backup.influxdb import Server
from collector.errors import BackupFault

Reader = Callable[[str], Server]


@contextmanager
def readers(server: Server, purpose: str) -> Iterator[Reader]:
    """Yield a function that returns, for the id of an organisation, who may read its points.

    The tokens that this takes are gone at the end; *purpose* is what they are called meanwhile.
    """
    known: dict[str, Server] = {}
    with ExitStack() as made:

        def reader(org_id: str) -> Server:
            if org_id not in known:
                known[org_id] = made.enter_context(reading(server, org_id, purpose))
            return known[org_id]

        yield reader


@contextmanager
def reading(server: Server, org_id: str, purpose: str) -> Iterator[Server]:
    """Make a token that may read in an organisation, and take it away again."""
    asked = {"orgID": org_id}
    for each in server.document("GET", "/api/v2/authorizations", asked)["authorizations"]:
        if each.get("description") == purpose:  # of a run that was killed
            forget(server, each["id"])
    resource = {"type": "buckets", "orgID": org_id}
    body = {
        "orgID": org_id,
        "description": purpose,
        "permissions": [{"action": "read", "resource": resource}],
    }
    made = server.document("POST", "/api/v2/authorizations", body=body)
    try:
        yield Server(server.url, made["token"])
    finally:
        with suppress(BackupFault):
            forget(server, made["id"])


def forget(server: Server, token_id: str) -> None:
    with server.got("DELETE", f"/api/v2/authorizations/{token_id}"):
        pass
