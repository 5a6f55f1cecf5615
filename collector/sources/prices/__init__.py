"""Prices of a market, by their own times.

source        the door
decode        rows of JSON or CSV into prices per kWh
presets.yaml  public services that need no key
"""
