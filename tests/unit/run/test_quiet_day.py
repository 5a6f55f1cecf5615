"""A day without events leaves a log that a person reads in a minute."""

import logging
import threading
from typing import Any

from collector.contract import OutputOptions
from collector.journal.journal import Journal
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from collector.run.intake import Intake
from tests.fakes.time_machine import FakeClock, Turns
from tests.unit.run.test_delivery import Database
from tests.unit.run.test_intake import Meter, feeds_of

MOST_LINES = 20
DAY_MS = 86_400_000
MINUTE_MS = 60_000


def test_a_day_without_events_logs_next_to_nothing(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    journal = Journal(tmp_path, "boot", ["history"])
    journal.log.segment_bytes = 20_000  # so that as many are closed and dropped as in a house
    journal.open()
    lock = threading.Lock()
    intake = Intake(feeds_of(Meter(clock), Meter(clock, "solar")), journal, clock, lock)
    options = OutputOptions(type="influxdb")
    health = OutputHealth()
    database: Any = Database()
    delivery = Delivery("history", database, options, journal, clock, health, lock)
    begun_ms = clock.wall_ms()
    while clock.wall_ms() < begun_ms + DAY_MS:
        intake.run(Turns(4))
        clock.pass_ms(MINUTE_MS)
        delivery.deliver_once()
        journal.sync()
        journal.keep_house(10**9)
        journal.drop_old(clock.wall_ms() - DAY_MS / 24, clock.wall_ms() - DAY_MS)
    journal.close()
    assert health.delivered > 1000
    assert len(caplog.records) < MOST_LINES
