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
        "--backup ID",
        "--signed-by KEY",
        "--with NAMES",
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
        (["--restore"], "needs a value: azure, sftp://USER@HOST/FOLDER, or a folder"),
        (["--restore", "sftp://"], "sftp:// contains no backups"),
        (["--restore", "/nowhere"], "/nowhere contains no backups"),
        (["--upgrade", "--restore", "azure"], "cannot be combined with --upgrade or --uninstall"),
        (["--restore", "azure", "--settings", "/nowhere"], "there is no /nowhere"),
        (["--restore", "azure", "--identity"], "--identity needs a file."),
        (["--settings", "/dev/null"], "requires --restore azure or --restore sftp://"),
        (["--restore", "/tmp", "--settings", "/dev/null"], "requires --restore azure or"),
        (["--identity", "/dev/null"], "requires --restore"),
        (["--backup", "20261120T193000Z"], "--backup requires --restore"),
        (["--restore", "azure", "--backup"], "--backup needs a value"),
        (["--restore", "azure", "--signed-by", "$(id)"], "--signed-by needs a value"),
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


def own_packages(folder, times=1):
    """Install what packages.txt lists; return what pip was asked, and how often that was new."""
    for each in ("etc", "release/venv/bin"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    pip = folder / "release/venv/bin/pip"
    pip.write_text(f'#!/bin/sh\necho "$PWD $*" >> {folder}/asked\n')
    pip.chmod(0o755)
    (folder / "release/requirements.txt").write_text("click==8.1 ; python_version > '3' --hash=x\n")
    again = f"{part('logged')}\nprogress() {{ cat > /dev/null; }}\ndid() {{ echo did; }}\n"
    done = shell(
        f"ETC={folder}/etc OWN_PACKAGES={folder}/etc/packages.txt LOG={folder}/log\n{again}"
        f"{part('install_own_packages', 'own_packages_sum')}\n"
        + f"install_own_packages {folder}/release\n"
        * times
    )
    assert done.returncode == 0, done.stderr
    asked = folder / "asked"
    return asked.read_text() if asked.exists() else "", done.stdout.count("did")


def test_packages_of_the_owner_are_installed_once_and_again_when_they_change(tmp_path):
    assert own_packages(tmp_path) == ("", 0)
    (tmp_path / "etc/pool").mkdir()
    (tmp_path / "etc/pool/pool.py").touch()
    (tmp_path / "etc/packages.txt").write_text("# mine\n./pool\nopower")
    asked, changes = own_packages(tmp_path, times=2)
    assert changes == 1
    assert asked.startswith(f"{tmp_path}/etc install ")
    assert f"--requirement {tmp_path}/etc/packages.txt" in asked
    assert (tmp_path / "release/constraints.txt").read_text() == "click==8.1\n"
    (tmp_path / "etc/pool/pool.py").write_text("more")
    assert own_packages(tmp_path)[1] == 1
    (tmp_path / "etc/packages.txt").unlink()
    assert own_packages(tmp_path)[1] == 0


def needed_extras(folder, needed, named="", bits=64):
    """Install extras; return the run, and what pip was asked."""
    for each in ("etc", "release/venv/bin"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    (folder / "etc/config.yaml").touch()
    pins = {"hashes": ["sha256:1"], "version": "==1.0"}
    (folder / "release/Pipfile.lock").write_text(json.dumps({"parquet": {"arro3": pins}}))
    for name, says in (("pip", f'echo "$*" >> {folder}/asked'), ("energy-monitor", needed)):
        program = folder / "release/venv/bin" / name
        program.write_text(f"#!/bin/sh\n{says}\n")
        program.chmod(0o755)
    text = SCRIPT.read_text()
    written = text[text.index("readonly REQUIREMENTS") : text.index("# One line for each source")]
    done = shell(
        f"ETC={folder}/etc LOG={folder}/log bits={bits} extras={named}\n{written}{part('logged')}\n"
        "progress() { cat > /dev/null; }\ndid() { echo did $*; }\nsay() { echo $*; }\n"
        f"{part('install_extras', 'install_into')}\ninstall_extras {folder}/release\n"
    )
    asked = folder / "asked"
    return done, asked.read_text() if asked.exists() else ""


def test_extras_that_the_configuration_needs_are_installed_once_with_their_hashes(tmp_path):
    done, asked = needed_extras(tmp_path, "echo parquet")
    assert done.stdout == "did installed beside it: the extra parquet\n", done.stderr
    assert "--require-hashes" in asked
    assert (tmp_path / "release/extras/parquet").read_text() == "arro3==1.0 --hash=sha256:1\n"
    again, asked_again = needed_extras(tmp_path, "echo parquet", named="parquet")
    assert (again.stdout, asked_again) == ("", asked)


def test_an_extra_can_be_named_where_the_configuration_does_not_need_it_yet(tmp_path):
    done, _ = needed_extras(tmp_path, "true", named="parquet")
    assert done.stdout == "did installed beside it: the extra parquet\n", done.stderr


def test_what_32_bit_systems_cannot_have_is_said(tmp_path):
    done, asked = needed_extras(tmp_path, "echo postgresql", bits=32)
    assert done.returncode == 0
    assert "'postgresql' has no build for 32-bit systems" in done.stdout
    assert asked == ""


def test_the_command_says_what_to_do_where_the_system_has_another_python(tmp_path):
    binaries = tmp_path / "release/venv/bin"
    binaries.mkdir(parents=True)
    (tmp_path / "release/systemd").mkdir()
    command = tmp_path / "energy-monitor"
    installed = shutil.copy(ROOT / "systemd" / "energy-monitor", tmp_path / "release/systemd")
    command.symlink_to(installed)
    (binaries / "energy-monitor").write_text('#!/bin/sh\necho "ran $1"\n')
    (binaries / "energy-monitor").chmod(0o755)
    for name in ("python3.98", "python3.99"):
        (tmp_path / name).touch(0o755)
    (binaries / "python").symlink_to(tmp_path / "python3.98")
    (tmp_path / "release/venv/lib/python3.98").mkdir(parents=True)
    run_it = [str(command), "status"]
    assert subprocess.check_output(run_it, text=True) == "ran status\n"
    (binaries / "python").unlink()
    (binaries / "python").symlink_to(tmp_path / "python3.99")
    done = subprocess.run(run_it, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"What to do: sudo {tmp_path}/release/install.sh" in done.stderr


@pytest.mark.parametrize(
    ("files", "its_own"),
    [
        ({"python": "3.99\n"}, True),
        ({"python": "3.98\n", "venv/lib/python3.99/x": ""}, False),
        ({"python": "none\n", "venv/lib/python3.99/x": ""}, False),
        ({"venv/lib/python3.99/x": ""}, True),
        ({"venv/lib/python3.98/x": ""}, False),
    ],
)
def test_a_release_knows_the_python_that_it_was_built_for(tmp_path, files, its_own):
    for name, text in files.items():
        file = tmp_path / "releases/r" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    done = shell(
        f"OPT={tmp_path}\n{part('has_its_python')}\npython_version() {{ echo 3.99; }}\n"
        "has_its_python r && echo yes || echo no"
    )
    assert done.stdout == ("yes\n" if its_own else "no\n")


@pytest.mark.parametrize(
    ("made", "zone"),
    [
        ("ln -s $ZONES/Europe/Rome $LOCALTIME", "Europe/Rome"),
        ("cp $ZONES/America/New_York $LOCALTIME", "America/New_York"),
        ("cp $ZONES/Etc/UTC $LOCALTIME", "Etc/UTC"),
        ("echo nonsense > $LOCALTIME", "Etc/UTC"),
        ("true", "Etc/UTC"),
    ],
)
def test_the_time_zone_is_found_also_where_it_is_a_copy(tmp_path, made, zone):
    places = f"ZONES=/usr/share/zoneinfo LOCALTIME={tmp_path}/localtime"
    done = shell(f"{places}\n{made}\n{part('time_zone')}\ntime_zone")
    assert done.stdout == f"{zone}\n", done.stderr


@pytest.mark.parametrize(
    ("engine", "compose", "accepted"),
    [
        ("26.1.5+dfsg1", "2.26.1-4", True),
        ("25.0.0", "v2.23.1", True),
        ("20.10.24+dfsg1", "2.26.1", False),
        ("28.0.1", "2.9.0", False),
        ("", "", False),
    ],
)
def test_docker_must_understand_the_compose_file(engine, compose, accepted):
    done = shell(f"""
docker() {{ case $* in version*) echo '{engine}' ;; *) echo '{compose}' ;; esac; }}
fail() {{ echo "$*" >&2; exit 1; }}
{part("require_docker_version", "is_at_least")}
require_docker_version""")
    assert (done.returncode == 0) is accepted
    assert ("is too old; Docker 25 and Compose 2.23.1 are needed" in done.stderr) is not accepted


@pytest.mark.parametrize(
    ("free", "why"),
    [
        ({"/opt": ("/", 699)}, "699 MB are free in /opt; 700 MB are needed"),
        ({"/opt": ("/", 700)}, ""),
        ({"/opt": ("/", 500), "/var/lib": ("/var", 200)}, ""),
        ({"/opt": ("/", 499), "/var/lib": ("/var", 200)}, "499 MB are free in /opt; 500 MB"),
        ({"/opt": ("/", 500), "/var/lib": ("/var", 199)}, "199 MB are free in /var/lib; 200 MB"),
    ],
)
def test_each_disk_needs_room_for_what_lies_on_it(free, why):
    cases = "\n".join(
        f"*target*{name}) echo '{disk}' ;; *avail*{name}) echo '{mb}' ;;"
        for name, (disk, mb) in ({"/var/lib": free["/opt"]} | free).items()
    )
    done = shell(f"""
docker=no
df() {{ case $* in {cases} esac; }}
fail() {{ echo "$*" >&2; exit 1; }}
{part("require_space", "disk_of", "require_free")}
require_space""")
    assert done.returncode == bool(why)
    assert why in done.stderr


@pytest.mark.parametrize(
    ("update", "ending"),
    [
        ("echo Hit:1 http://deb.debian.org; echo Err:2 http://elsewhere; return 100", "installed"),
        ("echo Err:1 http://deb.debian.org; return 100", "No package source can be reached."),
        ("echo Hit:1 http://deb.debian.org", "installed"),
    ],
)
def test_a_package_source_of_another_program_may_fail(tmp_path, update, ending):
    done = shell(f"""
LOG={tmp_path}/log ETC={tmp_path}/etc
apt-get() {{ if [ $1 = update ]; then {update}; else echo installing; fi; }}
dpkg-query() {{ return 1; }}
progress() {{ cat > /dev/null; }}
say() {{ echo "$1"; }}
did() {{ echo installed; }}
fail() {{ echo "$1"; exit 1; }}
{part("logged", "apt_install")}
apt_install wanted""")
    assert done.stdout.splitlines()[-1] == ending, done.stderr


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ("127.0.0.1", ["install.sh --lan", "ssh -L 3000:127.0.0.1:3000 ann@192.168.2.7"]),
        ("0.0.0.0", ["from any computer in your network: http://192.168.2.7:3000"]),
    ],
)
def test_in_the_end_the_owner_learns_how_to_open_grafana(tmp_path, bind, words):
    (tmp_path / "stack.env").write_text(f"GRAFANA_BIND={bind}\n")
    done = shell(f"""
ETC={tmp_path} OPT=/opt/energy-monitor SUDO_USER=ann
own_address() {{ echo 192.168.2.7; }}
systemctl() {{ false; }}
{part("report_grafana", "report_place")}
report_grafana""")
    for each in [*words, "password: sudo energy-monitor secret show grafana-admin"]:
        assert each in done.stdout


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9992", ["open to this machine only: http://127.0.0.1:9992", "--lan"]),
        ("http://0.0.0.0:9993", ["from any computer in your network: http://192.168.2.7:9993"]),
        ("", []),
    ],
)
def test_in_the_end_the_owner_learns_how_to_open_the_page(tmp_path, url, words):
    (tmp_path / "config.yaml").write_text("page: {password: !secret page-password}\n")
    command = tmp_path / "energy-monitor"
    command.write_text(f"#!/bin/sh\necho '{json.dumps({'page': {'url': url}})}'\n")
    command.chmod(0o755)
    done = shell(f"""
ETC={tmp_path} OPT=/opt/energy-monitor COMMAND={command} SUDO_USER=ann
own_address() {{ echo 192.168.2.7; }}
systemctl() {{ false; }}
{part("report_page", "report_place")}
report_page""")
    assert done.returncode == 0
    assert bool(done.stdout) == bool(url)
    assert all(each in done.stdout for each in words)
    assert ("password: sudo energy-monitor secret show page-password" in done.stdout) == bool(url)


