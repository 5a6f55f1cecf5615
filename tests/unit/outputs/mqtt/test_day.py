"""A simulated day with everything that goes wrong in it: Home Assistant books the exact energy."""

import json
import threading
from typing import Any

import pytest

from collector.contract import Context, OutputOptions
from collector.journal.journal import Journal
from collector.lines.serial import Lines
from collector.outputs.mqtt.output import MQTT, MQTTOptions
from collector.reading import Reading, encode
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from collector.scalars import Seconds
from tests.fakes.outputs.mqtt import hearing
from tests.fakes.outputs.mqtt_case import ROOT
from tests.fakes.time_machine import FakeClock
from tests.homeassistant import components, shown, statistics
from tests.servers import mosquitto

BEGIN_S = 1_763_654_400
EVERY_S = 60
DAY = range(BEGIN_S, BEGIN_S + 86_400, EVERY_S)
HOUR_S = 3_600
METERS = ("mains", "garden")
SWAPPED_S = BEGIN_S + 20 * HOUR_S
SWAP_S = 1_800


class HomeAssistant:
    """What Home Assistant shows: it restarts, gets what is retained, and goes on with its own."""

    def __init__(self):
        self.states: dict[str, list[float]] = {meter: [] for meter in METERS}
        self.times: dict[str, list[int]] = {meter: [] for meter in METERS}
        self.entities = {}

    def hear(self, ear):
        """Take all that came on one connection."""
        ear.await_all()
        for topic, payload, _ in ear.heard:
            if topic.startswith("homeassistant/device"):
                self.entities.update(
                    {each["unique_id"]: each for each in components(json.loads(payload)).values()}
                )
        for topic, payload, _ in ear.heard:
            for meter in METERS:
                if topic == f"{ROOT}/{meter}/state":
                    fields = self.entities[f"{ROOT}/{meter}/active_energy"]
                    self.times[meter].append(json.loads(payload)["time_ms"])
                    if value := shown(fields, payload):
                        self.states[meter].append(float(value))


class House:
    """Meters, a journal and the output, on a clock that the test moves."""

    def __init__(self, folder, url):
        self.folder = folder
        self.options = MQTTOptions(type="mqtt", url=url, every=Seconds(EVERY_S))
        self.journal = Journal(folder / "journal", "boot", ["it"])
        self.journal.open()
        self.now_s = BEGIN_S
        self.start()

    def start(self):
        context = Context("home", Lines(), self.folder, self.folder / "state")
        self.output: Any = MQTT("it", self.options, context)
        self.output.monotonic_s = lambda: self.now_s
        options: OutputOptions = self.options
        health, lock = OutputHealth(), threading.Lock()
        self.delivery = Delivery(
            "it", self.output, options, self.journal, FakeClock(), health, lock
        )

    def restart(self, *, killed):
        if not killed:
            self.delivery.close()
        else:  # its connection ends, and nothing is written down
            self.output.memory.save = lambda *_, **__: None
            self.delivery.close()
        self.start()

    def read(self, **meters):
        readings = [
            Reading("electricity", meter, self.now_s * 1000, {"active_energy": value})
            for meter, value in meters.items()
        ]
        self.journal.append([encode(each) for each in readings])

    def end(self):
        self.delivery.close()
        self.journal.close()


def meters_at(at_s):
    """Return what the meters show; 'garden' is replaced by a new one, 'mains' is away an hour."""
    step = (at_s - BEGIN_S) // EVERY_S
    values = {"mains": 1_000_000.5 + 7.25 * step}
    if at_s < SWAPPED_S:
        values["garden"] = 50_000.0 + 3.5 * step
    elif at_s >= SWAPPED_S + SWAP_S:
        values["garden"] = 2.25 * (at_s - SWAPPED_S - SWAP_S) / EVERY_S
    if 9 * HOUR_S <= at_s - BEGIN_S < 10 * HOUR_S:
        del values["mains"]
    if at_s - BEGIN_S == 15 * HOUR_S:
        values["mains"] = 0.0  # a meter that starts says so once
    return values


@pytest.fixture
def home_assistant():
    return HomeAssistant()


def test_a_day_of_restarts_gaps_and_a_new_meter_is_booked_exactly(tmp_path, home_assistant):
    keeping = f"persistence true\npersistence_location {tmp_path}/broker/\nmax_queued_messages 0"
    with mosquitto.running(tmp_path / "broker", extra=keeping) as broker:
        house = House(tmp_path, broker.line)
        parts = [
            (DAY[: 6 * 60], lambda: house.restart(killed=False)),
            (DAY[6 * 60 : 8 * 60], lambda: house.restart(killed=True)),
            (DAY[8 * 60 : 12 * 60], lambda: None),  # Home Assistant restarts after each part
        ]
        run(house, broker, home_assistant, parts)
    house.now_s = DAY[12 * 60]
    for at_s in DAY[12 * 60 : 14 * 60]:  # two hours without a broker
        house.now_s = at_s
        house.read(**meters_at(at_s))
    house.delivery.deliver_once()
    assert house.delivery.health.state == "away"
    with mosquitto.running(tmp_path / "broker", port=broker.port, extra=keeping) as broker:
        parts = [(DAY[14 * 60 : 18 * 60], lambda: None), (DAY[18 * 60 :], lambda: None)]
        run(house, broker, home_assistant, parts)
        house.end()
    for times in home_assistant.times.values():
        assert times == sorted(times)
    last = meters_at(DAY[-1])
    mains = last["mains"] - meters_at(BEGIN_S)["mains"]
    garden = meters_at(SWAPPED_S - EVERY_S)["garden"] - 50_000.0 + last["garden"]
    booked = {meter: statistics(home_assistant.states[meter]) for meter in METERS}
    assert booked == {"mains": mains, "garden": garden}
    falls = [
        (before, after)
        for before, after in zip(
            home_assistant.states["garden"], home_assistant.states["garden"][1:], strict=False
        )
        if after < before
    ]
    assert len(falls) == 1


def run(house, broker, home_assistant, parts):
    for times, then in parts:
        with hearing(broker) as ear:
            for at_s in times:
                house.now_s = at_s
                house.read(**meters_at(at_s))
                house.delivery.deliver_once()
                assert not house.delivery.failures, house.delivery.health.last_error
            then()
            home_assistant.hear(ear)


def test_a_day_s_backlog_is_one_message_per_device(tmp_path):
    with mosquitto.running(tmp_path / "broker") as broker, hearing(broker) as ear:
        house = House(tmp_path, broker.line)
        for at_s in DAY:
            house.now_s = at_s
            house.read(mains=float(at_s), garden=float(at_s))
        house.delivery.deliver_once()
        for meter in METERS:
            (state,) = ear.of(f"{ROOT}/{meter}/state")
            assert json.loads(state)["active_energy"] == DAY[-1]
        assert house.journal.backlog("it") == 0
        house.end()
