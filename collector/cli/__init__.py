"""The command ``energy-monitor``: a module per command, ``main`` on top."""
