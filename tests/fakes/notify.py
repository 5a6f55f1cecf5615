"""The services that targets send to, as their answers were recorded, and alerts to send."""

import json
import re

from collector.contract.alert import Alarm
from collector.reading import Reading, encode
from tests.fakes.http_answers import Reply

TOKEN = "tk-of-this-test-1234"
NOW_MS = 1_792_969_150_000
FIGURES = re.compile(r"It was (-?[0-9.]+) when raised, ([0-9.]+) at worst")


def alarm(name="overload.mains", at_ms=NOW_MS, **given):
    fields = {
        "is_raised": True,
        "since_ms": at_ms,
        "duration_s": 0.0,
        "value": 5700.0,
        "worst": 5700.0,
        "count": 1,
        "notice_ms": at_ms,
    }
    return Alarm(name=name, at_ms=at_ms, **{**fields, **given})


def line(*arguments, **given):
    return encode(alarm(*arguments, **given).reading())


def clock(at_ms):
    """Return the collector's own reading, which says what is now."""
    return encode(Reading("collector", "collector", at_ms, {"journal_size": 1.0}))


def ntfy_answer(asked):
    """Answer as ntfy 2.11 does: of a message, of a wrong token, of a wrong topic."""
    if asked.headers.get("Authorization") not in {None, f"Bearer {TOKEN}"}:
        link = "https://ntfy.sh/docs/publish/#authentication"
        return json_reply(401, {"code": 40101, "http": 401, "error": "unauthorized", "link": link})
    if (sent := sent_in(asked)) is None:
        words = "invalid request: request body must be valid JSON"
        return json_reply(400, {"code": 40024, "http": 400, "error": words})
    if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", sent["topic"]):
        return json_reply(
            400, {"code": 40009, "http": 400, "error": "invalid request: topic invalid"}
        )
    about = {"id": "hwQ2YpKdmg", "time": 1635528741, "expires": 1635571941, "event": "message"}
    return json_reply(200, {**about, **sent})


def telegram_answer(asked):
    """Answer as the Bot API does: of a message, of a wrong token."""
    if asked.path != f"/bot{TOKEN}/sendMessage":
        return json_reply(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
    if (sent := sent_in(asked)) is None:
        words = "Bad Request: message text is empty"
        return json_reply(400, {"ok": False, "error_code": 400, "description": words})
    chat = {"id": int(sent["chat_id"]), "first_name": "Me", "type": "private"}
    result = {"message_id": 7, "chat": chat, "date": 1635528741, "text": sent["text"]}
    return json_reply(200, {"ok": True, "result": result})


def hook_answer(asked):
    wrong = asked.headers.get("Authorization") != f"Bearer {TOKEN}"
    if wrong:
        return json_reply(403, {"message": "forbidden"})
    return json_reply(400 if sent_in(asked) is None else 200, {})


def sent_in(asked):
    """Return the document of a request; None where it was cut."""
    try:
        return json.loads(asked.body)
    except ValueError:
        return None


def json_reply(status, document):
    body = json.dumps(document, separators=(",", ":")).encode()
    return Reply(status, body, {"Content-Type": "application/json"})
