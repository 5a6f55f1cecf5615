"""terraform/: names that the provider knows, and what Terraform itself says."""

import functools
import json
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import hcl2
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "terraform"
SCHEMA = ROOT.parent / "shared" / "facts" / "azurerm-5.2.0-schema-subset.json"
# Where Terraform itself looks for providers before it would download one.
MIRRORS = [
    Path(path).expanduser()
    for path in (
        "~/.terraform.d/plugins",
        "/usr/local/share/terraform/plugins",
        "/usr/share/terraform/plugins",
    )
]
OF_TERRAFORM_ITSELF = {"lifecycle", "depends_on", "count", "for_each", "provider"}
SUBSCRIPTION = "01234567-89ab-cdef-0123-456789abcdef"


# What is written, against the provider's schema


@functools.cache
def written():
    return [hcl2.loads(path.read_text()) for path in sorted(FOLDER.glob("*.tf"))]


def parts(kind):
    """Yield (type, name, body) for every resource or provider; the latter has no name."""
    for block in (block for text in written() for block in text.get(kind, [])):
        for type_, named in block.items():
            for name, body in {"": named}.items() if kind == "provider" else named.items():
                yield type_.strip('"'), name.strip('"'), body


def faults(body, schema, place):
    """Yield a sentence for each argument that the schema does not take, or that is missing."""
    attributes, blocks = schema.get("attributes", {}), schema.get("block_types", {})
    given = {key: value for key, value in body.items() if not key.startswith("__")}
    for key, value in given.items():
        if key in blocks:
            for each in value:
                yield from faults(each, blocks[key]["block"], f"{place}.{key}")
        elif key not in attributes:
            yield f"{place}: {key} is unknown"
        elif not (attributes[key].get("optional") or attributes[key].get("required")):
            yield f"{place}: {key} cannot be set"
    needed = {key for key, each in attributes.items() if each.get("required")}
    needed |= {key for key, each in blocks.items() if each.get("min_items")}
    yield from (f"{place}: {key} is missing" for key in sorted(needed - given.keys()))


@pytest.fixture(scope="module")
def provider():
    if not SCHEMA.exists():
        pytest.skip("the provider's schema (../shared/facts) is not beside the repository")
    return next(iter(json.loads(SCHEMA.read_text())["provider_schemas"].values()))


@pytest.mark.parametrize(
    ("kind", "type_", "name", "body"),
    [
        pytest.param(kind, *part, id=".".join(filter(None, part[:2])))
        for kind in ("resource", "provider")
        for part in parts(kind)
        if part[0].startswith("azurerm")
    ],
)
def test_every_argument_is_one_that_the_provider_takes(provider, kind, type_, name, body):
    known = {
        "resource": provider["resource_schemas"],
        "provider": {"azurerm": provider["provider"]},
    }[kind]
    assert type_ in known
    own = {key: value for key, value in body.items() if key not in OF_TERRAFORM_ITSELF}
    assert list(faults(own, known[type_]["block"], f"{type_}.{name}")) == []


def test_every_attribute_that_is_read_is_one_that_the_provider_gives(provider):
    text = "".join(path.read_text() for path in FOLDER.glob("*.tf"))
    read = set(re.findall(r"\b(azurerm_\w+)\.(\w+)\.(\w+)", text))
    assert read
    made = {part[:2] for part in parts("resource")}
    for type_, name, attribute in read:
        assert (type_, name) in made
        assert attribute in provider["resource_schemas"][type_]["block"]["attributes"]


def test_a_wrong_name_would_be_found(provider):
    schema = provider["resource_schemas"]["azurerm_storage_account"]["block"]
    wrong = {"enable_https_traffic_only": True, "id": "x", "blob_properties": [{"versions": True}]}
    told = list(faults(wrong, schema, "account"))
    assert "account: enable_https_traffic_only is unknown" in told
    assert "account.blob_properties: versions is unknown" in told
    assert "account: location is missing" in told


