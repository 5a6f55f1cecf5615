"""A TCP proxy in front of a real server, which makes the faults that no server makes on demand."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.fakes.loopback import Loopback


class Proxy(Loopback):
    """Carries bytes to the server at *url* and back, each connection as *fault* says then.

    '' faithfully · 'refuse': hangs up at once · 'hang': takes everything and says nothing ·
    'cut': hangs up after *bytes_sent* of a request · 'lose': the server has done what was asked,
    its answer is lost · 'drip': answers byte by byte · 'say': answers *saying* itself
    """

    def __init__(self, url, port=0):
        super().__init__(port=port)
        parts = urlsplit(url)
        self.far = parts.hostname, parts.port
        self.url = f"{parts.scheme}://127.0.0.1:{self.port}"
        self.fault = ""
        self.bytes_sent = 2_000
        self.saying = b""
        self.lost = 0

    def serve(self, client):
        if self.fault == "refuse":
            return
        if self.fault == "hang":
            self.swallow(client)
        elif self.fault == "say":
            client.recv(65536)
            client.sendall(self.saying)
        else:
            with socket.create_connection(self.far) as far:
                self.carry(client, far)

    def swallow(self, client):
        while client.recv(65536):
            pass

    def carry(self, client, far):
        back = threading.Thread(target=self.carry_back, args=(client, far), daemon=True)
        back.start()
        sent = 0
        while data := client.recv(65536):
            if self.fault == "cut" and sent + len(data) > self.bytes_sent:
                far.sendall(data[: self.bytes_sent - sent])
                break
            far.sendall(data)
            sent += len(data)
        with suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        back.join()

    def carry_back(self, client, far):
        with suppress(OSError):
            while data := far.recv(65536):
                if self.fault == "lose":
                    self.lost += 1
                    break
                if self.fault == "drip":
                    self.drip(client, data)
                else:
                    client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def drip(self, client, data):
        for at in range(len(data)):
            client.sendall(data[at : at + 1])
            if self.ended.wait(0.1):
                return
