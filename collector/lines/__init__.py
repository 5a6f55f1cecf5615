"""Bytes and time-outs on serial ports and sockets, for sources and outputs."""
