"""The kinds of devices that are known over MQTT: every file proves itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption
from collector.decode.fields import device_name
from collector.reading import NAME
from collector.sources.mqtt_in.models import Device, Form, Message, forms_of, load, names, told

PROOFS = [(name, number) for name in names() for number in range(len(load(name).proofs))]


@pytest.mark.parametrize(("name", "number"), PROOFS)
def test_a_model_decodes_what_its_devices_send(name, number):
    model = load(name)
    proof = model.proofs[number]
    assert told(model, proof.topic, proof.payload.encode()) == proof.values


@pytest.mark.parametrize("name", names())
def test_every_form_of_a_model_is_proved_or_like_one_that_is(name):
    model = load(name)
    proved = {
        message.topic.rpartition("/")[2]
        for message in model.messages
        for proof in model.proofs
        if Form(message, "").names(proof.topic) is not None
    }
    assert model.document
    assert proved
    if name != "shelly-3em":  # whose topics differ in phase and quantity alone
        assert proved == {message.topic.rpartition("/")[2] for message in model.messages}


@given(st.sampled_from(names()), st.binary(max_size=100))
def test_garbage_tells_nothing(name, payload):
    model = load(name)
    plain = {"shelly-gen1", "shelly-3em"}  # whose payload is a number and nothing else
    for message in model.messages:
        values = told(model, message.topic.replace("+", "x"), payload)
        assert name in plain or not values


def test_a_battery_s_millivolts_are_no_mains_voltage():
    forms = forms_of(Device(model="zigbee2mqtt"), "d")
    assert forms[0].decode({"voltage": 3045, "temperature": 20}) == {}
    assert forms[0].decode({"voltage": 230, "power": None}) == {}


@pytest.mark.parametrize(
    ("topic", "said", "words"),
    [
        ("tele/+/SENSOR", "tele/plug/SENSOR", ("plug",)),
        ("tele/+/SENSOR", "tele/a/b/SENSOR", None),
        ("tele/+/SENSOR", "tele//SENSOR", None),
        ("a/b", "a/b", ()),
        ("a/b", "a/bc", None),
        ("+/+", "x/y", ("x", "y")),
        ("a.c", "abc", None),
    ],
)
def test_a_topic_is_told_from_others(topic, said, words):
    form = Form(Message(topic=topic, quantities={"voltage": "."}), "d")
    assert form.names(said) == words


@pytest.mark.parametrize("topic", ["", "#", "a/#", "a+/b", "a/+b"])
def test_a_topic_that_cannot_be_is_refused(topic):
    with pytest.raises(BadOption, match="is not accepted: words between '/'") as bad:
        forms_of(Device(topic=topic, quantities={"voltage": "."}), "devices.x")
    assert bad.value.option == "devices.x.topic"


@pytest.mark.parametrize(
    ("device", "option", "text"),
    [
        (Device(), "d", "'model' or 'quantities' is required"),
        (
            Device(model="tasmota", quantities={"voltage": "v"}),
            "d",
            "use either it or 'quantities'",
        ),
        (Device(model="tasmotta"), "d.model", "did you mean 'tasmota'"),
    ],
)
def test_a_device_without_one_meaning_is_refused(device, option, text):
    with pytest.raises(BadOption, match=text) as bad:
        forms_of(device, "d")
    assert bad.value.option == option


def test_a_word_takes_the_place_of_the_device_in_every_topic_of_a_model():
    forms = forms_of(Device(model="zigbee2mqtt", topic="kitchen/plug"), "d")
    assert {form.message.topic for form in forms} == {"zigbee2mqtt/kitchen/plug"}
    assert all(form.names_one_device for form in forms)


@given(st.lists(st.text(min_size=1)))
def test_any_word_gives_a_name_that_can_be_stored(words):
    assert NAME.fullmatch(device_name("plugs", words))
