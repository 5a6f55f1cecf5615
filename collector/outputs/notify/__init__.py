"""Targets of alerts: outputs that send messages to people.

``target`` decides what is to be told and remembers what was, ``words`` writes it, and each service
has a module that sends one message.
"""
