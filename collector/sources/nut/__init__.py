"""UPSs behind Network UPS Tools.

source    the door
protocol  what a server of UPSs says, and where one is
"""
