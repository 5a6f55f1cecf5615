"""A simulated house, for trying things out without hardware.

source      the door
house       a house whose every energy is the exact integral of its power
appliances  what draws power in it
curve       power over time, and its integral
"""
