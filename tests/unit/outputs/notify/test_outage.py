"""Six hours without a line, through the journal: each alert is told once, with its age."""

import json
import threading

import pytest

from collector.contract import OutputOptions
from collector.journal.journal import Journal
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.notify import NOW_MS, clock, line
from tests.fakes.time_machine import FakeClock
from tests.unit.outputs.notify.house import make

STEP_MS, HOUR_MS = 600_000, 3_600_000


class Line:
    """A web server that takes messages, while the line is there."""

    def __init__(self):
        self.is_there, self.bodies = False, []

    def __call__(self, asked):
        if not self.is_there:
            return Reply(503, b"")
        self.bodies.append(json.loads(asked.body))
        return Reply(200, b"{}")


class House:
    """A journal and the target that reads from it, which may be started anew."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.clock = FakeClock(wall_ms=NOW_MS)
        self.journal = Journal(folder / "journal", "boot", ["phone"])
        self.journal.open()
        self.start()

    def start(self):
        target = make(self.folder, name="phone", url=self.url)
        self.health = OutputHealth()
        of_type = OutputOptions(type="webhook")
        self.delivery = Delivery(
            "phone", target, of_type, self.journal, self.clock, self.health, threading.Lock()
        )

    def pass_to(self, at_ms, *alerts):
        self.clock.pass_ms(at_ms - self.clock.wall_ms())
        self.journal.append([*alerts, clock(at_ms)])
        self.delivery.deliver_once()


@pytest.mark.parametrize("restarts", [(), (13, 29)])
def test_after_six_hours_without_a_line_each_alert_is_told_once_with_its_age(restarts, tmp_path):
    over = {"is_raised": False, "since_ms": NOW_MS + HOUR_MS, "duration_s": 1800.0}
    raised = {
        0: [line()],
        24: [line("gone.heat", NOW_MS + 4 * HOUR_MS, value=120.0, worst=120.0)],
        9: [line("gone.roof", NOW_MS + 3 * HOUR_MS // 2, value=120.0, worst=1800.0, **over)],
    }
    service = Line()
    with HttpAnswers(service) as answers:
        house = House(tmp_path, answers.url)
        for step in range(36):
            house.pass_to(NOW_MS + step * STEP_MS, *raised.get(step, []))
            assert house.health.state == "away"
            if step in restarts:
                house.start()
        service.is_there = True
        for step in range(36, 50):
            house.pass_to(NOW_MS + step * STEP_MS)
        house.journal.close()
    titles = [each["title"] for each in service.bodies]
    assert titles == [
        "6 h ago: home: overload mains",
        "4 h ago: home: over: gone roof",
        "2 h ago: home: gone heat",
    ]
