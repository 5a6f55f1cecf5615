"""One Modbus RTU slave by libmodbus, which is C, in a process of its own, on a serial port.

Every register exists, and is 0 where nothing else is said.
"""

import ctypes
import ctypes.util
import sys
from contextlib import contextmanager

import pytest

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


def serve(path, address, registers):
    library = ctypes.CDLL(LIBRARY)
    library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_new_rtu.argtypes = [
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char,
        *2 * [ctypes.c_int],
    ]
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    context = ctypes.c_void_p(library.modbus_new_rtu(path.encode(), 9600, b"N", 8, 1))
    mapping = library.modbus_mapping_new(0, 0, REGISTERS, REGISTERS)
    for register, word in registers.items():
        mapping.contents.tab_registers[int(register)] = word
        mapping.contents.tab_input_registers[int(register)] = word
    if library.modbus_set_slave(context, address) or library.modbus_connect(context):
        sys.exit(f"libmodbus cannot open {path}")
    print("ready", flush=True)
    query = (ctypes.c_uint8 * 260)()
    while True:
        size = library.modbus_receive(context, query)
        if size > 0:
            library.modbus_reply(context, query, size, mapping)


if __name__ == "__main__":
    serve(*settings())
