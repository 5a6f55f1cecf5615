"""What the alerts of a house mean, and what is wrong with how they are configured."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from collector.config import Config
from collector.contract import registry
from collector.contract.alert import Alarm, Describing, Meaning
from collector.scalars import did_you_mean
from collector.status import AlertStatus

TOO_NEW = Meaning(text="raised by a rule that is not in the configuration any more")


def described(config: Config) -> Iterator[tuple[str, Mapping[str, Meaning]]]:
    """Yield each derivation that raises alerts, with what they mean by rule."""
    for name, options in config.derivations.items():
        if isinstance(options, Describing):
            with suppress(ValueError):  # making the derivation says what is wrong
                yield name, options.meanings()


def meanings(config: Config) -> dict[str, Meaning]:
    """Return what each rule of the house means."""
    return {rule: each for _, found in described(config) for rule, each in found.items()}


def targets(config: Config) -> list[str]:
    """Return the outputs that send messages."""
    return [name for name, each in config.outputs.items() if tells(each)]


def tells(options: Any) -> bool:
    return getattr(registry.find("outputs", options.type), "tells", None) == "people"


def check_targets(config: Config) -> None:
    """Add each rule to the faults that names a target which there is not."""
    known = targets(config)
    for name, found in described(config):
        for rule, meaning in found.items():
            for each in meaning.targets:
                if each not in known:
                    hint = did_you_mean(each, known) or f"; known: {', '.join(known) or 'none'}"
                    message = f"no output that sends messages is named {each!r}{hint}"
                    config.faults.add_later(f"derivations.{name}.rules.{rule}.to", message)


def advice(config: Config) -> Iterator[str]:
    """Yield a sentence for each device that a rule names and nothing here may be."""
    known = {"collector", *config.sources, *config.derivations, *config.outputs}
    for options in config.sources.values():
        for part in ("devices", "labels"):
            known.update(getattr(options, part, None) or ())
    for name, found in described(config):
        for rule, meaning in found.items():
            for device in meaning.devices:
                if any(is_part(device, each) for each in known):
                    continue
                path = f"derivations.{name}.rules.{rule}.when"
                file, line = config.faults.lines.get(path, ("", 0))
                place = f"{file}:{line}: {path}" if line else path
                near = did_you_mean(device, known)
                yield f"{place}: no source here is named as the device {device!r}{near}"


def is_part(device: str, name: str) -> bool:
    """Is *device* the one that *name* says, or one of its parts?"""
    return device == name or device.startswith((f"{name}.", f"{name}_", f"{name}-"))


def alert_status(alarm: Alarm, meaning: Meaning, now_ms: float) -> AlertStatus:
    return AlertStatus(
        text=meaning.text,
        advice=meaning.advice,
        unit=meaning.unit,
        since_ms=alarm.since_ms,
        duration_s=max(round((now_ms - alarm.since_ms) / 1000, 1), 0.0),
        value=alarm.value,
        worst=alarm.worst,
        count=alarm.count,
        notice_ms=alarm.notice_ms,
    )
