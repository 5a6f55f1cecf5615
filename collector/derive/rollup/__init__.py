"""Minutes, hours and local days of what was measured, for charts of months and years.

periods     where a minute, an hour and a local day begin and end
gauges      mean, lowest, highest and last value of gauges
counters    how much counters rose, from the energies that never fall
derivation  the door: readings in, readings of periods out
"""
