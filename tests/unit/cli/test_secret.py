"""The command ``secret show``: a value on request, names in a list, and never one too many."""

from click.testing import CliRunner

from collector.cli.main import main
from tests.fakes.doctor_case import HOUSE, plant
from tests.fakes.running import configure


def secret(tmp_path, *words):
    file = configure(tmp_path, HOUSE)
    return CliRunner().invoke(main, ["secret", "show", *words, "--config", str(file)])


def test_a_secret_is_printed_on_request_and_a_list_has_names_only(tmp_path):
    plant(tmp_path / "secrets", {"grafana-admin": "open sesame\n", ".half.new": "x", "azure": "y"})
    assert secret(tmp_path, "grafana-admin").output == "open sesame\n"
    assert secret(tmp_path).output == "azure\ngrafana-admin\n"


def test_an_unknown_secret_is_answered_with_those_that_are_known(tmp_path):
    plant(tmp_path / "secrets", {"grafana-admin": "open sesame", "azure": "y"})
    for name in ("grafana-admn", "../config.yaml"):
        refused = secret(tmp_path, name)
        assert refused.exit_code == 1
        assert "known: azure, grafana-admin" in refused.stderr
        assert "sesame" not in refused.output
    assert "did you mean 'grafana-admin'?" in secret(tmp_path, "grafana-admn").stderr


def test_an_empty_or_absent_secret_says_so(tmp_path):
    assert "there are no secrets: no" in secret(tmp_path).stderr
    plant(tmp_path / "secrets", {"empty": " \n"})
    assert "secret 'empty' is empty" in secret(tmp_path, "empty").stderr
