"""Devices and nodes: what would fall together in EmonCMS is refused, with what to do."""

import pytest

from collector.contract import BadOption, Context
from collector.errors import OutputAway
from collector.lines.serial import Lines
from collector.outputs.emoncms.names import Nodes
from collector.outputs.emoncms.options import EmonCMSOptions
from collector.outputs.emoncms.output import EmonCMS
from collector.scalars import Seconds
from collector.secrets import Secret


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ({"mains": "haus/zähler"}, "EmonCMS would make 'hauszähler' of 'haus/zähler'"),
        ({"a": "house", "b": "House"}, "'a' and 'b' would be one node there"),
        ({"a": ""}, "EmonCMS would make ''"),
        ({"a": "x" * 61}, "EmonCMS would make"),
    ],
)
def test_names_that_are_none_or_fall_together_are_refused(nodes, sentence):
    with pytest.raises(BadOption) as error:
        Nodes(nodes, "localhost")
    assert sentence in str(error.value)
    assert error.value.option.startswith("nodes.")


def test_a_device_may_have_another_node():
    nodes = Nodes({"mains": "Haus Zähler-1.a_b"}, "localhost")
    assert (nodes.of("mains"), nodes.of("shed")) == ("Haus Zähler-1.a_b", "shed")
    assert nodes.of("mains") == "Haus Zähler-1.a_b"


def test_a_device_with_the_name_of_another_s_node_is_named():
    nodes = Nodes({"mains": "shed"}, "localhost")
    assert nodes.of("mains") == "shed"
    with pytest.raises(OutputAway, match="'mains' and 'shed' would both be the node 'shed'"):
        nodes.of("shed")


def test_devices_of_one_name_and_two_kinds_are_not_mixed():
    nodes = Nodes({}, "localhost")
    nodes.claim("electricity", "bank", "active_power")
    nodes.claim("battery", "bank", "state_of_charge")
    with pytest.raises(OutputAway, match="leave one of them out by 'select'"):
        nodes.claim("battery", "bank", "active_power")


@pytest.mark.parametrize("host", ["emoncms.org", "www.emoncms.org", "emoncms.org."])
def test_emoncms_org_takes_shorter_names(host):
    with pytest.raises(BadOption, match="longer than the 16 characters"):
        Nodes({"mains": "seventeen-letters"}, host)
    with pytest.raises(OutputAway, match="give 'seventeen-letters' a shorter one in 'nodes'"):
        Nodes({}, host).of("seventeen-letters")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "emonpi.local"}, "url"),
        ({"interval": Seconds(1.5)}, "interval"),
        ({"feeds": {"voltage": 1}}, "feeds.voltage"),
        ({"feeds": {"mains.volts": 1}}, "feeds.mains.volts"),
        ({"feeds": {"mains.voltage": 1, "mains.current": 1}}, "feeds.mains.voltage"),
        ({"inputs": {"mains": {}}}, "inputs.mains"),
    ],
)
def test_options_that_cannot_be_are_named(tmp_path, options, named):
    given = {"type": "emoncms", "url": "http://localhost", "key": Secret("k", tmp_path), **options}
    context = Context("home", Lines(), tmp_path, tmp_path)
    with pytest.raises(BadOption) as error:
        EmonCMS("cloud", EmonCMSOptions(**given), context)
    assert error.value.option == named
