"""UPSs behind Network UPS Tools.

source    the door
protocol  how a server of UPSs is asked
meaning   what its variables mean
discover  where one is, and its UPSs
"""
