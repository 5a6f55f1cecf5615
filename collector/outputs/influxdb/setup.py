# influxdb-client says that it has types, and has hardly any.
# mypy: disable-error-code="attr-defined,no-untyped-call"

"""Prepares InfluxDB 2 for the collector: organisation, bucket, and two tokens with few rights.

It may be run again at any time: what is there stays as it is. Only this module imports
influxdb-client, whose 30 MB the collector itself does without.
"""

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Literal

from influxdb_client import (
    Authorization,
    Bucket,
    BucketRetentionRules,
    InfluxDBClient,
    OnboardingRequest,
    Permission,
    PermissionResource,
    SetupService,
    WriteService,
)
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from collector import files
from collector.errors import EnergyMonitorError
from collector.secrets import prepare

ADMIN_PASSWORD = "influxdb-admin-password"  # noqa: S105  the name of a file
ADMIN_TOKEN = "influxdb-admin-token"  # noqa: S105  likewise
TOKENS = {"write": "influxdb-token", "read": "influxdb-read-token"}
SHARD_GROUP_S = 86_400  # an hourly backup copies the newest shard anew: let it be a day, not a week
TIMEOUT_MS = 30_000  # a Pi that is just starting takes its time


class SetupRefused(EnergyMonitorError):
    """InfluxDB can't be prepared so; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to prepare.

    *retention_s* is how long the bucket keeps readings, 0 for ever. Secrets go into *folder*;
    *tokens* may name other files for the token that may 'write' and the one that may 'read'.
    The token that may 'read' may read the buckets *also* too, which are there already.
    *user* is the first user of a server that has none. A file of the database holds
    *shard_group_s* of it. *change* gives a bucket that is there
    already this retention; *renew* replaces tokens that are there already, and revokes them.
    """

    url: str
    org: str
    bucket: str
    retention_s: int
    folder: Path
    tokens: Mapping[str, Path] = field(default_factory=dict)
    user: str = "admin"
    change: bool = False
    renew: bool = False
    shard_group_s: int = SHARD_GROUP_S
    also: tuple[str, ...] = ()

    def token_file(self, action: str) -> Path:
        return self.tokens.get(action, self.folder / TOKENS[action])


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was done, and how the bucket is now.

    *fresh* says that the server had no user and was given its first. Of the secret files,
    *written* are new, *kept* were there and are good, *stale* were there and hold a token that
    the server does not accept.
    """

    version: str
    fresh: bool
    bucket: Literal["created", "changed", "kept"]
    retention_s: int
    shard_group_s: int
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    stale: tuple[Path, ...]


def set_up(wanted: Wanted, admin_token: str | None = None) -> Done:
    """Make what is missing of first user, bucket and tokens, and put every secret into a file.

    Without *admin_token* the one in the secret file is used. Raise SetupRefused.
    """
    if 0 < wanted.retention_s < SHARD_GROUP_S:
        raise SetupRefused("the retention must be at least 1d, or 0 to keep readings for ever")
    written: list[Path] = []
    with connected(wanted, "") as client:
        version = version_of(client, wanted)
        fresh = bool(SetupService(client.api_client).get_setup().allowed)
        if fresh:
            admin_token = make_first_user(client, wanted, admin_token, written)
    kept: list[Path] = []
    stale: list[Path] = []
    with connected(wanted, admin_token or kept_admin_token(wanted)) as client:
        bucket, outcome = prepare_bucket(client, wanted, fresh=fresh)
        for action in TOKENS:
            file = wanted.token_file(action)
            if wanted.renew or not file.exists() or is_narrow(wanted, action, file):
                make_token(client, wanted, bucket, action)
                written.append(file)
            else:
                (kept if accepted(wanted, action, file) else stale).append(file)
    retention_s, shard_group_s = durations(bucket)
    return Done(
        version=version,
        fresh=fresh,
        bucket=outcome,
        retention_s=retention_s,
        shard_group_s=shard_group_s,
        written=tuple(written),
        kept=tuple(kept),
        stale=tuple(stale),
    )


@contextmanager
def connected(wanted: Wanted, token: str) -> Iterator[InfluxDBClient]:
    """Open a client, and turn whatever goes wrong with it into SetupRefused."""
    place = f"InfluxDB at {wanted.url}"
    try:
        with InfluxDBClient(wanted.url, token, org=wanted.org, timeout=TIMEOUT_MS) as client:
            yield client
    except ApiException as error:
        said = f"{place}: answered {error.status} {error.message!r}"
        if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            said += "; the admin token is wrong or may not do this: give an operator token"
        raise SetupRefused(said) from error
    except HTTPError as error:
        raise SetupRefused(f"{place} does not answer: {error.__cause__ or error}") from error


def version_of(client: InfluxDBClient, wanted: Wanted) -> str:
    """Return the server's version. Raise SetupRefused, with the way to go, where it is not 2."""
    version = str(client.version()).removeprefix("v")
    if version.startswith("1."):
        days = f"{wanted.retention_s // 86_400}d" if wanted.retention_s else "INF"
        raise SetupRefused(
            f"InfluxDB at {wanted.url} is {version}, where this is done in its own shell 'influx' "
            "(1.8 is the oldest that will do): CREATE USER admin WITH PASSWORD '…' WITH ALL "
            f'PRIVILEGES; CREATE DATABASE "{wanted.bucket}" WITH DURATION {days} SHARD DURATION '
            f"1d; CREATE USER collector WITH PASSWORD '…'; GRANT ALL ON \"{wanted.bucket}\" TO "
            f"collector. Then write collector:… into {wanted.token_file('write')}, admin:… into "
            f"{wanted.folder / ADMIN_TOKEN} for backups, and use bucket: {wanted.bucket}/autogen"
        )
    if version.startswith("3."):
        raise SetupRefused(
            f"InfluxDB at {wanted.url} is {version}, where this is done with 'influxdb3 create'; "
            f"then write its token into {wanted.token_file('write')}"
        )
    if version == "unknown":
        raise SetupRefused(f"the server at {wanted.url} is not an InfluxDB")
    return version


