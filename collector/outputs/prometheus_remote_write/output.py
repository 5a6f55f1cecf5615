"""Prometheus remote write 1.0: delivers every reading with its time, in base units.

One POST at a time goes over a connection that is kept, packed by snappy. Metrics have the names of
/metrics. A server stores a request or refuses all of it, so what it refuses for ever is told from
the rest here: ``Output.store``.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from collector.contract import BadOption, Context, OutputOptions
from collector.contract.extras import importing
from collector.errors import OutputAway, ReadFault, ReadingsRefused
from collector.lines.http import Server
from collector.lines.http_answer import Limits
from collector.options import option
from collector.outputs.prometheus_remote_write.answers import Answer
from collector.outputs.prometheus_remote_write.series import Series, request, series_of
from collector.scalars import InputPath
from collector.secrets import Secret

EXTRA = "prometheus_remote_write"
PATH = "/api/v1/write"
LIMITS = Limits(connect_s=5.0, wait_s=30.0, answer_s=60.0, most_bytes=1_000_000)
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


@dataclass(frozen=True, kw_only=True)
class RemoteWriteOptions(OutputOptions):
    """Delivers readings by remote write: to Prometheus, VictoriaMetrics, Mimir, Grafana Cloud."""

    url: str = option(
        f"address that takes remote writes; {PATH} is added where it has no path",
        example="http://localhost:9090",
    )
    token: Secret | None = option(
        "bearer token, where the server wants one", example="!secret metrics-token", default=None
    )
    user: str = option("user of a basic login", example="123456", default="")
    password: Secret | None = option(
        "password of a basic login", example="!secret metrics-password", default=None
    )
    ca: InputPath = option(
        "file beside the configuration with the CA certificate of the server (default: the CAs of "
        "the system)",
        example="metrics-ca.pem",
        default="",
    )

    def extras(self) -> tuple[str, ...]:
        return (EXTRA,)


class RemoteWrite:
    """A server of metrics; every sample has the labels ``site``, ``device`` and the tags."""

    Options: ClassVar[type] = RemoteWriteOptions
    batch_size = 2_000
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "idempotent"

    def __init__(self, name: str, options: RemoteWriteOptions, context: Context) -> None:  # noqa: ARG002  every output gets its name
        self.options = options
        self.tags = context.tags(options)
        check(options)
        ca = context.config_dir / options.ca if options.ca else None
        path = "" if urlsplit(options.url).path.strip("/") else PATH
        try:
            url = options.url.rstrip("/") + path
            self.server = Server(url, f"the server at {options.url}", LIMITS, ca)
        except ValueError as error:
            raise BadOption("url", str(error)) from error
        self.posted: list[list[Series]] = []  # that may be stored, of the present batch
        self.doubtful: set[tuple[tuple[str, str], int]] = set()  # likewise, of one that failed
        self.refused: dict[int, str] = {}
        self.too_old_ms, self.too_old = -1, ""

    def open(self) -> None:
        """Do nothing: the first write connects, and each later one where it must."""

    def newest_ms(self) -> int | None:
        """Return None: what takes remote writes need not answer questions."""
        return None

    def close(self) -> None:
        self.server.close()

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        self.too_old_ms, self.posted = -1, []
        series, self.refused = series_of(batch, self.tags)
        try:
            self.store(series)
        except BaseException:
            for group in self.posted:
                self.doubtful |= {(each.key, at) for each in group for at, *_ in each.samples}
            raise
        self.doubtful.clear()
        if self.refused:
            raise ReadingsRefused(dict(sorted(self.refused.items())))

    def store(self, group: Sequence[Series]) -> None:
        """Send *group* and keep in mind why readings are refused.

        204, or 200 and nothing    all are stored
        413                        too many at once               → send halves
        400 that blames samples    none are stored                → halves, then from the oldest
        500 for a sample too old   likewise: Prometheus 2.42      → likewise
        anything else              not now                        → raise OutputAway
        """
        group = self.young_enough(group)
        if not group:
            return
        answer = self.post(group)
        if answer.stored:
            return
        is_large = answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if len(group) > 1 and (is_large or answer.blames_samples):
            half = len(group) // 2
            self.store(group[:half])
            self.store(group[half:])
        elif answer.blames_age or answer.blames_order:
            self.store_from_oldest(group[0], answer)
        elif len(group[0].samples) > 1 and (is_large or answer.blames_samples):
            half = len(group[0].samples) // 2
            self.store([replace(group[0], samples=group[0].samples[:half])])
            self.store([replace(group[0], samples=group[0].samples[half:])])
        elif answer.blames_samples:
            self.refuse(group[0], answer)
        else:
            raise self.away(answer)

    def store_from_oldest(self, series: Series, answer: Answer) -> None:
        """Store the samples that are new enough, of a series that *answer* refuses as a whole.

        One by one from the oldest: a server may take nothing that is older than what it took last,
        so no guess at where the new ones begin may be too high.
        """
        left = series
        while left.samples:
            if answer.blames_order and (left.key, left.samples[0].at_ms) in self.doubtful:
                # The request whose answer was lost has been stored.
                fresh = [
                    each for each in left.samples if (left.key, each.at_ms) not in self.doubtful
                ]
                self.store([replace(left, samples=fresh)] if fresh else [])
                return
            first, left = (
                replace(left, samples=left.samples[:1]),
                replace(left, samples=left.samples[1:]),
            )
            answer = self.post([first])
            if not answer.stored:
                if not answer.blames_samples:
                    raise self.away(answer)
                self.refuse(first, answer)
                left = (self.young_enough([left]) or [replace(left, samples=[])])[0]
            elif left.samples:
                answer = self.post([left])
                if answer.stored:
                    return
                if not answer.blames_samples:
                    raise self.away(answer)

    def young_enough(self, group: Sequence[Series]) -> list[Series]:
        """Return *group* without samples that are no newer than one that is too old."""
        young = []
        for each in group:
            samples = [sample for sample in each.samples if sample.at_ms > self.too_old_ms]
            for sample in each.samples[: len(each.samples) - len(samples)]:
                self.refused.setdefault(sample.position, self.too_old)
            if samples:
                young.append(replace(each, samples=samples))
        return young

    def refuse(self, series: Series, answer: Answer) -> None:
        for sample in series.samples:
            self.refused.setdefault(sample.position, answer.reason)
            if answer.blames_age and sample.at_ms > self.too_old_ms:
                self.too_old_ms, self.too_old = sample.at_ms, answer.reason

    def post(self, group: Sequence[Series]) -> Answer:
        """Send one request and return its answer. Raise OutputAway where none comes."""
        with importing(EXTRA):
            from cramjam import snappy  # noqa: PLC0415  an extra

        login, secret = self.login()
        headers = {**HEADERS, **({"Authorization": login} if login else {})}
        body = bytes(snappy.compress_raw(request(group)))
        try:
            answer = self.server.ask("POST", "", headers, body)
        except ReadFault as error:
            self.posted.append(list(group))
            raise OutputAway(str(error)) from error
        said = answer.text.strip().replace(secret, "…") if secret else answer.text.strip()
        found = Answer(answer.status, said, answer.retry_after_s)
        if found.stored:
            self.posted.append(list(group))
        return found

    def login(self) -> tuple[str, str]:
        """Return the header that lets us in, and the secret that is in it. Raise OutputAway."""
        secret = self.options.token or self.options.password
        if secret is None:
            return "", ""
        value = secret.value()
        if not (value and value.isascii() and value.isprintable()):
            raise OutputAway(f"secret {secret.name!r} is empty or not one line of plain characters")
        if self.options.token:
            return f"Bearer {value}", value
        pair = f"{self.options.user}:{value}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}", value

    def away(self, answer: Answer) -> OutputAway:
        """Say what the server answered and, where a human must mend something, what."""
        secret = self.options.token or self.options.password
        name = f" in secret {secret.name!r}" if secret else ""
        mend = {
            400: "; is 'url' right?",
            401: f"; it does not know the login{name}: give 'token', or 'user' and 'password'",
            403: f"; the login{name} may not write there",
            404: "; is 'url' right? Prometheus takes remote writes with "
            "--web.enable-remote-write-receiver",
        }.get(answer.status, "")
        return OutputAway(f"{self.server.name} answered {answer}{mend}", answer.retry_after_s)


def check(options: RemoteWriteOptions) -> None:
    """Raise BadOption."""
    for name in options.tags:
        if not LABEL.fullmatch(name) or name.startswith("__"):
            raise BadOption(
                f"tags.{name}",
                f"{name!r} cannot be the name of a label in Prometheus: letters, digits and '_', "
                "beginning with a letter",
            )
    if options.token and (options.user or options.password):
        raise BadOption("token", "give 'token', or 'user' and 'password', not both")
    if bool(options.user) != bool(options.password):
        missing, given = ("password", "user") if options.user else ("user", "password")
        raise BadOption(missing, f"{given!r} is given, so {missing!r} is needed too")
    if not options.user.isascii() or not options.user.isprintable() or ":" in options.user:
        raise BadOption("user", "expected plain characters without ':'")
