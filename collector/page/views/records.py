"""What views are made from: the service's values of now, its journal, its ledger, its house."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from http import HTTPStatus
from zoneinfo import ZoneInfo

from collector.contract.page import DeviceNow, Home, Show
from collector.contract.roles import Plan, plan
from collector.ledger.database import Database, LedgerDamaged, faults, open_to_read
from collector.page.answer import Refused
from collector.safe_text import safe
from collector.status import Status

WAIT_S = 1.0  # for whoever writes to the ledger: a person waits
CACHE_KB = 256  # of the database: nothing is read twice


class Records:
    """Everything that is read; it can be asked by any thread."""

    def __init__(self, home: Home, show: Show, wall_ms: Callable[[], float] | None = None) -> None:
        self.home = home
        self.show = show
        self.wall_ms = wall_ms or (lambda: time.time() * 1000)
        self.zone = ZoneInfo(home.timezone)

    @property
    def now_ms(self) -> int:
        return math.floor(self.wall_ms())

    @cached_property
    def plan(self) -> Plan:
        return plan(self.home.roles)

    @contextmanager
    def ledger(self) -> Iterator[Database]:
        """Open the ledger. Raise Refused where it cannot be read."""
        try:
            with faults(), closing(open_to_read(self.home.ledger, WAIT_S)) as database:
                database.connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
                yield database
        except FileNotFoundError:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "there is no ledger yet: the first quarter hour is written within 15 minutes",
            ) from None
        except (LedgerDamaged, OSError) as error:
            raise unreadable(error) from None

    def now(self) -> tuple[Status, Sequence[DeviceNow]]:
        return self.show()


def unreadable(error: Exception) -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{safe(str(error))}; 'sudo energy-monitor doctor' says more",
        ("Retry-After", "30"),
    )
