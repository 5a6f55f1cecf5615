"""The command ``energy-monitor add output``: writes the block of a new output for the owner."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_args

import click
import yaml

from collector import config
from collector.cli import written
from collector.cli.arguments import config_option, pasteable
from collector.contract import extras, registry
from collector.errors import EnergyMonitorError
from collector.options import hints_of
from collector.reading import NAME, NAME_RULE
from collector.scan import render
from collector.secrets import Secret, prepare
from collector.syntax import fields_of

LOGIN = ("user", "password")  # asked for although many servers want none


@click.group()
def add() -> None:
    """Write a new entry into the configuration."""


@add.command()
@click.argument("kind", metavar="TYPE")
@click.option("--name", help="Its name; the default is its type.")
@click.option("--set", "given", multiple=True, metavar="OPTION=VALUE", help="An option of it.")
@config_option
def output(kind: str, name: str | None, given: tuple[str, ...], file: Path) -> None:
    """Write the block of an output into the configuration.

    On a terminal it asks for what the output needs. Nothing is written where the result would have
    a mistake. docs/reference.md has the options of each type.

    \b
    Examples:
      sudo energy-monitor add output mqtt
      sudo energy-monitor add output postgresql --set url=postgresql://db.example --name archive
    """
    cls = registry.find("outputs", kind).Options
    name = new_name(name or kind, config.load(file))
    options = dict(map(option_given, given))
    if unknown := sorted(options.keys() - fields_of(cls).keys()):
        raise EnergyMonitorError(f"outputs of type {kind!r} have no option {unknown[0]!r}")
    secrets: dict[str, str] = {}
    check_secrets(cls, options)
    if sys.stdin.isatty():
        ask(cls, name, options, secrets)
    fill_in(cls, name, options)
    lines = block(name, {"type": kind, **options}, cls)
    click.echo("\n".join(lines))
    written.write(file, lambda text: written.with_entry(text, "outputs", lines))
    click.secho(f"written: {file}", fg="green")
    for secret, value in secrets.items():
        store_secret(file, secret, value)
    for step in what_is_left(file, name):
        click.echo(step)


def new_name(name: str, loaded: config.Config) -> str:
    """Return a name that no output has. Raise EnergyMonitorError."""
    if not NAME.fullmatch(name):
        raise EnergyMonitorError(f"{name!r} is not a name: {NAME_RULE}")
    if name in loaded.outputs:
        raise EnergyMonitorError(
            f"there is an output {name!r} already: give the new one another with --name"
        )
    return name


def option_given(text: str) -> tuple[str, Any]:
    """Read ``OPTION=VALUE``; the value is YAML. Raise EnergyMonitorError."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise EnergyMonitorError(f"--set {text}: expected OPTION=VALUE")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        return name, value


def is_secret(cls: type, name: str) -> bool:
    hint = hints_of(cls)[fields_of(cls)[name].name]
    return hint is Secret or Secret in get_args(hint)


def check_secrets(cls: type, options: dict[str, Any]) -> None:
    """Take ``!secret NAME`` as the name of a secret. Raise EnergyMonitorError for a value."""
    for name in (each.name for each in fields(cls) if each.name in options):
        if not is_secret(cls, name):
            continue
        mark, _, secret = str(options[name]).partition(" ")
        if mark != "!secret":
            raise EnergyMonitorError(
                f"--set {name}: a command line and the configuration hold no secrets: write "
                f"--set '{name}=!secret NAME', or leave it out"
            )
        options[name] = secret.strip()


def is_required(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING and each.name != "type"


def ask(cls: type, name: str, options: dict[str, Any], secrets: dict[str, str]) -> None:
    """Ask for what the output needs and *options* lack; a secret's value goes into *secrets*."""
    for each in fields(cls):
        if each.name in options or not (is_required(each) or each.name in LOGIN):
            continue
        text = f"{each.name} ({each.metadata['help']})"
        if is_secret(cls, each.name):
            value = click.prompt(text, default="", hide_input=True, show_default=False)
            if value:
                options[each.name] = f"{name}-{each.name}"
                secrets[f"{name}-{each.name}"] = value
        else:
            default = "" if each.name in LOGIN else each.metadata["example"]
            value = click.prompt(text, default=default, show_default=bool(default))
            if value:
                options[each.name] = yaml.safe_load(str(value))


def fill_in(cls: type, name: str, options: dict[str, Any]) -> None:
    """Name the secrets that are required. Raise EnergyMonitorError where an option is missing."""
    missing = []
    for each in filter(is_required, fields(cls)):
        if each.name not in options and is_secret(cls, each.name):
            options[each.name] = f"{name}-{each.name}"
        elif each.name not in options:
            missing.append("--set " + shlex.quote(f"{each.name}={each.metadata['example']}"))
    if missing:
        raise EnergyMonitorError(f"this output needs more: {' '.join(missing)}")


def block(name: str, options: Mapping[str, Any], cls: type) -> list[str]:
    """Return the lines of an output, its first one without indent."""
    lines = [f"{name}:"]
    for option, value in options.items():
        text = f"!secret {value}" if is_secret(cls, option) else render.flow(value)
        lines.append(f"  {option}: {text}")
    return lines


def store_secret(file: Path, name: str, value: str) -> None:
    """Store a secret beside the configuration. Raise EnergyMonitorError, OSError."""
    from collector.cli import store  # noqa: PLC0415  only then needed

    folder = file.parent / "secrets"
    prepare(folder)
    if fault := store.fault_of(value):
        raise EnergyMonitorError(f"the value of {name!r} was not stored: {fault}")
    click.secho(f"stored: {store.store(folder, name, value)}", fg="green")


def what_is_left(file: Path, name: str) -> Iterator[str]:
    """Yield the commands that are left to type for the output *name*."""
    loaded = config.load(file)
    options = loaded.outputs[name]
    for extra in options.extras():
        if not extras.is_installed(extra):
            yield f"install what it needs: '{extras.command(extra)}'"
    for _, secret in loaded.secrets_named():
        if (
            not (file.parent / "secrets" / secret.name).exists()
            and secret in vars(options).values()
        ):
            yield pasteable(f"store its secret: 'sudo energy-monitor secret set {secret.name}'")
    yield pasteable("then load it: 'sudo energy-monitor reload'")
