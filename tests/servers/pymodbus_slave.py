"""Modbus slaves by pymodbus, in a process of its own: on a serial port, or behind a TCP port."""

import asyncio
import sys
from contextlib import contextmanager

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.servers.influxd import free_port
from tests.servers.process import running, settings


@contextmanager
def pymodbus_slaves(path, slaves):
    """Serve *slaves*, {address: {register: word}}, on the port *path*."""
    with running([sys.executable, "-m", __name__], [path, slaves]):
        yield


@contextmanager
def pymodbus_units(units):
    """Serve *units*, {unit: {register: word}}, at a port of loopback; yield the line to it."""
    port = free_port()
    with running([sys.executable, "-m", __name__], [port, units]):
        yield f"tcp://127.0.0.1:{port}"


async def serve(path, slaves):
    devices = [
        SimDevice(
            int(address),
            [
                SimData(int(register), values=word, datatype=DataType.REGISTERS)
                for register, word in sorted(registers.items(), key=lambda item: int(item[0]))
            ],
        )
        for address, registers in slaves.items()
    ]

    def heard(sending, request):
        """Hear nothing that is for others: 3.16.1 would answer them that it has failed."""
        return request if sending or str(request.dev_id) in slaves else None

    server: ModbusSerialServer | ModbusTcpServer
    if isinstance(path, int):
        server = ModbusTcpServer(devices, address=("127.0.0.1", path), trace_pdu=heard)
    else:
        server = ModbusSerialServer(
            devices, framer=FramerType.RTU, port=path, baudrate=9600, trace_pdu=heard
        )
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*settings()))