def test_every_variable_has_a_description_and_a_sentence_for_a_wrong_value():
    variables = [each for text in written() for each in text.get("variable", [])]
    assert variables
    for name, body in (pair for each in variables for pair in each.items()):
        assert body["description"]
        assert name.strip('"') in body["validation"][0]["error_message"]


# What Terraform says


@pytest.fixture
def terraform(tmp_path):
    """Return a function that runs terraform over a copy of the folder."""
    program = shutil.which("terraform")
    if not program:
        pytest.skip("terraform is missing (https://developer.hashicorp.com/terraform/install)")
    copy = tmp_path / "terraform"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars"))
    settings = tmp_path / "terraformrc"
    mirrors = [f'filesystem_mirror {{ path = "{path}" }}' for path in MIRRORS if path.is_dir()]
    settings.write_text("\n".join(["provider_installation {", *mirrors, "}"]))
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    environment = outside | {
        "TF_CLI_CONFIG_FILE": str(settings),
        "CHECKPOINT_DISABLE": "1",
        "TZ": "Europe/Madrid",  # what is told in local time would differ from what Azure tells
    }

    def run(*words):
        return subprocess.run(
            [program, *words],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def initialise(terraform, folder, azurerm):
    """Make ready with one major version of the provider, from a mirror on this machine."""
    versions = folder / "versions.tf"
    text = versions.read_text()
    assert '">= 4.40, < 6.0"' in text
    versions.write_text(text.replace('">= 4.40, < 6.0"', f'"{azurerm}"'))
    (folder / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    done = terraform("init", "-input=false", "-no-color")
    if "Failed to query available provider packages" in done.stderr:
        pytest.skip(f"no mirror here has the providers: azurerm {azurerm}, azuread and tls")
    assert done.returncode == 0, done.stderr


def test_the_files_are_in_terraforms_own_form(terraform):
    checked = terraform("fmt", "-check", "-recursive", "-diff")
    assert checked.stdout == ""
    assert checked.returncode == 0


@pytest.mark.parametrize("azurerm", ["~> 4.40", "~> 5.0"])
def test_terraform_finds_it_valid_and_what_it_plans_is_what_was_meant(terraform, tmp_path, azurerm):
    initialise(terraform, tmp_path / "terraform", azurerm)
    validated = terraform("validate", "-no-color")
    assert validated.returncode == 0, validated.stderr
    version = json.loads(terraform("version", "-json").stdout)["terraform_version"]
    if tuple(map(int, version.split(".")[:2])) < (1, 11):
        pytest.skip(f"terraform {version} cannot mock a provider while planning; 1.11 can")
    tested = terraform("test", "-no-color")
    assert "0 failed" in tested.stdout, tested.stdout + tested.stderr


def test_the_key_and_the_certificate_fit_each_other_and_its_end_is_told_in_utc(terraform, tmp_path):
    folder = tmp_path / "terraform"
    initialise(terraform, folder, ">= 4.40, < 6.0")
    words = {
        "subscription_id": SUBSCRIPTION,
        "resource_group_name": "home-energy",
        "location": "westeurope",
        "storage_account_name": "smithhomeenergy",
        "alert_email": "me@example.org",
    }
    (folder / "terraform.tfvars.json").write_text(json.dumps(words))
    only = "-target=data.tls_certificate.collector"
    applied = terraform("apply", "-auto-approve", "-no-color", only)
    assert applied.returncode == 0, applied.stderr
    made = {
        each["type"]: each["instances"][0]["attributes"]
        for each in json.loads((folder / "terraform.tfstate").read_text())["resources"]
    }
    pem = tmp_path / "credential.pem"
    pem.write_text(
        made["tls_private_key"]["private_key_pem_pkcs8"] + made["tls_self_signed_cert"]["cert_pem"]
    )
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pem)
    assert made["tls_certificate"]["certificates"][0]["not_after"].endswith("Z")
