"""Starts a real Kafka broker out of Maven's jars (``tests/install-servers``), on free ports.

It tells its clients that it is at *port*, where a proxy may stand before it.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.fakes.certificates import make_certificate
from tests.servers.influxd import free_port

VERSION = "4.0.0"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"
USER, PASSWORD, MECHANISM = "house", "house-secret", "SCRAM-SHA-256"
START_S = 90  # a JVM on a loaded machine; it takes ten

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=OWN
listeners=OWN://127.0.0.1:{own},CLIENTS://127.0.0.1:{clients},TLS://127.0.0.1:{tls},\
CONTROLLER://127.0.0.1:{controller}
advertised.listeners=OWN://127.0.0.1:{own},CLIENTS://127.0.0.1:{port},TLS://127.0.0.1:{tls}
listener.security.protocol.map=OWN:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:SASL_PLAINTEXT,TLS:SSL
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={folder}/keystore.pem
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.clients.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs={folder}/data
num.partitions=3
message.max.bytes=100000
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


@dataclass(frozen=True)
class Broker:
    """A broker: clients reach it at *clients*, and are told to go to *port*; we use *own*.

    At *tls* it asks for no login; *ca* is its certificate.
    """

    own: str
    clients: str
    port: int
    tls: str
    ca: str

    def messages(self, topic: str) -> list[tuple[str, str]]:
        """Return key and value of every message of *topic*, partition after partition."""
        consumer = Consumer({"bootstrap.servers": self.own, "group.id": "tests"})
        found = []
        try:
            topics = consumer.list_topics(timeout=30).topics
            for number in topics[topic].partitions if topic in topics else ():
                place = TopicPartition(topic, number, OFFSET_BEGINNING)
                _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)
                consumer.assign([place])
                at = 0
                while at < end:
                    for message in consumer.consume(1000, timeout=1):
                        assert not message.error(), message.error()
                        key, value, offset = message.key(), message.value(), message.offset()
                        assert key is not None
                        assert value is not None
                        assert offset is not None
                        found.append((key.decode(), value.decode()))
                        at = offset + 1
        finally:
            consumer.close()
        return found


def find() -> tuple[str, str]:
    """Return java and the class path of Kafka; skip the test where one is missing."""
    java = shutil.which("java")
    if not java:
        pytest.skip("no java on the PATH: Debian has it as default-jre-headless")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("KAFKA_HOME", cache / f"energy-monitor-tests/kafka-{VERSION}"))
    if not (folder / "libs").is_dir():
        pytest.skip(f"no Kafka in {folder}: with maven, tests/install-servers puts it there")
    return java, f"{folder}/libs/*"


@contextmanager
def running(folder: Path) -> Iterator[Broker]:
    """Run a broker with its data in *folder*."""
    java, jars = find()
    own, clients, tls, controller, port = (free_port() for _ in range(5))
    key, certificate = make_certificate()
    (folder / "keystore.pem").write_text(key + certificate)
    config = folder / "kafka.properties"
    config.write_text(
        CONFIG.format(
            folder=folder, own=own, clients=clients, tls=tls, controller=controller, port=port
        )
    )
    command = [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jars]
    login = f"{MECHANISM}=[name={USER},password={PASSWORD}]"
    storage = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(config)]
    with (folder / "kafka.log").open("ab") as log:
        subprocess.run(
            [*command, *storage, "--add-scram", login], stdout=log, stderr=log, check=True
        )
        started = [*command, "kafka.Kafka", str(config)]
        with subprocess.Popen(started, stdout=log, stderr=log) as process:
            try:
                await_broker(f"127.0.0.1:{own}", process, folder / "kafka.log")
                yield Broker(
                    *(f"127.0.0.1:{own}", f"127.0.0.1:{clients}", port),
                    *(f"127.0.0.1:{tls}", certificate),
                )
            finally:
                process.kill()
                process.wait()


def await_broker(own: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    admin = AdminClient({"bootstrap.servers": own, "log_level": 0})
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if admin.list_topics(timeout=2).brokers:
                return
        except KafkaException:
            time.sleep(0.2)
    raise AssertionError(f"Kafka does not answer:\n{log.read_text()[-3000:]}")
