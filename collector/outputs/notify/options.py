"""What every target understands."""

from dataclasses import dataclass

from collector.contract import OutputOptions
from collector.options import option

ADDRESS = r"(?:https?://[!-~]{1,500})?"


@dataclass(frozen=True, kw_only=True)
class TargetOptions(OutputOptions):
    """Sends alerts to people."""

    link: str = option(
        "address of the page of your house, put below each message",
        example="http://energy.local:9992",
        default="",
        pattern=ADDRESS,
    )
