"""Meters and inverters over Modbus, on a serial line or TCP.

source         the door: which device, which registers when
devicemap      what a model can tell: a file in devices/modbus/, with its proofs
registers      one register: words in, a value out
plan           the cheapest reads for what is due
meter          reads by a plan, values out
rtu, rtu_line  frames on a serial line, and which answer is whose
mbap, mbap_line  frames over TCP, and their connections
sunspec_chain, sunspec  what a SunSpec device says of itself
believable     what no sound device could send
scheme         whether a device speaks the other Modbus, RTU or TCP
recognise      which device map fits what answers
discover       what answers at a serial port, or behind a TCP port
"""
