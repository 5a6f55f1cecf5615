"""What answers are made of: the views, each made no oftener than it changes."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any

from collector.contract.page import Home, Show
from collector.contract.views import HealthView, NowView
from collector.page.answer import Answer, gzipped, of_json
from collector.page.facts import Facts
from collector.page.metrics import Text
from collector.page.pace import Turns
from collector.page.views import health, now
from collector.page.views.bills import Bills
from collector.page.views.cost import Costs
from collector.page.views.energy import Energies
from collector.page.views.figures import main_of
from collector.page.views.health import Deliveries
from collector.page.views.records import Records
from collector.page.views.sparks import Sparks

NOW_KEPT_S = 0.9  # a browser asks once a second
METRICS_KEPT_S = 0.5


class Kept:
    """What *make* returned, for a while; it is made once, however many ask at once."""

    def __init__(self, make: Callable[[], Any], kept_s: float) -> None:
        self.make = make
        self.kept_s = kept_s
        self.making = threading.Lock()
        self.made_s = -math.inf
        self.made: Any = None

    def __call__(self) -> Any:
        with self.making:
            if time.monotonic() >= self.made_s + self.kept_s:
                self.made = self.make()
                self.made_s = time.monotonic()
            return self.made


class Maker:
    """Makes views. Those of journal and ledger take a turn, of which there are few."""

    def __init__(
        self,
        show: Show,
        home: Home,
        wall_ms: Callable[[], float] | None = None,
        *,
        kept_s: float | None = None,
    ) -> None:
        self.records = Records(home, show, wall_ms)
        self.turns = Turns()
        # One answer at a time: each thread that computes keeps those that measure waiting.
        self.making = threading.Lock()
        self.sparks = Sparks()
        self.deliveries = Deliveries()
        self.energies = Energies(self.records)
        self.bills = Bills(self.records)
        self.costs = Costs(self.records, self.energies, self.bills)
        self.facts = Facts(self.records, self.energies, self.costs, self.turns)
        self.text = Text()
        self.now = Kept(self.new_now, NOW_KEPT_S if kept_s is None else kept_s)
        self.now_answer = Kept(self.new_answer, NOW_KEPT_S if kept_s is None else kept_s)
        self.metrics = Kept(self.new_metrics, METRICS_KEPT_S if kept_s is None else kept_s)

    @property
    def zone(self) -> Any:
        return self.records.zone

    @property
    def label(self) -> str:
        return self.records.home.site

    def tick(self) -> None:
        """Remember how things are, every ten seconds; called oftener."""
        if self.sparks.is_due(self.records.now_ms):
            status, devices = self.records.now()
            self.sparks.add(devices, main_of, self.records.now_ms)
            self.deliveries.note(status)

    def new_now(self) -> NowView:
        known = self.facts.ask()
        status, devices = self.records.now()
        return now.view(self.records, status, devices, self.sparks, known.usual, known.today)

    def new_answer(self) -> Answer:
        answer = of_json(self.new_now())
        return answer._replace(packed=gzipped(answer.body))

    def new_metrics(self) -> bytes:
        return self.text.of(*self.records.now()).encode()

    def health(self) -> HealthView:
        return health.view(self.records, *self.records.now(), self.deliveries)
