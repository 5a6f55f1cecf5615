"""Finding what is there, by the sources that can search.

scan    which source searches where, and when it has its turn
render  what was found as configuration to paste, and for programs
"""
