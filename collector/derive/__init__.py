"""Derivations of the project, each a room of its own: readings from readings."""
