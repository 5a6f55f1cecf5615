"""Which device is which node: EmonCMS has one series per node and name, which no two may share."""

import re
import threading
from collections.abc import Mapping
from weakref import WeakValueDictionary

from collector.contract import BadOption
from collector.errors import OutputAway
from collector.outputs.emoncms.options import PLAIN
from collector.quantity import catalogue
from collector.scalars import did_you_mean

LONGEST = 255
LONGEST_AT_ORG = 16
ORG = "emoncms.org"
Account = tuple[str, ...]
# Which output sends into an input, of all that run here: two would count it twice.
SENDERS: WeakValueDictionary[tuple[Account, str, str], "Nodes"] = WeakValueDictionary()
LOCK = threading.Lock()


class Nodes:
    """The node of each device, by *nodes* or by its own name. Raise BadOption.

    *output* is the name of the output, *account* is where it sends to.
    """

    def __init__(
        self, nodes: Mapping[str, str], host: str, output: str = "", account: Account = ()
    ) -> None:
        self.nodes = nodes
        self.output = output
        self.account = account
        self.most = LONGEST_AT_ORG if host.rstrip(".").endswith(ORG) else LONGEST
        self.owners: dict[str, str] = {}
        self.inputs: dict[tuple[str, str], str] = {}
        for device, node in nodes.items():
            self.check(device, node)
            same = [each for each in nodes if as_one(nodes[each]) == as_one(node)]
            if len(same) > 1:
                raise BadOption(
                    f"nodes.{device}",
                    f"{' and '.join(repr(each) for each in same)} would be one node there, {node!r}"
                    ": their values would be mixed",
                )

    def check(self, device: str, node: str) -> None:
        if not re.fullmatch(PLAIN, node):
            left = re.sub(r"[^\w .-]", "", node)
            raise BadOption(
                f"nodes.{device}",
                f"EmonCMS would make {left!r} of {node!r}: write letters, digits, spaces, '_', '-' "
                "and '.'",
            )
        if len(node) > self.most:
            raise BadOption(
                f"nodes.{device}", f"{node!r} is longer than the {self.most} characters of a node"
            )

    def of(self, device: str) -> str:
        """Return the node of a *device*. Raise OutputAway where another one has it already."""
        node = self.nodes.get(device, device)
        if len(node) > self.most:
            raise OutputAway(
                f"the name of a node has at most {self.most} characters there: give {device!r} a "
                "shorter one in 'nodes'"
            )
        owner = self.owners.setdefault(as_one(node), device)
        if owner != device:
            raise OutputAway(
                f"{owner!r} and {device!r} would both be the node {node!r}, and their values would "
                "be mixed: mend 'nodes'"
            )
        return node

    def claim(self, kind: str, node: str, quantity: str) -> None:
        """Remember whose an input is. Raise OutputAway where it is somebody else's already.

        That is a device of another kind, or another output.
        """
        owner = self.inputs.setdefault((node, quantity), kind)
        if owner != kind:
            raise OutputAway(
                f"{quantity} of the node {node!r} comes from a device of kind {owner} and from one "
                f"of kind {kind}: leave one of them out by 'select'"
            )
        with LOCK:
            sender = SENDERS.setdefault((self.account, node, quantity), self)
        if sender is not self:
            raise OutputAway(
                f"the output {sender.output!r} sends {quantity} of the node {node!r} there too, so "
                "it would be counted twice: leave it out by 'select' in one of the two"
            )

    def release(self) -> None:
        """Let another output send into these inputs."""
        with LOCK:
            for key in [key for key, sender in SENDERS.items() if sender is self]:
                del SENDERS[key]


def as_one(node: str) -> str:
    """Return what is the same for all names that may fall together there."""
    return node.casefold()


def device_and_quantity(option: str, name: str) -> tuple[str, str]:
    """Take ``DEVICE.QUANTITY`` apart. Raise BadOption."""
    device, _, quantity = name.rpartition(".")
    if not device or quantity not in catalogue():
        hint = did_you_mean(quantity, catalogue())
        raise BadOption(
            f"{option}.{name}", f"{name!r} is not a device and a quantity, as DEVICE.QUANTITY{hint}"
        )
    return device, quantity
