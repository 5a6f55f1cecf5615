"""What ``make demo`` installs is enough for it: some packages, and a wheel that points here."""

import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()


def match_of(pattern):
    found = re.search(pattern, MAKEFILE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Make an environment as the Makefile does, of packages that are installed here."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (there,) = folder.glob("lib/python*/site-packages")
    for name in match_of(r"^DEMO = (\S+)$").split(","):
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (there / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), there / file)
    script = match_of(r"^define WHEEL\n(.*?)\nendef")
    command = [sys.executable, "-c", script, folder]
    made = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    with zipfile.ZipFile(made.stdout.strip()) as wheel:
        wheel.extractall(there)
    return [folder / "bin/python", "-m", "collector.cli"]


def run(command, folder):
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)


def test_the_demo_runs_with_what_make_demo_installs(program, tmp_path):
    command = [*program, "demo", "--data-dir", tmp_path / "data"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as demo:
        assert demo.stdout
        said: list[str] = []
        while not said or not said[-1].startswith("page: "):
            said.append(demo.stdout.readline())
            assert said[-1], said
        url = said[-1].removeprefix("page: ").strip()
        for page in ("", "history", "cost", "devices", "health", "metrics"):
            with urllib.request.urlopen(f"{url}{page}") as answer:
                assert answer.status == 200
        demo.terminate()
        said += demo.stdout
    assert demo.returncode == 0, said
    assert re.search(r"[1-9]\d* reads, 0 failed", "".join(said)), said
    log = (tmp_path / "data/collector.log").read_text()
    assert "ERROR" not in log, log
    billed = run([*program, "bill", "--config", tmp_path / "data/config.yaml"], tmp_path)
    assert re.search(r"^total +[1-9]", billed.stdout, re.MULTILINE), billed.stderr


def test_a_command_that_needs_another_package_names_it(program, tmp_path):
    done = run([*program, "models"], tmp_path)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "config.yaml"
    file.write_text(f"data_dir: {tmp_path}\nsources:\n  house: {{type: simulated}}\n")
    done = run([*program, "backup", "key", "--config", file], tmp_path)
    assert done.returncode == 1
    needs = (
        "this needs the package 'cryptography', which is not installed: in a clone, 'make packages'"
    )
    assert done.stderr.startswith(needs)
