"""A utility's portal on opower.com, as Glendale Water and Power has one, for the library opower.

It tells cost and use by the hour and by the day in local time, from ``since`` until ``until``.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.http_answers import Asked, Reply

ZONE = ZoneInfo("America/Los_Angeles")
HOUR = timedelta(hours=1)
PASSWORD = "geheim-4711"

Read = dict[str, Any]


def as_json(body: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


class Portal:
    """Answers what the library asks. *accounts* are triples: kind, number, finest resolution."""

    def __init__(self, until: datetime, days: int = 40) -> None:
        self.until = until
        self.since = until - timedelta(days=days)
        self.password = PASSWORD
        self.accounts = [("ELEC", "100004711", "HOUR")]
        self.units: dict[str, str] = {}
        self.corrected: dict[int, float] = {}
        self.tells_offsets = True
        self.tells_cost = True
        self.replies: dict[str, Reply] = {}
        self.signins = 0
        self.windows: list[tuple[str, date, date]] = []

    def __call__(self, asked: Asked) -> Reply:
        for part, reply in self.replies.items():
            if part in asked.path:
                return reply
        last = asked.path.rpartition("/")[2]
        if last == "signin":
            self.signins += 1
            given = json.loads(asked.body)["password"]
            return Reply(204 if given == self.password else 401)
        if last == "customers":
            return as_json({"customers": [self.customer()]})
        if last == "graphql":
            return as_json(self.forecast())
        is_cost = "/cost/" in asked.path
        return as_json({"reads": list(self.reads(asked.fields, is_cost=is_cost))})

    def customer(self) -> dict[str, Any]:
        accounts = [
            {
                "uuid": f"uuid-{kind}-{number}",
                "preferredUtilityAccountId": number,
                "meterType": kind,
                "readResolution": resolution,
            }
            for kind, number, resolution in self.accounts
        ]
        return {"uuid": "c0ffee-1", "utilityAccounts": accounts}

    def forecast(self) -> dict[str, Any]:
        segments = [
            {
                "serviceAgreement": {"uuid": f"uuid-{kind}-{number}"},
                "estimatedUsage": {"unit": unit},
            }
            for kind, number, _ in self.accounts
            if (unit := self.units.get(kind))
        ]
        bill = {"timeInterval": "2026-11-01T00:00:00-07:00/2026-12-01T00:00:00-08:00"}
        edge = {"node": {"billForecast": bill | {"segments": segments}}}
        return {"data": {"billingAccountsConnection": {"edges": [edge]}}}

    def reads(self, fields: Mapping[str, str], *, is_cost: bool) -> Iterator[Read]:
        """Yield what is asked for, its last day as a whole."""
        if is_cost and not self.tells_cost:
            return
        first, last = (date.fromisoformat(fields[each][:10]) for each in ("startDate", "endDate"))
        self.windows.append((fields["aggregateType"], first, last))
        step = self.hours if fields["aggregateType"] == "hour" else self.days
        for begin, end, used in step(first, last):
            amount: Read = {"value": used} if is_cost else {"consumption": {"value": used}}
            cost = {"providedCost": round(used / 5, 4)} if is_cost else {}
            yield {"startTime": self.told(begin), "endTime": self.told(end)} | amount | cost

    def hours(self, first: date, last: date) -> Iterator[tuple[datetime, datetime, float]]:
        at, end = midnight(first), midnight(last + timedelta(days=1))
        while at < min(end, self.until):
            if at >= self.since:
                yield at, at + HOUR, self.used(at)
            at += HOUR

    def days(self, first: date, last: date) -> Iterator[tuple[datetime, datetime, float]]:
        while first <= last:
            begin, end = midnight(first), midnight(first + timedelta(days=1))
            if self.since <= begin and end <= self.until:
                hours = self.hours(first, first)
                yield begin, end, round(sum(used for *_, used in hours), 3)
            first += timedelta(days=1)

    def used(self, at: datetime) -> float:
        """Return the kWh in the hour from *at* on."""
        hour = round(at.timestamp()) // 3600
        return self.corrected.get(hour, 0.1 + hour % 1000 / 1000)

    def told(self, at: datetime) -> str:
        local = at.astimezone(ZONE)
        return local.isoformat() if self.tells_offsets else local.replace(tzinfo=None).isoformat()


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
