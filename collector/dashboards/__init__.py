"""The dashboards of Grafana, as functions that return what its JSON says.

house    what differs from house to house: the labels of its devices
queries  what is asked of InfluxDB
panels   figures, bars, curves and bands of states, in one style
board    a dashboard: where its panels stand, its variables and links
home …   what each dashboard shows

``python -m collector.dashboards`` writes them to ``grafana-provisioning/dashboards``.
"""
