"""What other programs and devices say at an MQTT broker.

source      the door
models      what well-known devices say there
forms       the forms of their messages, ready to decode
attributes  fields that come one by one, put together again
discover    which of them talk at a broker
"""
