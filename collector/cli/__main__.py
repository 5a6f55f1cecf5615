"""``python -m collector.cli`` is ``energy-monitor``."""

from collector.cli.main import main

main()
