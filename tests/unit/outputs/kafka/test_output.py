import pytest

from collector.contract import BadOption, Context
from collector.lines.serial import Lines
from collector.outputs.kafka.output import Kafka, KafkaOptions
from collector.secrets import Secret


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"brokers": ()}, "brokers"),
        ({"brokers": ("kafka",)}, "brokers"),
        ({"brokers": ("kafka:9092,other:9092",)}, "brokers"),
        ({"topic": "a b"}, "topic"),
        ({"topic": ".."}, "topic"),
        ({"user": "me"}, "password"),
        ({"password": True}, "user"),
        ({"ca": "ca.pem"}, "ca"),
        ({"user": "me", "password": True, "mechanism": "PLAIN"}, "mechanism"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_place(tmp_path, options, option):
    if "password" in options:
        options = {**options, "password": Secret("known", tmp_path)}
    made = KafkaOptions(**{"type": "kafka", "brokers": ("kafka:9092",), **options})
    with pytest.raises(BadOption) as caught:
        Kafka("lake", made, Context("home", Lines(), tmp_path, tmp_path))
    assert caught.value.option == option
