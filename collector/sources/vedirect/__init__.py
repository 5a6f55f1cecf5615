"""Victron devices with a VE.Direct port, which talk unasked.

source    the door: which port, which device is expected there
listener  a thread that listens to a port and holds the newest block
blocks    blocks out of bytes, each with its checksum
labels    what the labels mean
discover  which ports talk VE.Direct
"""