def make_first_user(
    client: InfluxDBClient, wanted: Wanted, admin_token: str | None, written: list[Path]
) -> str:
    """Give a fresh server its user, organisation and bucket; return the admin token.

    The secrets are on disk before the server hears of them: none is lost half-way.
    """
    token = admin_token or kept_or_made(wanted.folder / ADMIN_TOKEN, written)
    request = OnboardingRequest(
        username=wanted.user,
        password=kept_or_made(wanted.folder / ADMIN_PASSWORD, written),
        org=wanted.org,
        bucket=wanted.bucket,
        retention_period_seconds=wanted.retention_s,
        token=token,
    )
    SetupService(client.api_client).post_setup(request)
    return token


def kept_admin_token(wanted: Wanted) -> str:
    file = wanted.folder / ADMIN_TOKEN
    if not file.exists():
        raise SetupRefused(
            f"InfluxDB at {wanted.url} has its first user already, so its admin token is needed: "
            f"give it, or put it into {file}"
        )
    return read_secret(file)


def prepare_bucket(
    client: InfluxDBClient, wanted: Wanted, *, fresh: bool
) -> tuple[Bucket, Literal["created", "changed", "kept"]]:
    """Return the bucket, created or changed where it must and may be, and which it was."""
    orgs = {org.name: org for org in client.organizations_api().find_organizations(limit=100)}
    if wanted.org not in orgs:
        raise SetupRefused(
            f"InfluxDB at {wanted.url} has no org named {wanted.org!r}, as far as this token sees; "
            f"there are: {', '.join(sorted(orgs)) or 'none'}"
        )
    api = client.buckets_api()
    rule = BucketRetentionRules(
        every_seconds=wanted.retention_s, shard_group_duration_seconds=wanted.shard_group_s
    )
    buckets = {each.name: each for each in api.find_buckets_iter(org=wanted.org)}
    if wanted.bucket not in buckets:
        made = api.create_bucket(bucket_name=wanted.bucket, retention_rules=rule, org=wanted.org)
        return made, "created"
    bucket = buckets[wanted.bucket]
    if durations(bucket) != (wanted.retention_s, wanted.shard_group_s) and (fresh or wanted.change):
        bucket.retention_rules = [rule]
        return api.update_bucket(bucket), "created" if fresh else "changed"
    return bucket, "created" if fresh else "kept"


