"""EmonCMS, for the suite over all outputs: as its answers were recorded, and the real one."""

from contextlib import contextmanager
from dataclasses import replace

from collector.outputs.emoncms import output as output_module
from collector.outputs.emoncms.options import EmonCMSOptions, Input, Process
from collector.outputs.emoncms.setup import set_up
from collector.reading import Reading
from collector.secrets import Secret
from tests.fakes import emoncms as fake
from tests.fakes.http_answers import HttpAnswers
from tests.fakes.outputs.far import ENDLESS, FULL, TOKEN, Far
from tests.servers import emoncms as real


@contextmanager
def hurried(output):
    limits = output.server.server.limits
    output.server.server.limits = replace(limits, answer_s=0.5)
    yield
    output.server.server.limits = limits


def far(server, folder):
    (folder / "token").write_text(server.write_key)
    key = Secret("token", folder)
    feeds = {}

    def prepare(device):
        log = Process(process="log_to_feed", feed="voltage", engine="phptimeseries", tag=device)
        inputs = {f"{device}.voltage": Input(processes=(log,))}
        set_up(EmonCMSOptions(type="emoncms", url=server.url, key=key, inputs=inputs))
        listed = server.ask("/feed/list.json")
        feeds.update({each["tag"]: each["id"] for each in listed})

    def stored(device):
        (last,) = server.ask("/input/get.json")[device].values()
        end = last["time"]
        fields = {"id": feeds[device], "interval": 1, "skipmissing": 1}
        span = {"start": 1000 * (end - 8_000), "end": 1000 * (end + 10)}
        return dict(server.ask("/feed/data.json", {**fields, **span}))

    def too_late(device, at_ms):
        return Reading("electricity", device, at_ms - 86_400_000, {"voltage": 1.0})

    return Far(
        url=server.url,
        options={"key": TOKEN, "interval": "1s"},
        secrets={"token": server.write_key},
        stored=stored,
        hurried=hurried,
        full=FULL,
        endless=ENDLESS,
        refuses=too_late,
        credential="token",
        prepare=prepare,
        request_bytes=1_500,  # its rows are packed
    )


@contextmanager
def soon():
    """Let outputs wait only a little for a server that may still be at work."""
    settle_s, output_module.SETTLE_S = output_module.SETTLE_S, 1.0
    yield
    output_module.SETTLE_S = settle_s


@contextmanager
def recorded(folder):
    account = fake.Account()
    account.most_nodes = 1_000
    with HttpAnswers(account) as answers, soon():
        yield far(real.EmonCMS(answers.url, fake.WRITE_KEY, fake.READ_KEY), folder)


@contextmanager
def real_one(folder):
    with real.running(folder) as server, soon():
        yield far(server, folder)
