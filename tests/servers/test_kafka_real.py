"""Kafka with a real broker: what stands in a message, TLS, and logins."""

import pytest

from collector.contract import Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.serial import Lines
from collector.outputs.kafka.output import Kafka, KafkaOptions
from collector.reading import Reading, encode
from collector.secrets import Secret
from tests.servers import kafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with kafka.running(tmp_path_factory.mktemp("kafka")) as running:
        yield running


def output_to(brokers, folder, **options):
    made = KafkaOptions(type="kafka", brokers=(brokers,), **options)
    output = Kafka("lake", made, Context("home", Lines(), folder, folder))
    output.patience_s = 20
    return output


def lines(device, count):
    return [
        encode(Reading("electricity", device, 1000 + number, {"voltage": number / 8}))
        for number in range(count)
    ]


def test_the_readings_of_a_device_are_messages_in_order_with_site_and_tags(broker, tmp_path):
    output = output_to(broker.own, tmp_path, topic="order", tags={"floor": "1"})
    batch = [line for pair in zip(lines("a", 500), lines("b", 500), strict=True) for line in pair]
    output.write(batch)
    output.close()
    found = broker.messages("order")
    for device in "ab":
        assert [value for key, value in found if key == f"home/{device}"] == [
            line.decode().replace(" ", ",site=home,floor=1 ", 1) for line in lines(device, 500)
        ]
    assert len(found) == 1000


def test_a_broker_is_believed_by_its_own_ca(broker, tmp_path):
    (tmp_path / "ca.pem").write_text(broker.ca)
    trusting = output_to(broker.tls, tmp_path, topic="tls", tls=True, ca="ca.pem")
    trusting.write(lines("mains", 3))
    trusting.close()
    assert len(broker.messages("tls")) == 3
    doubting = output_to(broker.tls, tmp_path, topic="tls", tls=True)
    with pytest.raises(OutputAway, match=r"cannot be trusted.*certificate"):
        doubting.write(lines("mains", 3))


def test_a_wrong_password_names_the_secret_and_not_the_password(broker, tmp_path):
    (tmp_path / "known").write_text("guessed-wrongly")
    output = output_to(
        broker.clients,
        tmp_path,
        user=kafka.USER,
        password=Secret("known", tmp_path),
        mechanism=kafka.MECHANISM,
    )
    with pytest.raises(OutputAway, match=r"refuses the login.*secret 'known'") as caught:
        output.write(lines("mains", 3))
    assert "guessed" not in str(caught.value)


def test_a_message_that_no_broker_takes_is_refused_alone(broker, tmp_path):
    values = {f"voltage_{number}": 1.0 for number in range(100_000)}
    giant = encode(Reading("electricity", "giant", 1, values))
    output = output_to(broker.own, tmp_path, topic="giant")
    small = lines("mains", 4)
    with pytest.raises(ReadingsRefused) as caught:
        output.write([*small[:2], giant, *small[2:]])
    assert list(caught.value.reasons) == [2]
    assert [key for key, _ in broker.messages("giant")] == ["home/mains"] * 4
    output.close()


def test_a_broker_that_is_not_there_is_away_soon(tmp_path):
    output = output_to("127.0.0.1:1", tmp_path)
    with pytest.raises(OutputAway, match=r"cannot be reached.*refused"):
        output.write(lines("mains", 1))
