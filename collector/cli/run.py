"""``energy-monitor run``: the service, until it is stopped."""

import logging
import os
import sys
from pathlib import Path
from typing import ClassVar

import click

from collector.cli.arguments import config_option
from collector.config import load
from collector.doctor.command import pasteable
from collector.run import heap
from collector.run.service import Service
from collector.safe_text import SafeFormatter


@click.command()
@config_option
def run(file: Path) -> None:
    """Run the service: all sources, all outputs, until SIGTERM.

    \b
    Example:
      energy-monitor run --config /etc/energy-monitor/config.yaml
    """
    log_to_stderr(file)
    heap.share()
    sys.exit(Service(load(file)).run())


def log_to_stderr(file: Path) -> None:
    """Log to standard error; under systemd with the priorities that the journal understands."""
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(Priorities("%(message)s", file=file))
    else:
        handler.setFormatter(Pasteable("%(asctime)s %(levelname)s %(message)s", file=file))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class Pasteable(SafeFormatter):
    """Formats what is logged with commands that work when they are pasted."""

    def __init__(self, form: str, file: Path) -> None:
        super().__init__(form)
        self.file = file

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's
        return pasteable(super().formatMessage(record), self.file)


class Priorities(Pasteable):
    """Begins every line with the priority that systemd-journald reads (sd-daemon, man 3)."""

    LEVELS: ClassVar = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}

    def format(self, record: logging.LogRecord) -> str:
        priority = self.LEVELS.get(record.levelno, 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())
