"""Finding what is there: on the serial ports and in the network.

scan     ports, one after the other, and what talks unasked
network  what is behind tcp://
found    what a search tells as it goes, and the configuration for what it found
"""
