"""Documentation that can be wrong is tested."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from click import Context, Group

from collector.cli import reference, schemas
from collector.cli.main import main
from collector.config import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = (
    *(
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/add-a-source.md",
        "docs/outputs.md",
    ),
    "examples/energy-monitor-source-example/README.md",
)


class Loader(yaml.SafeLoader):
    """Reads ``!secret NAME`` as its name, as an editor does."""


Loader.add_constructor("!secret", lambda _, node: node.value)


def configurations():
    yield "config.example.yaml", (ROOT / "config.example.yaml").read_text()
    uncommented = re.sub(r"(?m)^(\s*)# (?!#)", r"\1", (ROOT / "config.example.yaml").read_text())
    body = uncommented[uncommented.index("\nsite:") :]
    yield "config.example.yaml with every option", re.sub(r"(?m)^( *)#   (?=\w)", r"\1  ", body)
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)):
        yield f"README.md block {number}", block


@pytest.mark.parametrize(("where", "text"), list(configurations()))
def test_every_configuration_that_is_shown_is_read_and_fits_the_schema(where, text, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert load(file).sources, where
    jsonschema.validate(yaml.load(text, Loader), schemas.schema())


def test_the_schema_refuses_what_the_loader_refuses():
    shown = yaml.load(next(iter(configurations()))[1], Loader)
    shown["sources"]["mains"]["evry"] = "1s"
    with pytest.raises(jsonschema.ValidationError, match="evry"):
        jsonschema.validate(shown, schemas.schema())


def test_the_generated_pages_are_current(capsys):
    assert reference.main(["--check"]) == 0, capsys.readouterr().out


def commands(group=main, words=("energy-monitor",)):
    yield words
    if isinstance(group, Group):
        for name in group.list_commands(context := Context(group)):
            yield from commands(group.get_command(context, name), (*words, name))


def test_every_command_in_the_readme_exists():
    known = {" ".join(words) for words in commands()}
    for text in re.findall(r"energy-monitor(?: [a-z-]+)+", README):
        words = text.split()
        assert " ".join(words[:2]) in known, text


def test_every_target_in_the_pages_is_in_the_makefile():
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    for page in ("README.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:`|^ +)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named <= targets, named - targets


def test_every_link_in_the_pages_leads_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert (ROOT / page).parent.joinpath(link).exists(), f"{page}: {link}"


def test_every_model_in_the_readme_has_its_map():
    maps = {path.stem for path in (ROOT / "collector" / "devices" / "modbus").glob("*.yaml")}
    named = set(re.findall(r"`((?:orno|eastron|peacefair|carlo|hiking)-[a-z0-9-]+)`", README))
    assert named <= maps, named - maps
