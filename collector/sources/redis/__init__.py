"""Rows that other programs write into Redis.

source  the door
rows    rows with times, and which were read before
"""
