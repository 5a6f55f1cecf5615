"""Two houses with one name of a site would be one house in the database, for ever.

So an installation leaves a mark of itself in the series ``energy_monitor_site``, and looks who else
does. InfluxQL is asked for, or PromQL where that is not known: VictoriaMetrics takes our writes.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from collector.contract.documents import parsed

MARK = "energy_monitor_site"
FIELD = "seen"
LATELY = "15m"  # the mark is renewed every five minutes
EVER = "7d"  # who was here before an outage of that long is no newcomer after it

Ask = Callable[[str, Mapping[str, str]], tuple[int, str]]


def mark(site: str, installation: str, at_ms: int) -> bytes:
    return f"{MARK},site={site},installation={installation} {FIELD}=1.0 {at_ms}".encode("ascii")


def installations(ask: Ask, bucket: str, site: str, span: str) -> set[str] | None:
    """Return the marks on *site* within *span*; None where the server does not say.

    *ask* takes a path and its fields, and returns status and text.
    """
    database, _, policy = bucket.partition("/")
    query = (
        f"SELECT last({FIELD}) FROM {MARK} WHERE site = '{site}' AND time > now() - {span} "  # noqa: S608  of plain words
        "GROUP BY installation"
    )
    fields = {"db": database, "epoch": "ms", "q": query} | ({"rp": policy} if policy else {})
    found = of_influxql(*ask("/query", fields))
    if found is None:
        series = f'count_over_time({MARK}_{FIELD}{{site="{site}"}}[{span}])'
        promql = f"count by (installation) ({series})"
        found = of_promql(*ask("/api/v1/query", {"query": promql}))
    return found


def of_influxql(status: int, text: str) -> set[str] | None:
    try:
        result = parsed(text)["results"][0]
        if status != HTTPStatus.OK or "error" in result or "statement_id" not in result:
            return None
        return {str(each["tags"]["installation"]) for each in result.get("series", ())}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def of_promql(status: int, text: str) -> set[str] | None:
    try:
        answer = parsed(text)
        if status != HTTPStatus.OK or answer["status"] != "success":
            return None
        return {str(each["metric"]["installation"]) for each in answer["data"]["result"]}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
