"""What a Luxtronik controller answers, written without looking at the collector's own code.

How an answer is sent is up to the test: ``whole``, or in other pieces.
"""

import socket
import struct

from tests.fakes.loopback import Loopback, whole


def in_sevens(reply):
    return [reply[number : number + 7] for number in range(0, len(reply), 7)]


def parameters(numbers):
    return struct.pack(">ii", 3003, len(numbers)) + struct.pack(f">{len(numbers)}i", *numbers)


def calculations(numbers, status=0):
    head = struct.pack(">iii", 3004, status, len(numbers))
    return head + struct.pack(f">{len(numbers)}i", *numbers)


def visibilities(numbers):
    return struct.pack(">ii", 3005, len(numbers)) + struct.pack(f">{len(numbers)}b", *numbers)


class Controller(Loopback):
    """*replies* gives the bytes for each command, *manner* how they go out.

    Both may be changed while it runs. All that was asked is in *requests*.
    """

    def __init__(self, replies, manner=whole):
        super().__init__()
        self.replies = replies
        self.manner = manner
        self.requests = []

    def serve(self, client):
        while len(request := client.recv(8, socket.MSG_WAITALL)) == 8:
            self.requests.append(struct.unpack(">ii", request))
            self.send(client, self.manner(self.replies[self.requests[-1][0]]))
