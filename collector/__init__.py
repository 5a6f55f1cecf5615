"""Energy Monitor: reads a house's meters, keeps every reading, delivers each one."""

__version__ = "0.1.0"
