"""What is served over HTTP: /metrics for Prometheus.

It reads a Status and the newest values that it is handed, and imports nothing but words.
"""
