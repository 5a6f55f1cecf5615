"""Extras: what they consist of, and the sentence that installs them."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from collector.cli.main import main
from collector.contract import extras
from collector.errors import PackageMissing

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK = json.loads((ROOT / "Pipfile.lock").read_text())


def test_what_is_locked_for_each_extra_is_what_the_project_file_names():
    pipfile = tomllib.loads((ROOT / "Pipfile").read_text())
    assert LOCK.keys() - {"_meta", "default", "develop"} == EXTRAS.keys()
    makefile = (ROOT / "Makefile").read_text()
    assert f"\nEXTRAS = {' '.join(sorted(EXTRAS))}\n" in makefile
    for name, wanted in EXTRAS.items():
        names = {re.split(r"[\[>=]", each)[0] for each in wanted}
        assert names == pipfile[name].keys() <= LOCK[name].keys()


def test_a_package_has_one_version_in_all_extras():
    versions: dict[str, set[str]] = {}
    for group in LOCK.keys() - {"_meta"}:
        for name, pin in LOCK[group].items():
            versions.setdefault(name, set()).add(pin["version"])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_consists_of_what_the_project_file_lists_and_is_installed_for_the_tests(name):
    def parts(wanted):  # metadata sorts the bounds of a version
        return sorted(sorted(re.split(r"(?=[<>=])|,", each)) for each in wanted)

    assert parts(extras.requirements(name)) == parts(EXTRAS[name])
    assert extras.is_installed(name)


def test_an_extra_that_is_missing_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(extras, "requirements", lambda _: ["no-such-package[fast]>=1.0"])
    assert not extras.is_installed("postgresql")
    assert extras.command("postgresql") == (
        f"{sys.executable} -m pip install 'no-such-package[fast]>=1.0'"
    )
    with (
        pytest.raises(PackageMissing, match=r"needs the extra 'postgresql'.*-m pip install"),
        extras.importing("postgresql"),
    ):
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401,PLC0415


def test_on_the_appliance_install_sh_installs_it(monkeypatch, tmp_path):
    installer = tmp_path / "install.sh"
    installer.touch()
    monkeypatch.setattr(extras, "INSTALLER", installer)
    monkeypatch.setattr(sys, "prefix", "/opt/energy-monitor/releases/1/venv")
    assert extras.command("parquet") == f"sudo {installer} --with parquet"


def test_check_finds_an_extra_that_the_configuration_needs(monkeypatch, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/it").write_text("x")
    options = {"type": "opower", "utility": "u", "user": "u"}
    text = yaml.safe_dump({"sources": {"utility": options | {"password": "SECRET"}}})
    file = tmp_path / "config.yaml"
    file.write_text(text.replace("SECRET", "!secret it"))
    check = ["check", "--config", str(file)]
    assert CliRunner().invoke(main, [*check, "--extras"]).output == ""
    monkeypatch.setattr(extras, "requirements", lambda _: ["no-such-package"])
    assert CliRunner().invoke(main, [*check, "--extras"]).output == "opower\n"
    answer = CliRunner().invoke(main, check)
    assert answer.exit_code == 78
    assert ": sources.utility: needs the extra 'opower', which is not installed" in answer.output
