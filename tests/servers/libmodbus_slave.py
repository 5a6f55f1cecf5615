"""One Modbus slave by libmodbus, which is C, in a process of its own: serial, or behind TCP.

Every register exists, and is 0 where nothing else is said.
"""

import ctypes
import ctypes.util
import sys
from contextlib import contextmanager

import pytest

from tests.servers.influxd import free_port
from tests.servers.process import running, settings

LIBRARY = ctypes.util.find_library("modbus")
REGISTERS = 0x10000


class Mapping(ctypes.Structure):
    """The form of modbus_mapping_t (libmodbus 3.1, modbus.h)."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits")),
        *((name, ctypes.c_int) for name in ("nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_input_registers", "start_input_registers")),
        *((name, ctypes.c_int) for name in ("nb_registers", "start_registers")),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )


@contextmanager
def libmodbus_slave(path, address, registers):
    """Serve *registers*, {register: word}, for functions 3 and 4 on the port *path*."""
    if LIBRARY is None:
        pytest.skip("libmodbus is missing: Debian package libmodbus5")
    with running([sys.executable, "-m", __name__], [path, address, registers]):
        yield


@contextmanager
def libmodbus_unit(registers):
    """Serve *registers* at a port of loopback, whatever the unit; yield the line to it."""
    if LIBRARY is None:
        pytest.skip("libmodbus is missing: Debian package libmodbus5")
    port = free_port()
    with running([sys.executable, "-m", __name__], [port, 0, registers]):
        yield f"tcp://127.0.0.1:{port}"


def serve(path, address, registers):
    library = ctypes.CDLL(LIBRARY)
    library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_new_rtu.argtypes = [
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char,
        *2 * [ctypes.c_int],
    ]
    library.modbus_new_tcp.restype = ctypes.c_void_p
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    if isinstance(path, int):
        context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", path))
    else:
        context = ctypes.c_void_p(library.modbus_new_rtu(path.encode(), 9600, b"N", 8, 1))
    mapping = library.modbus_mapping_new(0, 0, REGISTERS, REGISTERS)
    for register, word in registers.items():
        mapping.contents.tab_registers[int(register)] = word
        mapping.contents.tab_input_registers[int(register)] = word
    door = ctypes.c_int(-1)
    if isinstance(path, int):
        door = ctypes.c_int(library.modbus_tcp_listen(context, 1))
    elif library.modbus_set_slave(context, address) or library.modbus_connect(context):
        sys.exit(f"libmodbus cannot open {path}")
    print("ready", flush=True)
    query = (ctypes.c_uint8 * 260)()
    while True:
        if door.value >= 0:
            library.modbus_tcp_accept(context, ctypes.byref(door))
        while (size := library.modbus_receive(context, query)) >= 0 or door.value < 0:
            if size > 0:
                library.modbus_reply(context, query, size, mapping)
        library.modbus_close(context)


if __name__ == "__main__":
    serve(*settings())
