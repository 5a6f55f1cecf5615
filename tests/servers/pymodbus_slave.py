"""A bus of Modbus RTU slaves by pymodbus, in a process of its own, on a serial port."""

import asyncio
import sys
from contextlib import contextmanager

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.servers.process import running, settings


@contextmanager
def pymodbus_slaves(path, slaves):
    """Serve *slaves*, {address: {register: word}}, on the port *path*."""
    with running([sys.executable, "-m", __name__], [path, slaves]):
        yield


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

    server = ModbusSerialServer(
        devices, framer=FramerType.RTU, port=path, baudrate=9600, trace_pdu=heard
    )
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*settings()))
