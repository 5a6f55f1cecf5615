"""install.sh: its form, and what it says to wrong words. What it does is seen in the lab."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "install.sh"


def run(*words, **options):
    command = ["bash", str(SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("script", [SCRIPT, ROOT / "tests" / "install-servers"], ids=str)
def test_shellcheck_has_nothing_to_say(script):
    program = shutil.which("shellcheck")
    if not program:
        pytest.skip("shellcheck is missing: Debian package shellcheck")
    checked = subprocess.run([program, str(script)], capture_output=True, text=True, check=False)
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_half_a_download_does_nothing():
    lines = SCRIPT.read_text().splitlines()
    assert lines[-1] == 'main "$@"'
    whole = "\n".join(lines[:-1])
    done = subprocess.run(["bash", "-c", whole], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_help_tells_every_way_to_call_it():
    shown = run("--help")
    assert shown.returncode == 0
    for word in (
        "--upgrade",
        "--uninstall",
        "--yes",
        "--no-docker",
        "--demo",
        "--lan",
        "--purge",
        "--restore",
        "--settings",
        "--identity",
    ):
        assert word in shown.stdout


def test_an_unknown_option_is_refused_and_help_is_named():
    refused = run("--upgrad")
    assert refused.returncode != 0
    assert "Unknown option --upgrad." in refused.stderr
    assert "--help" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--restore"], "needs a value: azure, or a folder"),
        (["--restore", "/nowhere"], "/nowhere contains no backups"),
        (["--upgrade", "--restore", "azure"], "cannot be combined with --upgrade or --uninstall"),
        (["--restore", "azure", "--settings", "/nowhere"], "there is no /nowhere"),
        (["--restore", "azure", "--identity"], "--identity needs a file."),
        (["--settings", "/dev/null"], "requires --restore azure"),
        (["--identity", "/dev/null"], "requires --restore"),
    ],
)
def test_a_restoration_from_nowhere_is_refused_before_anything_is_installed(words, said):
    refused = run(*words)
    assert refused.returncode != 0
    assert said in refused.stderr


def stack_settings(folder, text):
    """Read *text* as stack.env as install.sh does; return what it found, and what it said."""
    (folder / "stack.env").write_text(text)
    script = SCRIPT.read_text()
    reader = script[script.index("read_stack_settings() {") : script.index("start_stack() {")]
    names = next(line for line in script.splitlines() if "readonly STACK_SETTINGS" in line)
    shell = f"""set -euo pipefail
{names}
ETC={folder}
fail() {{ echo "$*" >&2; exit 1; }}
{reader}
read_stack_settings
printf '%s\\n' "${{stack_settings[@]}}"
"""
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)


def test_settings_of_the_stack_are_read(tmp_path):
    text = (
        '# who\nGRAFANA_BIND=0.0.0.0\n\n  # where\nTIMEZONE="America/New_York"\nCOMPOSE_PROFILES='
    )
    done = stack_settings(tmp_path, text)
    assert done.stdout.splitlines() == [
        "GRAFANA_BIND=0.0.0.0",
        "TIMEZONE=America/New_York",
        "COMPOSE_PROFILES=",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "touch evil",
        "TIMEZONE=$(touch evil)",
        "TIMEZONE=`touch evil`",
        "TIMEZONE=Rome; touch evil",
        "TIMEZONE='Europe/Rome'",
        "TIMEZONE=Europe/Rome\r",
        "LD_PRELOAD=/tmp/evil.so",
        "PATH=/tmp",
        "export TIMEZONE=Europe/Rome",
        "GRAFANA_BIND",
        "x[$(touch evil)]=1",
    ],
)
def test_settings_of_the_stack_are_never_executed(tmp_path, line):
    done = stack_settings(tmp_path, f"GRAFANA_BIND=127.0.0.1\n{line}\n")
    assert done.returncode == 1
    assert f"{tmp_path}/stack.env, line 2 is not a setting" in done.stderr
    assert "accepted: GRAFANA_BIND" in done.stderr
    assert not list(ROOT.glob("evil"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["stack.env"]
