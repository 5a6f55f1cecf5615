"""``add output``: what stands in the file afterwards, and what is refused with nothing written."""

import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli.main import main
from tests.fakes.running import configure

WORDS = ("influxdb", "--set", "url=http://db.example:8086", "--set", "bucket=energy")


def add(file, *words):
    return CliRunner().invoke(main, ["add", "output", *words, "--config", str(file)])


@pytest.fixture
def file(tmp_path):
    return configure(tmp_path, "  house: {type: simulated}\n")


def test_the_block_of_a_first_output_is_written_and_what_is_left_is_said(file):
    answer = add(file, *WORDS)
    assert answer.exit_code == 0, answer.output
    written = config.load(file).outputs["influxdb"]
    assert (written.url, written.bucket) == ("http://db.example:8086", "energy")
    assert written.token.name == "influxdb-token"
    assert f" secret set influxdb-token --config {file}'" in answer.output
    assert f" reload --config {file}'" in answer.output


def test_the_name_of_a_secret_may_be_given_as_the_configuration_has_it(file):
    assert add(file, *WORDS, "--set", "token=!secret of-the-house").exit_code == 0
    assert config.load(file).outputs["influxdb"].token.name == "of-the-house"


def test_another_joins_those_that_are_there_and_comments_stay(file):
    text = file.read_text() + (
        "outputs:  # where it goes\n"
        "    # the first\n"
        "    old: {type: influxdb, url: 'http://a', bucket: b, token: !secret t}\n"
        "# the end\n"
    )
    file.write_text(text)
    file.chmod(0o640)
    assert add(file, *WORDS, "--name", "new").exit_code == 0
    assert [*config.load(file).outputs] == ["new", "old"]
    assert [line for line in file.read_text().splitlines() if line in text.splitlines()] == (
        text.splitlines()
    )
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["influxdb"], "--set url=http://localhost:8086 --set bucket=energy"),
        (["influxd"], "did you mean 'influxdb'?"),
        ([*WORDS, "--set", "token=hunter2"], "write --set 'token=!secret NAME', or leave it out"),
        ([*WORDS, "--set", "buckt=x"], "have no option 'buckt'"),
        ([*WORDS, "--set", "token"], "expected OPTION=VALUE"),
        ([*WORDS, "--name", "a b"], "'a b' is not a name"),
        ([*WORDS, "--set", "url=nowhere"], "outputs.influxdb.url"),
        ([*WORDS, "--set", "every=5 parsecs"], "outputs.influxdb.every"),
    ],
)
def test_what_would_be_a_mistake_is_refused_and_the_file_stays(file, words, said):
    before = file.read_text()
    answer = add(file, *words)
    assert answer.exit_code != 0
    assert said in answer.output
    assert file.read_text() == before
    assert [each.name for each in file.parent.iterdir() if "trial" in each.name] == []


def test_a_name_that_is_taken_is_refused(file):
    assert add(file, *WORDS).exit_code == 0
    assert "there is an output 'influxdb' already" in add(file, *WORDS).output


def test_outputs_in_braces_are_left_to_the_owner(file):
    file.write_text(file.read_text() + "outputs: {}\n")
    before = file.read_text()
    answer = add(file, *WORDS)
    assert answer.exit_code == 1
    assert "in braces: write the lines above there" in answer.output
    assert "influxdb:\n  type: influxdb\n" in answer.output
    assert file.read_text() == before


def test_on_a_terminal_it_asks_and_stores_the_secret_unseen(file):
    file.parent.chmod(0o755)
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "collector.cli", "add", "output", "influxdb"]
    with subprocess.Popen(
        [*command, "--config", str(file)], stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        seen, answers = b"", ["http://db.example:8086", "energy", "open-sesame-1"]
        with suppress(OSError):
            while more := os.read(parent, 4096):
                seen += more
                if seen.endswith((b"]: ", b"): ")) and answers:
                    os.write(parent, f"{answers.pop(0)}\n".encode())
    os.close(parent)
    if os.geteuid() == 0 and b"users other than root" in seen:
        pytest.skip("the folder of the tests belongs to others")
    assert b"open-sesame" not in seen
    assert process.returncode == 0, seen
    assert (file.parent / "secrets/influxdb-token").read_text() == "open-sesame-1\n"
    assert config.load(file).outputs["influxdb"].bucket == "energy"
