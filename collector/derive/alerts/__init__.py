"""Alerts: rules on readings, derived values and the collector itself.

``language`` reads a condition, ``condition`` decides it, ``alert`` is one alert's way from pending
to over, ``figures`` computes what rules compare and no device measures, ``derivation`` joins them.
"""
