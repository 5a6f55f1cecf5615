"""Prometheus remote write: Prometheus, VictoriaMetrics, Mimir, Thanos and Grafana Cloud take it."""
