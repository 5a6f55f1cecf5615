"""Both servers that the tests of EmonCMS run against, and a meter whose energy EmonCMS counts."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from collector.contract import Context
from collector.lines.serial import Lines
from collector.outputs.emoncms import setup
from collector.outputs.emoncms.options import EmonCMSOptions, Input, Process
from collector.outputs.emoncms.output import EmonCMS
from collector.reading import Reading, encode
from collector.scalars import Seconds
from collector.secrets import Secret
from tests.fakes import emoncms as fake
from tests.fakes.http_answers import HttpAnswers
from tests.servers import emoncms as real

BEGIN_S = 1_768_480_200
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", params=["recorded", "real"])
def server(request, tmp_path_factory):
    """The fake that answers as was recorded, and the real EmonCMS where there is one."""
    if request.param == "real":
        with real.running(tmp_path_factory.mktemp("emoncms")) as running:
            yield running
        return
    account = fake.Account()
    account.most_nodes = 1_000
    with HttpAnswers(account) as answers:
        yield real.EmonCMS(answers.url, fake.WRITE_KEY, fake.READ_KEY, account=account)


@pytest.fixture
def key_file(server, tmp_path):
    file = tmp_path / "emoncms-key"
    file.write_text(server.write_key)
    return file


@pytest.fixture
def make(server, key_file, tmp_path):
    made = []

    def output(url=server.url, interval=10, **options):
        key = Secret(key_file.name, tmp_path)
        given = EmonCMSOptions(
            type="emoncms", url=url, key=key, interval=Seconds(interval), **options
        )
        made.append(EmonCMS("cloud", given, Context("home", Lines(), tmp_path, tmp_path / "s")))
        made[-1].settle_s = 1.0
        made[-1].is_first = False  # each test has nodes of its own: nothing is left of before
        return made[-1]

    yield output
    for each in made:
        each.close()


@dataclass
class Meter:
    """A device whose power and counter EmonCMS adds up; *feeds* by name."""

    server: Any
    device: str
    feeds: dict[str, int]

    def lines(self, *seconds, power=3600.0):
        """Return readings of those seconds, of a constant power and a counter that fits."""
        return [
            encode(
                Reading(
                    "electricity",
                    self.device,
                    1000 * (BEGIN_S + at),
                    {"active_power": power, "active_energy": power * (at + 100_000) / 3600},
                )
            )
            for at in seconds
        ]

    def last(self, feed):
        return self.server.ask("/feed/timevalue.json", {"id": self.feeds[feed]})["value"]

    @property
    def energy(self):
        """What EmonCMS has counted: kWh out of power, Wh out of the counter."""
        return round(self.last("kwh"), 6), round(self.last("wh"), 3)

    @property
    def logged(self):
        """The seconds of the values that EmonCMS has logged, of some hours."""
        fields = {"id": self.feeds["log"], "start": 1000 * (BEGIN_S - 5_000)}
        fields |= {"end": 1000 * (BEGIN_S + 14_000), "interval": 1, "skipmissing": 1}
        rows = self.server.ask("/feed/data.json", fields)
        return [at // 1000 - BEGIN_S for at, _ in rows]


@pytest.fixture
def meter(server, key_file, tmp_path):
    """Make meters, each with a node of its own."""

    def made(device=""):
        device = device or f"meter{next(NUMBERS)}"
        power = (
            Process(process="log_to_feed", feed="log", engine="phptimeseries"),
            Process(process="power_to_kwh", feed="kwh"),
        )
        counter = (Process(process="wh_accumulator", feed="wh"),)
        inputs = {
            f"{device}.active_power": Input(processes=power),
            f"{device}.active_energy": Input(processes=counter),
        }
        options = EmonCMSOptions(
            type="emoncms", url=server.url, key=Secret(key_file.name, tmp_path), inputs=inputs
        )
        setup.set_up(options)
        listed = server.ask("/feed/list.json")
        feeds = {each["name"]: int(each["id"]) for each in listed if each["tag"] == device}
        return Meter(server, device, feeds)

    return made
