"""Energy that never falls: counters without their resets, false zeros and replacements.

counter      one counter: what is accepted, what is pending, what a drop was
power        energy from power, where a device has no counter
device       the counters of one device, which are reset together, and its numbered decisions
replacement  what the owner says: a meter was replaced, a decision was wrong
derivation   the door: readings in, energies and events out
"""
