"""The set-up of EmonCMS: it makes what the owner lists, once; recorded answers and the real one."""

import json

import pytest
import yaml

from collector.outputs.emoncms.options import EmonCMSOptions, Input, Process
from collector.outputs.emoncms.setup import SetupRefused, set_up
from collector.scalars import Seconds
from collector.secrets import Secret
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.running import configure, energy_monitor
from tests.unit.outputs.emoncms.conftest import NUMBERS

HOUSE = Input(
    description="Haus Küche",
    processes=(
        Process(process="scale", value=0.5),
        Process(process="allowpositive"),
        Process(process="log_to_feed", feed="power", unit="W", interval=Seconds(30)),
        Process(process="power_to_kwh", feed="energy", unit="kWh", tag="all"),
    ),
)


@pytest.fixture
def device():
    return f"it{next(NUMBERS)}"


@pytest.fixture
def done(server, key_file, tmp_path):
    def make(inputs, *, change=False, url=server.url, **options):
        key = Secret(key_file.name, tmp_path)
        given = EmonCMSOptions(type="emoncms", url=url, key=key, inputs=inputs, **options)
        return set_up(given, change=change)

    return make


def found(server, node):
    return {
        each["name"]: (each["description"], each["processList"])
        for each in server.ask("/input/list.json")
        if each["nodeid"] == node
    }


def feeds(server):
    return {(each["tag"], each["name"]): str(each["id"]) for each in server.ask("/feed/list.json")}


def test_inputs_feeds_and_process_lists_are_made(server, done, device):
    made = done({f"{device}.active_power": HOUSE}).made
    power, energy = (feeds(server)[key] for key in ((device, "power"), ("all", "energy")))
    assert found(server, device) == {
        "active_power": ("Haus Küche", f"2:0.5,24:0,1:{power},4:{energy}")
    }
    assert [each.partition(",")[0] for each in made] == [
        f"input {device}: active_power",
        f"feed {device}: power",
        "feed all: energy",
        f"process list of input {device}: active_power: scale",
    ]
    assert server.ask("/feed/getmeta.json", {"id": power})["interval"] == 30


def test_a_second_time_makes_nothing_and_changes_nothing(server, done, device):
    inputs = {f"{device}.active_power": HOUSE}
    done(inputs)
    before = found(server, device), feeds(server)
    again = done(inputs)
    assert (again.made, again.other) == ([], [])
    assert before == (found(server, device), feeds(server))


def test_another_process_list_is_named_and_replaced_only_on_request(server, done, device):
    name = f"{device}.active_power"
    done({name: HOUSE})
    other = {name: Input(processes=(Process(process="scale", value=2),))}
    assert done(other).other == [
        f"input {device}: active_power has another process list: '--change' replaces it"
    ]
    assert found(server, device)["active_power"][1].startswith("2:0.5,")
    assert done(other, change=True).made
    assert found(server, device)["active_power"][1] == "2:2"


def test_no_reading_is_too_old_for_an_input_that_was_made(make, meter):
    it = meter()
    make().write(it.lines(-1_000_000))
    assert it.last("kwh") == 0


def test_an_interval_that_is_shorter_than_allowed_is_told(done, device):
    fields = {"interval": 10, "success": True, "feedid": 3}

    def answer(asked):
        if asked.path == "/process/list.json":
            return Reply(200, b'{"process__log_to_feed": {"id_num": 1}}')
        if asked.path == "/input/list.json":
            row = {"id": 1, "nodeid": device, "name": "voltage", "processList": None}
            return Reply(200, json.dumps([row]).encode())
        return Reply(200, json.dumps([] if "list" in asked.path else fields).encode())

    log = Process(process="log_to_feed", feed="fast", interval=Seconds(1))
    with HttpAnswers(answer) as other:
        told = done({f"{device}.voltage": Input(processes=(log,))}, url=other.url).other
    assert told == [
        f"feed {device}: fast has an interval of 10 s: 'min_feed_interval' there allows no less"
    ]


def test_what_cannot_be_made_is_a_sentence(server, done, device, key_file):
    with pytest.raises(SetupRefused, match="list the inputs under 'inputs'"):
        done({})
    name = f"{device}.voltage"
    with pytest.raises(SetupRefused, match="this EmonCMS has no process 'make_tea'"):
        done({name: Input(processes=(Process(process="make_tea"),))})
    key_file.write_text(server.read_key)
    with pytest.raises(SetupRefused, match="may only read: store the one that may write"):
        done({f"{device}.current": Input()})


def test_the_command_says_what_it_made(server, device, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(server.write_key)
    inputs = {f"{device}.voltage": {"processes": [{"process": "log_to_feed", "feed": "u"}]}}
    output = yaml.safe_dump({"inputs": inputs}, default_flow_style=True).strip()[1:-1]
    entry = f"  cloud: {{type: emoncms, url: '{server.url}', key: !secret key, {output}}}\n"
    file = configure(tmp_path, "  pi: {type: host}\n", entry)
    first, second = (energy_monitor("setup", "emoncms", "--config", file) for _ in range(2))
    assert f"cloud: EmonCMS at {server.url} is ready" in first.stdout
    assert f"made: input {device}: voltage" in first.stdout
    assert "made" not in second.stdout
    assert f"exists: feed {device}: u" in second.stdout
    missing = energy_monitor("setup", "influxdb", "--config", file)
    assert "name an output of type influxdb; the configuration has: none" in missing.stderr
