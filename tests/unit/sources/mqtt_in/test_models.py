"""The kinds of devices that are known over MQTT: every file proves itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption
from collector.decode.fields import device_name, parse
from collector.reading import NAME
from collector.sources.mqtt_in.forms import Form, forms_of, is_offline, told
from collector.sources.mqtt_in.models import Device, Message, load, names

PROOFS = [(name, number) for name in names() for number in range(len(load(name).proofs))]


@pytest.mark.parametrize(("name", "number"), PROOFS)
def test_a_model_decodes_what_its_devices_send(name, number):
    model = load(name)
    proof = model.proofs[number]
    assert told(model, proof.topic, proof.payload.encode(), proof.channel) == proof.values


@pytest.mark.parametrize("name", names())
def test_every_form_of_a_model_is_proved_or_like_one_that_is(name):
    model = load(name)
    forms = [form for form in forms_of(Device(model=name), "d") if not form.is_availability]
    proved = {
        form.message.topic.rpartition("/")[2]
        for form in forms
        for proof in model.proofs
        if form.names(proof.topic) is not None
    }
    assert model.document
    assert proved
    if not name.startswith("shelly-"):  # whose topics differ in channel and quantity alone
        assert proved == {form.message.topic.rpartition("/")[2] for form in forms}


FORMS = {name: forms_of(Device(model=name), "d") for name in names()}


@given(st.sampled_from(names()), st.binary(max_size=100))
def test_garbage_tells_nothing(name, payload):
    plain = {"shelly-gen1", "shelly-em", "shelly-3em"}  # whose payload is a number alone
    document = parse(payload)
    assert name in plain or not any(form.decode(document) for form in FORMS[name])


def test_a_battery_s_millivolts_are_no_mains_voltage():
    for form in forms_of(Device(model="zigbee2mqtt"), "d"):
        assert "voltage" not in form.decode({"voltage": 3045, "temperature": 20})
        assert form.decode({"voltage": 230, "power": None}) == {}


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
        ("z/#", "z/kitchen/plug", ("kitchen/plug",)),
        ("z/#/availability", "z/kitchen/plug/availability", ("kitchen/plug",)),
        ("z/#", "z", None),
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
    topic = "zigbee2mqtt/kitchen/plug"
    assert {form.message.topic for form in forms} == {topic, f"{topic}/availability"}
    assert all(form.names_one_device for form in forms)


@pytest.mark.parametrize(
    ("model", "root", "topic", "said", "words"),
    [
        ("tasmota", "", "", "washer/tele/SENSOR", ("washer",)),
        ("tasmota", "home/+/tele", "", "home/washer/tele/SENSOR", ("washer",)),
        ("tasmota", "home/+/tele", "washer", "home/washer/tele/SENSOR", ()),
        ("zigbee2mqtt", "", "", "zigbee2mqtt/kitchen/plug", ("kitchen/plug",)),
        ("zigbee2mqtt", "house/zigbee/#", "", "house/zigbee/a/b", ("a/b",)),
        ("zigbee2mqtt", "house/zigbee/#", "a/b", "house/zigbee/a/b", ()),
        ("shelly-plus", "shellies/+", "", "shellies/boiler/events/rpc", ("boiler",)),
        ("shelly-plus", "", "", "shelly1pm-ab/events/rpc", ("shelly1pm-ab",)),
        ("shelly-plus", "", "", "home/floor 1/em-ab/events/rpc", ("home/floor 1/em-ab",)),
        ("shelly-plus", "", "home/floor1/em", "home/floor1/em/events/rpc", ()),
        ("shelly-plus", "home/#", "", "home/floor1/em/events/rpc", ("floor1/em",)),
    ],
)
def test_topics_of_another_layout_are_understood(model, root, topic, said, words):
    forms = forms_of(Device(model=model, root=root, topic=topic), "d")
    assert words in [form.names(said) for form in forms if not form.is_availability]


@pytest.mark.parametrize("root", ["tele", "a/+/#", "+/+", "/+", "a//+", "a+/b"])
def test_a_root_that_names_no_device_or_two_is_refused(root):
    with pytest.raises(BadOption, match="of which one is '\\+' for the device") as bad:
        forms_of(Device(model="tasmota", root=root), "d")
    assert bad.value.option == "d.root"
    with pytest.raises(BadOption, match="it needs 'model' beside it"):
        forms_of(Device(topic="a", root="+", quantities={"voltage": "."}), "d")


@pytest.mark.parametrize("name", names())
def test_what_a_broker_is_asked_for_is_a_filter(name):
    for form in forms_of(Device(model=name), "d"):
        assert not any("#" in each[:-1] for each in form.filters)


@pytest.mark.parametrize("said", ["offline", "Offline", "false", False, {"state": "offline"}])
def test_a_device_that_says_it_is_not_there_is_understood(said):
    assert is_offline(said)
    for other in ("online", "true", True, {"state": "online"}, {"state": ["offline"]}, None, 0):
        assert not is_offline(other)


@given(st.lists(st.text(min_size=1)))
def test_any_word_gives_a_name_that_can_be_stored(words):
    assert NAME.fullmatch(device_name("plugs", words))


def test_words_that_are_too_long_for_a_name_give_names_of_their_own():
    one, other = (device_name("plugs", ["x" * 300 + end]) for end in "ab")
    assert one != other
    assert NAME.fullmatch(one)


def test_a_broker_is_never_asked_for_all_that_is_said():
    for name in names():
        filters = {each for form in forms_of(Device(model=name), "d") for each in form.filters}
        assert "#" not in filters
        assert all("#" not in each[:-1] for each in filters)
    (form,) = [each for each in forms_of(Device(model="shelly-plus"), "d") if each.is_availability]
    assert form.filters == ("+/online", "+/+/online", "+/+/+/online", "+/+/+/+/online")
