"""``setup page``: who can open it afterwards, and that the rest of the file stays as it was."""

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli.main import main
from tests.fakes.running import configure


def setup(file, *words):
    return CliRunner().invoke(main, ["setup", "page", *words, "--config", str(file)])


@pytest.fixture
def file(tmp_path):
    return configure(tmp_path, "  house: {type: simulated}  # für das Haus\n")


PAGES = {
    "none": "",
    "a block": "page:\n    # of the cellar\n"
    "    names: [energy.example]\n    address: 127.0.0.1 # here\n",
    "braces": "page: {address: 127.0.0.1, names: [energy.example]}\n",
    "off": "page: {port: 0}\n",
    "with a password": "page:\n  password: !secret other\n  port: 9000\n",
}


@pytest.mark.parametrize("before", PAGES.values(), ids=PAGES)
def test_the_network_can_open_it_with_a_password(file, before):
    own = file.read_text().replace("page: {port: 0}\n", "")
    file.write_text(own + before)
    (file.parent / "secrets").mkdir(exist_ok=True)
    answer = setup(file, "--lan")
    assert answer.exit_code == 0, answer.output
    page = config.load(file).main.page
    name = "other" if "other" in before else "page-password"
    assert page.password
    assert (page.address, page.password.name) == ("0.0.0.0", name)
    assert page.port == (9000 if "9000" in before else 9992)
    assert page.names == (("energy.example",) if "names" in before else ())
    assert f"secret show {name}" in answer.output
    after = file.read_text()
    assert after.startswith(own)
    assert all(each in after for each in ("# of the cellar", "# here") if each in before)
    if name == "page-password":
        stored = file.parent / "secrets" / name
        assert len(stored.read_text().strip()) == 32
        assert stored.stat().st_mode & 0o077 == 0
        assert stored.read_text().strip() not in answer.output + after


def test_a_second_time_changes_nothing_and_local_takes_it_back(file):
    assert setup(file, "--lan").exit_code == 0
    once, password = file.read_text(), (file.parent / "secrets/page-password").read_text()
    assert setup(file, "--lan").exit_code == 0
    assert (file.read_text(), (file.parent / "secrets/page-password").read_text()) == (
        once,
        password,
    )
    assert setup(file, "--local").exit_code == 0
    assert config.load(file).main.page.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("page", "words", "sentence"),
    [
        ("", (), "say who can open the page: --lan or --local"),
        ("page: {}\n", ("--lan",), "has no options of 'page': remove it"),
        ("page: 3\n", ("--lan",), "page"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_changes(file, page, words, sentence):
    own = file.read_text().replace("page: {port: 0}\n", "")
    file.write_text(own + page)
    answer = setup(file, *words)
    assert answer.exit_code != 0
    assert sentence in answer.output + str(answer.exception)
    assert file.read_text() == own + page
