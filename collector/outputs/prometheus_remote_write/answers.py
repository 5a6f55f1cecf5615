"""What servers answer to a remote write, and what is made of it.

The words differ by server and release; what they mean has been recorded with Prometheus 2.42 and
3.14 and VictoriaMetrics 1.79, Mimir's are from its documentation.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus

QUOTED_CHARACTERS = 300
AGE = re.compile(r"out of bounds|too[ -]old")
ORDER = re.compile(r"out[ -]of[ -]order")
OTHER = re.compile(
    r"duplicate (sample|timestamp)|duplicate-timestamp|too far in (the )?future|"
    r"too-far-in-future|err-mimir-(label|max-label|metric|missing|invalid)"
)
WINDOW = (
    "; Prometheus takes older samples only with 'storage: {tsdb: {out_of_order_time_window: 7d}}' "
    "in its configuration"
)


@dataclass(frozen=True)
class Answer:
    """What a server answered; *said* is its message, *retry_after_s* its wish if it had one."""

    status: int
    said: str
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.said[:QUOTED_CHARACTERS]!r}"

    @property
    def stored(self) -> bool:
        """Whether all is stored. Mimir says 200 without a word; a login page has some."""
        is_empty = self.status == HTTPStatus.OK and not self.said
        return self.status == HTTPStatus.NO_CONTENT or is_empty

    @property
    def blames_age(self) -> bool:
        """Whether a sample is too old for this server. Prometheus 2.42 says 500, for ever."""
        return self.status in {400, 500} and AGE.search(self.said) is not None

    @property
    def blames_order(self) -> bool:
        """Whether a sample is older than the newest of its series."""
        return self.status == HTTPStatus.BAD_REQUEST and ORDER.search(self.said) is not None

    @property
    def blames_samples(self) -> bool:
        """Whether samples are at fault. A 400 may also come of a wrong address or a proxy."""
        other = self.status == HTTPStatus.BAD_REQUEST and OTHER.search(self.said)
        return bool(self.blames_age or self.blames_order or other)

    @property
    def reason(self) -> str:
        return f"{self}{WINDOW if self.blames_age or self.blames_order else ''}"
