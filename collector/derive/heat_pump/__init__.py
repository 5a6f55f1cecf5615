"""A heat pump: what it gives for the electricity it takes, how it runs, and what the weather asks.

pump     the door
options  its devices and the boundary of the measurement
counters energy from counters that jump, or from power
energy   heat and electricity, by purpose
running  starts, runs, defrosts, and the performance of now
days     local days with their degree days
"""
