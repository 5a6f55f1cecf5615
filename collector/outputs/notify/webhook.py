"""Webhook: one message as JSON to any address, also in the form of Prometheus' Alertmanager."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from collector.contract import BadOption, Context
from collector.contract.alert import Alarm, Message
from collector.lines.http import Server
from collector.options import option
from collector.outputs.notify.options import TargetOptions
from collector.outputs.notify.post import LIMITS, bearer, post, stores, value_of
from collector.outputs.notify.target import Target
from collector.outputs.notify.words import Writer
from collector.secrets import Secret

NEVER = "0001-01-01T00:00:00Z"  # as Alertmanager writes the end of what goes on


@dataclass(frozen=True, kw_only=True)
class WebhookOptions(TargetOptions):
    """Sends alerts as JSON to a web server."""

    url: str = option("address to post to", example="http://hook.local:8080/alerts")
    path: Secret | None = option(
        "what follows in the address and is secret, such as /services/T0/B0/X",
        example="!secret hook-path",
        default=None,
    )
    token: Secret | None = option(
        "token for the header 'Authorization: Bearer'", example="!secret hook-token", default=None
    )
    format: Literal["json", "alertmanager"] = option(
        "'json': title, text, state and the alerts; 'alertmanager': what receivers of Prometheus' "
        "Alertmanager expect",
        example="alertmanager",
        default="json",
    )


class Webhook(Target):
    """One address."""

    Options: ClassVar[type] = WebhookOptions

    def __init__(self, name: str, options: WebhookOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        try:
            self.server = Server(options.url, f"the webhook at {options.url}", LIMITS)
        except ValueError as error:
            raise BadOption("url", str(error)) from error

    def tell(self, message: Message) -> None:
        """Send one message. Raise OutputAway."""
        form = alertmanager if self.options.format == "alertmanager" else plain
        path = value_of(self.options.path) if self.options.path else ""
        target = f"/{path.lstrip('/')}" if path else ""
        secret = self.options.token or self.options.path
        mend = stores(secret) if secret else ""
        post(self.server, target, form(message, self.writer), bearer(self.options.token), mend)

    def close(self) -> None:
        self.server.close()


def plain(message: Message, writer: Writer) -> dict[str, Any]:
    return {
        "site": writer.site,
        "state": message.state,
        "urgent": message.urgent,
        "title": message.title,
        "text": message.text,
        "time": rfc3339(message.at_ms),
        "alerts": [plain_alert(each, writer) for each in message.alarms],
    }


def plain_alert(alarm: Alarm, writer: Writer) -> dict[str, Any]:
    meaning = writer.meaning(alarm)
    return {
        "name": alarm.name,
        "rule": alarm.rule,
        "device": alarm.device,
        "state": "raised" if alarm.is_raised else "over",
        "text": meaning.text,
        "advice": meaning.advice,
        "since": rfc3339(alarm.since_ms),
        "duration_s": alarm.duration_s,
        "value": alarm.value,
        "worst": alarm.worst,
        "unit": meaning.unit,
        "count": alarm.count,
    }


def alertmanager(message: Message, writer: Writer) -> dict[str, Any]:
    """Return what Alertmanager posts to its webhooks, of its version 4."""
    firing = any(each.is_raised for each in message.alarms)
    alerts = [managed(each, writer) for each in message.alarms]
    return {
        "version": "4",
        "groupKey": f"energy-monitor/{writer.site}",
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "energy-monitor",
        "groupLabels": {},
        "commonLabels": {"site": writer.site},
        "commonAnnotations": {"summary": message.title, "description": message.text},
        "externalURL": writer.link,
        "alerts": alerts,
    }


def managed(alarm: Alarm, writer: Writer) -> dict[str, Any]:
    meaning = writer.meaning(alarm)
    labels = {
        "alertname": alarm.rule,
        "device": alarm.device,
        "site": writer.site,
        "severity": "critical" if meaning.urgent else "warning",
    }
    until_ms = alarm.since_ms + round(alarm.duration_s * 1000)
    return {
        "status": "firing" if alarm.is_raised else "resolved",
        "labels": labels,
        "annotations": {"summary": meaning.text, "description": meaning.advice},
        "startsAt": rfc3339(alarm.since_ms),
        "endsAt": NEVER if alarm.is_raised else rfc3339(until_ms),
        "generatorURL": writer.link,
        "fingerprint": f"{writer.site}/{alarm.name}",
    }


def rfc3339(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
