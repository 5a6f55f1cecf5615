"""``python -m collector`` is ``energy-monitor``."""

from collector.cli import main

main()
