"""Figures, measured beside their bounds: ``make bench``, or ``make bench ARGS="journal bus"``."""
