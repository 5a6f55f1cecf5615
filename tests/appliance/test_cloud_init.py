"""The first start without keyboard: cloud-init's own check, and cloud-init itself at work.

The lab has no radio: that the Wi-Fi is set up is seen in NetworkManager, which is what runs on
Raspberry Pi OS. What fetches a backup is stood in for by a script that writes down its words.
"""

import subprocess

import pytest
import yaml

from tests.appliance.house import wait_for_state
from tests.appliance.lab import ROOT, host

FILES = ROOT / "cloud-init"
INSTALLER = "install-energy-monitor"
# As on Raspberry Pi OS: where the files are looked for, who makes the keys of this machine (not
# cloud-init), and who looks after the network.
SEED = """\
datasource_list: [NoCloud, None]
datasource: {NoCloud: {seedfrom: "file:///boot/firmware"}}
ssh_deletekeys: false
ssh_genkeytypes: []
"""
NETPLAN = "network: {version: 2, renderer: NetworkManager}\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILab"
FILLED_IN = {
    "user-data": {
        "hostname: energy-monitor": "hostname: house",
        "ssh-ed25519 AAAA ": f"{KEY} ",
        '"--yes --lan"': '"--yes --no-docker"',
    },
    "network-config": {"name of your Wi-Fi": "the house's", "its password": "open sesame"},
}
WORDS = "/srv/words"
COMMAND = f'#!/bin/sh\n[ ! -e /srv/refuse ] || exit 1\necho "$@" >> {WORDS}\n'
SETTINGS = '{"account": "house", "key": "a/b+c==\\n"}'


@pytest.fixture(scope="module")
def machine(machine_of):
    with machine_of("cloud") as made:
        packages = "cloud-init netplan.io network-manager sudo"
        made.run(f"apt-get update && apt-get install -y --no-install-recommends {packages}")
        yield made


def filled_in(name):
    text = (FILES / name).read_text()
    for there, here in FILLED_IN[name].items():
        assert there in text
        text = text.replace(there, here)
    return text


def archive(file):
    """Make what 'git archive' would make of what is in the project's folder now."""
    excluded = [f"--exclude=./{each}" for each in (".*", "tests", "demo-data", "build")]
    host("tar", "-C", ROOT, *excluded, "--exclude=__pycache__", "-czf", file, ".")


@pytest.mark.parametrize(
    ("name", "kind"), [("user-data", "cloud-config"), ("network-config", "network-config")]
)
def test_cloud_init_finds_no_fault_in_it(machine, name, kind):
    machine.run(f"cloud-init schema -t {kind} -c /lab/project/cloud-init/{name}")


def test_the_machine_comes_up_measuring(machine):
    boot = machine.root / "boot/firmware"
    boot.mkdir()
    for name in FILLED_IN:
        (boot / name).write_text(filled_in(name))
    (boot / "meta-data").write_text("dsmode: local\ninstance_id: rpios-image\n")
    archive(boot / "energy-monitor.tar.gz")
    (machine.root / "etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg").write_text(SEED)
    netplan = machine.root / "usr/lib/netplan/00-network-manager-all.yaml"
    netplan.write_text(NETPLAN)
    netplan.chmod(0o600)
    machine.reboot()
    wait_for_state(machine, "meter1", "alive")
    said = machine.run("cloud-init status --wait --long", check=False).stdout
    assert "recoverable_errors: {}" in said, said
    assert machine.ask("hostname") == "house"
    assert machine.ask("cat /etc/timezone") == "Europe/Rome"
    assert KEY in machine.run("cat /home/owner/.ssh/authorized_keys").stdout


def test_it_knows_the_wi_fi(machine):
    known = machine.run("nmcli --get-values NAME connection show").stdout.splitlines()
    assert "netplan-wlan0-the house's" in known
    asked = "802-11-wireless.ssid,802-11-wireless-security.psk"
    shown = (
        f'nmcli --show-secrets --get-values {asked} connection show "netplan-wlan0-the house\'s"'
    )
    assert machine.run(shown).stdout.split("\n")[:2] == ["the house's", "open sesame"]


def test_the_installer_ends_and_does_not_come_back(machine):
    machine.wait_for(lambda: machine.ask(f"systemctl is-active {INSTALLER}") == "inactive", "done")
    assert machine.ask(f"systemctl is-enabled {INSTALLER}") == "disabled"
    machine.reboot()
    wait_for_state(machine, "meter1", "alive")
    assert machine.ask(f"systemctl is-active {INSTALLER}") == "inactive"


def test_what_another_pi_saved_is_fetched_and_the_key_to_it_wiped(machine):
    boot = machine.root / "boot/firmware/user-data"
    store = "/etc/install-energy-monitor/store"
    filled = boot.read_text().replace("      nothing\n", f"      {SETTINGS}\n")
    assert yaml.safe_load(filled)["write_files"][0]["content"] == f"{SETTINGS}\n"
    (machine.root / "srv/command").write_text(COMMAND)
    (machine.root / "srv/store").write_text(f"{SETTINGS}\n")
    (machine.root / "srv/user-data").write_text(filled)
    machine.run("install -m 755 /srv/command /usr/local/sbin/energy-monitor; touch /srv/refuse")
    machine.run(f"cp /srv/store {store}; cp /srv/user-data /boot/firmware")
    machine.run(f"systemctl enable {INSTALLER}; systemctl start {INSTALLER}", check=False)
    assert SETTINGS in boot.read_text()  # not connected yet: to be tried again
    machine.run(f"rm /srv/refuse; systemctl restart {INSTALLER}")
    said = machine.run(f"cat {WORDS}").stdout.splitlines()
    assert said == [f"backup connect {store}", "restore latest --from azure --replace"]
    assert boot.read_text() == filled_in("user-data")
    assert machine.ask(f"ls {store}") == ""


def test_what_runs_in_it_is_a_clean_script():
    text = (FILES / "user-data").read_text()
    lines = text.split("      #!/bin/sh\n")[1].split("\n\n")[0]
    script = "#!/bin/sh\n" + "\n".join(each.removeprefix("      ") for each in lines.splitlines())
    options = ("--exclude=SC2086,SC2154", "-")  # OPTIONS is a list of words; the unit sets them
    subprocess.run(("shellcheck", *options), input=script, text=True, check=True)