def asked_about_backup(folder, **given):
    """Ask as install.sh does where there is no terminal; return what it says, and what it holds."""
    script = SCRIPT.read_text()
    asking = script[script.index("is_far() {") : script.index("# A question is asked before")]
    names = {"yes": "no", "restore": "", "settings": "", "identity": "", "store": "", "key": ""}
    names |= {"backup_id": "latest", "signed_by": ""}
    shell = f"""set -euo pipefail
ETC={folder} RESTORED={folder}/restored
{" ".join(f"{name}={value}" for name, value in (names | given).items())}
say() {{ echo "$*"; }}
fail() {{ echo "$*" >&2; exit 1; }}
{asking}
ask_about_backup
printf '%s' "$store"
"""
    command = ["bash", "-c", shell]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_a_store_over_sftp_takes_a_terminal_or_what_let_the_machine_before_in(tmp_path):
    (tmp_path / "secrets").mkdir()
    address = "sftp://pi@nas/backups"
    refused = asked_about_backup(tmp_path, restore=address)
    assert refused.returncode == 1
    assert "add --settings FILE: the secret backup-sftp" in refused.stderr
    (tmp_path / "settings").write_text("{}")
    told = asked_about_backup(tmp_path, restore=address, settings=tmp_path / "settings")
    assert (told.returncode, told.stdout) == (0, "{}")
    (tmp_path / "secrets" / "backup-sftp").write_text("{}")
    assert asked_about_backup(tmp_path, restore=address).returncode == 0