def durations(bucket: Bucket) -> tuple[int, int]:
    """Return for how many seconds a bucket keeps points (0: for ever) and groups them in a file."""
    rule = bucket.retention_rules[0]
    return rule.every_seconds, rule.shard_group_duration_seconds


def make_token(client: InfluxDBClient, wanted: Wanted, bucket: Bucket, action: str) -> None:
    """Put a token that may only *action* the bucket into its file; revoke older ones on renewal."""
    api = client.authorizations_api()
    buckets = [bucket]
    if action == "read":
        for name in wanted.also:
            buckets += client.buckets_api().find_buckets(name=name, org=wanted.org).buckets
    permissions = [
        Permission(
            action=action,
            resource=PermissionResource(type="buckets", id=each.id, org_id=each.org_id),
        )
        for each in buckets
    ]
    authorization = Authorization(org_id=bucket.org_id, permissions=permissions)
    # The computer's name keeps two collectors on one server from revoking each other's tokens.
    authorization.description = (
        f"energy-monitor on {socket.gethostname()}: {action} {wanted.bucket}"
    )
    with secret_file(wanted.token_file(action)) as opened:
        made = api.create_authorization(authorization=authorization)
        opened.write(made.token.encode())
    if wanted.renew or wanted.also:
        for each in api.find_authorizations(org=wanted.org):
            if each.description == authorization.description and each.id != made.id:
                api.delete_authorization(each)


def is_narrow(wanted: Wanted, action: str, file: Path) -> bool:
    """Tell whether the token in *file* is good, and lacks buckets that it is to read *also*."""
    return (
        action == "read"
        and bool(wanted.also)
        and accepted(wanted, action, file)
        and not all(
            accepted(replace(wanted, bucket=each, also=()), action, file) for each in wanted.also
        )
    )


def accepted(wanted: Wanted, action: str, file: Path) -> bool:
    """Tell whether the server lets the token in *file* do *action*, without storing anything."""
    with InfluxDBClient(wanted.url, read_secret(file), timeout=TIMEOUT_MS) as client:
        try:
            if action == "write":
                WriteService(client.api_client).post_write(wanted.org, wanted.bucket, body="")
                return True
            return bool(
                client.buckets_api().find_buckets(name=wanted.bucket, org=wanted.org).buckets
            )
        except ApiException:
            return False


def kept_or_made(file: Path, written: list[Path]) -> str:
    """Return the secret in *file*, made up and added to *written* where there is none."""
    if not file.exists():
        with secret_file(file) as opened:
            opened.write(secrets.token_urlsafe(48).encode())
        written.append(file)
    return read_secret(file)


def read_secret(file: Path) -> str:
    try:
        secret = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SetupRefused(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        secret = ""
    if not (secret and secret.isprintable()):
        raise SetupRefused(f"{file} is empty or not one line of plain characters: remove it")
    return secret


@contextmanager
def secret_file(file: Path) -> Iterator[BinaryIO]:
    """Open what will be *file*, for its owner only, once all is written."""
    try:
        file.parent.parent.mkdir(parents=True, exist_ok=True)
        prepare(file.parent)
        with files.replacing(file, mode=0o600) as opened:
            yield opened
    except OSError as error:
        raise SetupRefused(f"{file} cannot be written: {error.strerror}") from error
