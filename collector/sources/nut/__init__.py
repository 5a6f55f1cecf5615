"""UPSs behind Network UPS Tools.

source    the door
protocol  what a server of UPSs says
discover  where one is, and its UPSs
"""
