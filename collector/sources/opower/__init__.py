"""The utility's own meter, by its Opower portal.

source  the door
portal  the portal, asked through the opower library
"""
