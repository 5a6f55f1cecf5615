"""A far side that cannot be reached: every line says why in words."""

import re
import socket

import pytest

from collector.errors import LineAway
from collector.lines.mqtt import Broker
from collector.lines.serial import Framing, SerialLine
from collector.lines.tcp import TcpLine

OPENED = {
    "tcp": lambda url: TcpLine(url).open(),
    "mqtt": lambda url: Broker(url, lambda *_: None).open(()),
    "socket": lambda url: SerialLine(url, Framing()).open(),
    "rfc2217": lambda url: SerialLine(url, Framing()).open(),
}


@pytest.mark.parametrize("scheme", OPENED)
def test_a_refused_connection_is_told_without_the_number_of_the_error(scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"{scheme}://127.0.0.1:{port}"
    with pytest.raises(LineAway, match=rf"{re.escape(url)} cannot be \w+: Connection refused$"):
        OPENED[scheme](url)
