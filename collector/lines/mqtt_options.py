"""How a broker is reached: the options that sources and outputs have alike."""

from typing import Any

from collector.contract import BadOption
from collector.options import option


def broker() -> Any:
    return option(
        "mqtt://HOST of the broker, or mqtts://HOST with TLS; with :PORT where it is not 1883 or "
        "8883",
        example="mqtt://homeassistant.local",
    )


def user() -> Any:
    return option("name of a login of the broker", example="monitor", default="")


def password() -> Any:
    return option("password of that login", example="!secret mqtt-password", default=None)


def ca() -> Any:
    return option(
        "with mqtts: file beside the configuration with the CA certificate of the broker "
        "(default: the CAs of the system)",
        example="broker-ca.pem",
        default="",
    )


def check_login(options: Any, url: str, where: str, of_tls: tuple[str, ...] = ("ca",)) -> None:
    """Raise BadOption where an option of TLS or of a login would do nothing.

    *where* is the name of the option that has *url*.
    """
    for name in of_tls:
        if getattr(options, name) and not url.startswith("mqtts:"):
            raise BadOption(name, f"is used with TLS only: write mqtts:// in {where!r}")
    if options.password and not options.user:
        raise BadOption("user", "a password needs a user")
