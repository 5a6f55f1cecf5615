"""Some sites of a fleet, as one process: a journal, an output and a delivery for each.

Devices are simulated: at each full second every site journals one reading of 10 quantities. All
after that is the project's own, but for the forced writes that the service makes. Commands come as
lines: 'hour' journals an hour's backlog, 'left' answers how many readings wait, 'stop' ends it and
prints what was done.
"""

import json
import logging
import sys
import threading
import time
from pathlib import Path

from collector.clock import Clock
from collector.contract import Context
from collector.journal.journal import Journal
from collector.lines.serial import Lines
from collector.outputs.influxdb.output import InfluxDB, InfluxDBOptions
from collector.reading import decode, encode
from collector.run.delivery import Delivery
from collector.run.health import OutputHealth
from collector.secrets import Secret
from tests.bench.readings import lines

HOUR_S = 3600
QUANTITIES = 10


class Site:
    """A house: *sent* has the time, the number of readings and the outcome of every try."""

    def __init__(self, folder, url, name):
        self.folder = folder / name
        self.folder.mkdir()
        token = Secret("token", folder)
        options = InfluxDBOptions(type="influxdb", url=url, bucket="energy", token=token)
        self.output = InfluxDB(
            "central", options, Context(name, Lines(), self.folder, self.folder / "state")
        )
        self.journal = Journal(self.folder / "journal", "boot", ["central"])
        self.journal.open()
        self.sent = []
        self.write = self.output.write
        vars(self.output)["write"] = self.recorded
        health, lock = OutputHealth(), threading.Lock()
        self.delivery = Delivery(
            "central", self.output, options, self.journal, Clock(), health, lock
        )

    def recorded(self, batch):
        began = time.time()
        stored = False
        try:
            self.write(batch)
            stored = True
        finally:
            self.sent.append((began, len(batch), stored, time.time() - began))


class Sites:
    def __init__(self, folder, url, first, count):
        self.sites = [
            Site(folder, url, f"site{number:03}") for number in range(first, first + count)
        ]
        self.templates = []
        for line in lines(HOUR_S):
            whole = decode(line)
            values = dict(list(whole.values.items())[:QUANTITIES])
            head = encode(type(whole)(whole.kind, whole.device, 1, values))
            self.templates.append(head[:-1])
        self.stop = threading.Event()
        self.journalled = 0
        self.threads = [
            threading.Thread(target=each.delivery.run, args=(self.stop,)) for each in self.sites
        ]
        self.threads.append(threading.Thread(target=self.live))

    def live(self):
        """Journal a reading per site at each full second."""
        while not self.stop.wait(1 - time.time() % 1):
            second = int(time.time())
            self.append(second, 1)

    def append(self, second, count):
        batch = [
            self.templates[at % HOUR_S] + b"%d000" % at for at in range(second, second + count)
        ]
        for each in self.sites:
            each.journal.append(batch)
        self.journalled += count

    def hour(self, before_s):
        """Journal an hour that ended at *before_s*."""
        self.append(before_s - HOUR_S, HOUR_S)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        for each in self.sites:
            each.journal.close()
        return {
            "journalled": self.journalled,
            "cpu_s": time.process_time(),
            "sent": [each.sent for each in self.sites],
        }


def main(folder, url, first, count):
    sites = Sites(Path(folder), url, int(first), int(count))
    logging.disable()
    for thread in sites.threads:
        thread.start()
    began_s = int(time.time())
    print("ready", flush=True)
    for line in sys.stdin:
        match line.strip():
            case "hour":
                sites.hour(began_s - 60)
                print("done", flush=True)
            case "cpu":
                print(time.process_time(), flush=True)
            case "left":
                left = sum(each.journal.backlog("central") for each in sites.sites)
                print(left, flush=True)
            case "stop":
                break
    print(json.dumps(sites.end()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
