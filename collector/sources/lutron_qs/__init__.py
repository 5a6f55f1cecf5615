"""Lutron HomeWorks QS and RadioRA 2.

source    the door
protocol  the lines of the integration protocol
database  areas, zones and keypads in the processor's database
fetch     the database over HTTP
readings  what levels and database come to
discover  where a processor is
"""
