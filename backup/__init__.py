"""Backups of all that the house would miss, and their way back.

    InfluxDB · configuration · Grafana · journal ──▶ capture ──▶ folder ──▶ upload ──▶ Azure
                              restore · rehearse ◀── manifest and objects ◀──┘

A backup is a manifest, which names files by their paths, and the objects that hold these files.
Of the collector it knows the configuration, the secrets and the errors, nothing else.
"""
