"""EmonCMS.

output   the door
options  what the owner says
server   requests, and what is made of each answer
rows     which values become rows: one per slot, each once, in order
names    which device is which node
setup    makes inputs, process lists and feeds
"""
