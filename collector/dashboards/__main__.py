"""Write the dashboards into the project's folder: ``python -m collector.dashboards``."""

from pathlib import Path

from collector.dashboards.write import write

FOLDER = Path(__file__).parents[2] / "grafana-provisioning/dashboards"

if __name__ == "__main__":
    write(FOLDER)
