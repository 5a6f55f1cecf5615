"""terraform/init.sh: what it asks of Azure and tells Terraform, and what it says to wrong words."""

import shutil
import subprocess
from pathlib import Path

import hcl2
import pytest

FOLDER = Path(__file__).parents[1] / "terraform"
SUBSCRIPTION = "01234567-89ab-cdef-0123-456789abcdef"

AZ = f"""#!/bin/sh
echo "az $*" >> "$CALLS"
case "$*" in *"$BROKEN"*) [ -z "$BROKEN" ] || {{ echo "azure: refused" >&2; exit 1; }} ;; esac
case "$*" in
"account show"*) printf '%s\\n' {SUBSCRIPTION} "$SIGNED_IN" ;;
"account list-locations"*"'westeurope'"*) echo westeurope ;;
"storage account check-name"*) echo "$FREE" ;;
"ad signed-in-user"*) echo 66666666-6666-6666-6666-666666666666 ;;
"storage account show"*--query*) echo /subscriptions/s/storageAccounts/smithhomeenergystate ;;
"storage blob list"*) [ -e "$CALLS.allowed" ] || {{ touch "$CALLS.allowed"; exit 1; }} ;;
esac
"""
TERRAFORM = '#!/bin/sh\necho "terraform $*" >> "$CALLS"\n'
NAMES = ("home-energy", "westeurope", "smithhomeenergy")


class House:
    """A computer with init.sh, stand-ins for az and terraform, and the record of their calls."""

    def __init__(self, folder):
        self.folder, self.bin, self.record = folder, folder / "bin", folder / "calls"
        self.bin.mkdir()
        shutil.copy(FOLDER / "init.sh", folder)
        for name in ("cat", "dirname", "touch"):
            (self.bin / name).symlink_to(shutil.which(name))
        for name, text in {"az": AZ, "terraform": TERRAFORM, "sleep": "#!/bin/sh\n"}.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def run(self, *words, **told):
        self.record.write_text("")
        environment = {
            "PATH": str(self.bin),
            "CALLS": str(self.record),
            "BROKEN": "",
            "FREE": "true",
            "SIGNED_IN": "me@example.org",
        }
        return subprocess.run(
            [shutil.which("bash") or "bash", str(self.folder / "init.sh"), *words],
            env=environment | told,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self):
        return self.record.read_text().splitlines()

    def written(self):
        names = ("terraform.tfvars", "state.azurerm.tfbackend")
        return {name: (self.folder / name).read_text() for name in names}


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_shellcheck_has_nothing_to_say():
    program = shutil.which("shellcheck")
    if not program:
        pytest.skip("shellcheck is missing: Debian package shellcheck")
    command = [program, str(FOLDER / "init.sh")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""


def test_help_needs_nothing_and_touches_nothing(house):
    shown = house.run("--help")
    assert shown.returncode == 0
    assert "./init.sh RESOURCE-GROUP LOCATION STORAGE-ACCOUNT" in shown.stdout
    assert house.calls() == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Three words are needed, not 0"),
        ((*NAMES, "more"), "Three words are needed, not 4"),
        (("--force",), "There is no option --force."),
        (("home.", *NAMES[1:]), "'home.' cannot name a resource group"),
        (("x" * 85, *NAMES[1:]), "cannot name a resource group"),
        (("home-energy", "West Europe", NAMES[2]), "'West Europe' is not the short name"),
        ((*NAMES[:2], "Smith-Home"), "'Smith-Home' cannot name a storage account"),
        ((*NAMES[:2], "x" * 20), "3 to 19 lower case letters or digits"),
    ],
)
def test_a_wrong_word_is_refused_before_azure_is_asked(house, words, sentence):
    refused = house.run(*words)
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert house.calls() == []


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("az", "The Azure CLI (az) is missing."), ("terraform", "Terraform is missing.")],
)
def test_a_missing_program_is_named(house, missing, sentence):
    (house.bin / missing).unlink()
    refused = house.run(*NAMES)
    assert refused.returncode == 1
    assert sentence in refused.stderr


def test_who_is_not_signed_in_is_told_how(house):
    refused = house.run(*NAMES, BROKEN="account show")
    assert refused.returncode == 1
    assert refused.stderr == "You are not signed in to Azure. Run: az login\n"
    assert len(house.calls()) == 1


def test_a_region_that_azure_does_not_have_is_refused(house):
    refused = house.run("home-energy", "atlantis", NAMES[2])
    assert refused.returncode == 1
    assert "Azure has no region 'atlantis'" in refused.stderr
    assert not any("create" in call for call in house.calls())


def test_a_name_that_somebody_else_has_is_refused_before_anything_is_made(house):
    refused = house.run(*NAMES, FREE="false", BROKEN="storage account show")
    assert refused.returncode == 1
    assert "'smithhomeenergy' is taken by somebody else. Choose another." in refused.stderr
    assert not any("create" in call for call in house.calls())


def test_the_state_gets_a_closed_account_and_terraform_is_told(house):
    done = house.run(*NAMES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Next: terraform apply"
    calls = house.calls()
    made = next(call for call in calls if call.startswith("az storage account create"))
    assert "--name smithhomeenergystate --resource-group home-energy-state" in made
    for closed in ("min-tls-version TLS1_2", "public-access false", "shared-key-access false"):
        assert closed in made
    assert (
        sum(call.startswith("az storage blob list") for call in calls) == 2
    )  # waited for the role
    assert calls[-1] == "terraform init -input=false -backend-config=state.azurerm.tfbackend"
    written = house.written()
    values = hcl2.loads(written["terraform.tfvars"])
    assert {key: value.strip('"') for key, value in values.items() if key[0] != "_"} == {
        "subscription_id": SUBSCRIPTION,
        "resource_group_name": "home-energy",
        "location": "westeurope",
        "storage_account_name": "smithhomeenergy",
        "alert_email": "me@example.org",
    }
    assert 'storage_account_name = "smithhomeenergystate"' in written["state.azurerm.tfbackend"]
    assert "use_azuread_auth     = true" in written["state.azurerm.tfbackend"]


def test_the_second_run_changes_nothing(house):
    house.run(*NAMES)
    first = house.written()
    again = house.run(*NAMES, FREE="false")  # by now both names are taken: by us
    assert again.returncode == 0, again.stderr
    assert house.written() == first


def test_terraform_asks_for_an_address_where_the_sign_in_is_none(house):
    assert house.run(*NAMES, SIGNED_IN="77777777-7777-7777-7777-777777777777").returncode == 0
    assert "alert_email" not in house.written()["terraform.tfvars"]


@pytest.mark.parametrize(
    "step", ["group create", "storage account create", "container-rm create", "role assignment"]
)
def test_a_step_that_azure_refuses_is_told_and_the_next_run_completes_it(house, step):
    refused = house.run(*NAMES, BROKEN=step)
    assert refused.returncode != 0
    assert refused.stderr.startswith("azure: refused\nStopped while ")
    assert "Run the same command again." in refused.stderr
    assert not any(call.startswith("terraform") for call in house.calls())
    assert house.run(*NAMES).returncode == 0


def test_a_role_that_never_comes_ends_the_wait(house):
    refused = house.run(*NAMES, BROKEN="storage blob list")
    assert refused.returncode == 1
    assert "Azure still refuses you the storage account smithhomeenergystate" in refused.stderr
    assert "Run the same command again" in refused.stderr
