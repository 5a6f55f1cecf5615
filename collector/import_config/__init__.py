"""Configurations of other programs turned into ours: a module for each program.

Each has ``read``, which takes the file and returns a ``Draft`` (``draft.py``). Nothing in a file is
ever executed, and no secret that stands in it is taken over or shown.
"""
