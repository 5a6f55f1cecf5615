"""install.sh: its form, and what it says to wrong words. What it does is seen in the lab."""

import json
import re
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


def part(*names):
    """Return the functions and constants of install.sh that *names* lists, as shell."""
    script = SCRIPT.read_text()
    found = []
    for name in names:
        if name.isupper():
            pattern = rf"(?ms)^readonly {name}=('.*?^'$|[^'\n]*$)"
        else:
            pattern = rf"(?ms)^{name}\(\) \{{(.*?^\}}$|[^\n]*\}}$)"
        match = re.search(pattern, script)
        assert match, name
        found.append(match[0])
    return "\n".join(found)


def shell(text, **options):
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{text}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def status_of(reads=1, state="alive", kind="electricity", output="delivering"):
    latest = {"mains": {"kind": kind}} if reads else {}
    source = {"state": state, "reads": reads, "latest": latest}
    return {"sources": {"mains": source}, "outputs": {"history": {"state": output}}}


def upgrade_ends(folder, before, after, *, restarts=0):
    """Return what is ill when a service that was as *before* is *after* an upgrade, and when."""
    (folder / "energy-monitor").write_text(f"#!/bin/sh\ncat {folder}/status.json\n")
    (folder / "energy-monitor").chmod(0o755)
    (folder / "upgrading").mkdir()
    (folder / "status.json").write_text(json.dumps(before))
    done = shell(f"""
OPT={folder} COMMAND={folder}/energy-monitor COLLECTOR=collector
{part("STATES", "SOURCES_WITHIN_S", "OUTPUTS_WITHIN_S", "STAYS_WELL_S", "states", "find_ill")}
sleep() {{ SECONDS=$((SECONDS + $1)); }}
systemctl() {{ case $* in *NRestarts*) echo {restarts} ;; *) echo 7 ;; esac; }}
last_words() {{ echo silence; }}
states before > $OPT/upgrading/well
echo '{json.dumps(after)}' > {folder}/status.json
echo "ill: $(find_ill)"
""")
    assert done.returncode == 0, done.stderr
    return done.stdout.removeprefix("ill:").strip()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (status_of(), status_of()),
        (status_of(), status_of(state="silent")),  # it has read: its device is away just now
        (status_of(), status_of(0, "starting")),  # it is read every hour
        (status_of(0, "away"), status_of(0, "away")),  # no meter is connected
        (status_of(kind="backup"), status_of(0, "silent")),
        (status_of(output="away"), status_of(output="away")),
    ],
)
def test_a_release_that_reads_as_the_one_before_stays(tmp_path, before, after):
    assert upgrade_ends(tmp_path, before, after) == ""


@pytest.mark.parametrize(
    ("after", "restarts", "why"),
    [
        (status_of(0, "silent"), 0, "no longer source mains alive; "),
        (status_of(0, "failed"), 0, "no longer source mains alive; "),
        (status_of(output="away"), 0, "no longer output history delivering; "),
        (status_of(0, "starting"), 4, "no longer source mains alive; "),
        ({"sources": {}, "outputs": {}}, 0, "no longer output history delivering, source mains"),
    ],
)
def test_a_release_that_reads_or_delivers_no_more_is_left(tmp_path, after, restarts, why):
    assert upgrade_ends(tmp_path, status_of(), after, restarts=restarts).startswith(why)
