"""What other programs and devices say at an MQTT broker.

source    the door
models    what well-known devices say there
discover  which of them talk at a broker
"""
