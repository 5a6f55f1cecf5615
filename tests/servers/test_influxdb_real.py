"""The InfluxDB output and its set-up against real servers: 2.x, Debian's 1.6, VictoriaMetrics."""

import json
import random
import stat
import time

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.config import load
from collector.contract import Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.serial import Lines
from collector.outputs.influxdb import setup
from collector.outputs.influxdb.output import InfluxDB, InfluxDBOptions
from collector.outputs.influxdb.setup import SetupRefused, Wanted, set_up
from collector.reading import Reading, encode
from collector.run import wiring
from collector.secrets import Secret
from tests.servers import influxd, victoria

DAY_S = 86_400
NOW_MS = int(time.time()) * 1000


def batch_of(count, device="mains", kind="electricity", end_ms=NOW_MS):
    return [
        encode(Reading(kind, device, end_ms - 1000 * n, {"voltage": 230 + n / 8, "current": n}))
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def influx(tmp_path_factory):
    with influxd.shared(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture
def bucket(influx, request):
    """A bucket of the test's own, that it may fill as it likes."""
    return make_bucket(influx, request.node.name)


def make_bucket(influx, name, **rule):
    (org,) = influx.get("/api/v2/orgs", {"org": influx.org})["orgs"]
    for left in influx.get("/api/v2/buckets", {"name": name}).get("buckets", []):
        influx.ask("DELETE", f"/api/v2/buckets/{left['id']}")
    influx.post(
        "/api/v2/buckets", orgID=org["id"], name=name, retentionRules=[rule] if rule else []
    )
    return name


def make_token(influx, bucket, action):
    (org,) = influx.get("/api/v2/orgs", {"org": influx.org})["orgs"]
    (found,) = influx.get("/api/v2/buckets", {"name": bucket})["buckets"]
    resource = {"type": "buckets", "id": found["id"], "orgID": org["id"]}
    permissions = [{"action": action, "resource": resource}]
    return influx.post("/api/v2/authorizations", orgID=org["id"], permissions=permissions)["token"]


@pytest.fixture
def output_at(tmp_path):
    """Make outputs to any server, by default with the admin's token, and close them."""
    made = []

    def output_at(
        url, bucket, token=influxd.ADMIN_TOKEN, read_token=influxd.ADMIN_TOKEN, org="house"
    ):
        (tmp_path / "write").write_text(token)
        (tmp_path / "read").write_text(read_token)
        options = InfluxDBOptions(
            type="influxdb",
            url=url,
            org=org,
            bucket=bucket,
            token=Secret("write", tmp_path),
            read_token=Secret("read", tmp_path),
        )
        made.append(InfluxDB("history", options, Context("home", Lines(), tmp_path, tmp_path)))
        return made[-1]

    yield output_at
    for each in made:
        each.close()


@pytest.fixture
def output_to(influx, output_at):
    def output_to(bucket, token=influx.token, read_token=influx.token, org=influx.org):
        return output_at(influx.url, bucket, token, read_token, org)

    return output_to


def count(influx, bucket, kind="electricity"):
    rows = influx.query(f"SELECT count(voltage) FROM {kind} WHERE site = 'home'", bucket)
    return rows[0][1] if rows else 0


def test_five_thousand_readings_arrive_with_their_values(influx, bucket, output_to):
    output = output_to(bucket)
    output.write(batch_of(5000))
    assert count(influx, bucket) == 5000
    rows = influx.query("SELECT time, voltage, current, device, site FROM electricity", bucket)
    assert {(row[0], row[1], row[2]) for row in rows} == {
        (NOW_MS - 1000 * n, 230 + n / 8, float(n)) for n in range(5000)
    }
    assert {(row[3], row[4]) for row in rows} == {("mains", "home")}


def test_a_batch_sent_twice_is_stored_once(influx, bucket, output_to):
    output = output_to(bucket)
    output.write(batch_of(100))
    output.write(batch_of(100))
    assert count(influx, bucket) == 100


def test_a_field_that_has_another_type_refuses_those_readings_only(influx, bucket, output_to):
    place = {"org": influx.org, "bucket": bucket, "precision": "ms"}
    old = f"battery,device=bank,site=home voltage=52i {NOW_MS}"
    assert influx.ask("POST", "/api/v2/write", place, body=old).status == 204
    batch = [*batch_of(500), *batch_of(300, "bank", "battery"), *batch_of(200, "solar")]
    random.Random(4).shuffle(batch)
    with pytest.raises(ReadingsRefused) as refused:
        output_to(bucket).write(batch)
    reasons = refused.value.reasons
    assert set(reasons) == {n for n, line in enumerate(batch) if line.startswith(b"battery")}
    assert "is type float, already exists as type integer" in reasons[min(reasons)]
    assert count(influx, bucket) == 700


def test_readings_older_than_the_retention_are_refused_and_all_others_stored(influx, output_to):
    bucket = make_bucket(influx, "short", type="expire", everySeconds=DAY_S)
    batch = batch_of(10, end_ms=NOW_MS - 3 * DAY_S * 1000) + batch_of(990)
    with pytest.raises(ReadingsRefused) as refused:
        output_to(bucket).write(batch)
    assert set(refused.value.reasons) == set(range(10))
    assert "retention policy" in refused.value.reasons[0]
    assert count(influx, bucket) == 990


def test_a_line_that_is_none_is_refused_and_all_others_stored(influx, bucket, output_to):
    batch = batch_of(1000)
    batch[617] = b"electricity,device=mains voltage= 1763654400000"
    with pytest.raises(ReadingsRefused) as refused:
        output_to(bucket).write(batch)
    assert set(refused.value.reasons) == {617}
    assert "missing field value" in refused.value.reasons[617]
    assert count(influx, bucket) == 999


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"token": "no-such-token"},
            "answered 401 'unauthorized access'; the token in secret 'write'",
        ),
        ({"org": "elsewhere"}, "answered 404 'organization name"),
        ({"org": ""}, "answered 400 'Please provide either orgID or org'; are 'url' and 'org'"),
        ({"bucket": "nowhere"}, "answered 404 'bucket \"nowhere\" not found'"),
    ],
)
def test_what_a_human_must_mend_refuses_no_reading(influx, output_to, options, said):
    with pytest.raises(OutputAway) as away:
        output_to(**({"bucket": influx.bucket} | options)).write(batch_of(10))
    assert said in str(away.value)


def test_a_token_that_may_only_write_is_enough_and_one_that_may_only_read_is_not(
    influx, bucket, output_to
):
    write, read = make_token(influx, bucket, "write"), make_token(influx, bucket, "read")
    output_to(bucket, write).write(batch_of(10))
    assert count(influx, bucket) == 10
    with pytest.raises(OutputAway, match=r"answered 403 .*may not write to bucket"):
        output_to(bucket, read).write(batch_of(10))
    assert output_to(bucket, write, read).newest_ms() == NOW_MS


def test_what_was_stored_outlives_the_servers_death(tmp_path, output_at):
    port = influxd.free_port()
    output = output_at(f"http://127.0.0.1:{port}", influxd.BUCKET)
    with influxd.running(tmp_path, port=port) as server:
        output.write(batch_of(1000))
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        with pytest.raises(OutputAway):
            output.write(batch_of(1001))
    with influxd.running(tmp_path, port=port, set_up=False) as server:
        assert count(server, server.bucket) == 1000
        assert output.newest_ms() == NOW_MS
        output.write(batch_of(1001))
        assert count(server, server.bucket) == 1001


def test_the_newest_time_is_that_of_this_site_over_all_kinds(influx, bucket, output_to):
    output = output_to(bucket)
    assert output.newest_ms() == 0
    old_ms = NOW_MS - 5 * DAY_S * 1000
    output.write(batch_of(20, end_ms=old_ms))
    assert output.newest_ms() == old_ms
    output.write(batch_of(20, "bank", "battery", end_ms=NOW_MS - 7000))
    output.write(batch_of(20, end_ms=NOW_MS - 9000))
    place = {"org": influx.org, "bucket": bucket, "precision": "ms"}
    other = f"electricity,device=mains,site=cabin voltage=1 {NOW_MS + 60_000}"
    influx.ask("POST", "/api/v2/write", place, body=other)
    assert output.newest_ms() == NOW_MS - 7000


def test_a_database_that_lost_its_newest_readings_says_so(influx, bucket, output_to):
    output = output_to(bucket)
    output.write(batch_of(600))
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW_MS / 1000 - 299))
    lost = json.dumps({"start": start, "stop": "2200-01-01T00:00:00Z"})
    place = {"org": influx.org, "bucket": bucket}
    assert influx.ask("POST", "/api/v2/delete", place, body=lost).status == 204
    assert output.newest_ms() == NOW_MS - 300_000


def test_a_token_that_may_not_read_is_not_taken_for_an_empty_database(influx, bucket, output_to):
    write = make_token(influx, bucket, "write")
    output = output_to(bucket, read_token=write)
    output.write(batch_of(10))
    assert output.newest_ms() is None
    assert output_to(bucket, read_token="no-such-token").newest_ms() is None
    assert output_to("nowhere").newest_ms() is None


def test_the_newest_time_comes_from_1_6_alike(tmp_path, output_at):
    with influxd.running_1(tmp_path) as old:
        output = output_at(old.url, "energy/autogen")
        assert output.newest_ms() is None
        old.ask("POST", "/query", {"q": "CREATE DATABASE energy"})
        assert output.newest_ms() == 0
        lines = "\n".join(f"electricity,site=home v={n} {NOW_MS - n}" for n in range(100))
        old.ask("POST", "/write", {"db": "energy", "precision": "ms"}, body=lines)
        assert output.newest_ms() == NOW_MS


def test_victoria_metrics_holds_the_same_values(tmp_path, output_at):
    batch = batch_of(5000)
    with victoria.running(tmp_path) as server:
        output = output_at(server.url, "energy")
        output.write(batch)
        held = server.export('{site="home",device="mains"}')
        assert output.newest_ms() is None
    assert held == {
        (f"electricity_{quantity}", NOW_MS - 1000 * n): value
        for n in range(5000)
        for quantity, value in (("voltage", 230 + n / 8), ("current", n))
    }


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A server that nobody has used yet, and its first set-up."""
    with influxd.running(tmp_path_factory.mktemp("fresh"), set_up=False) as server:
        wanted = wanted_at(server.url, tmp_path_factory.mktemp("secrets") / "secrets")
        yield server, wanted, set_up(wanted)


def wanted_at(url, folder, **more):
    known = {"url": url, "org": "house", "bucket": "energy", "retention_s": 90 * DAY_S}
    return Wanted(**(known | {"folder": folder} | more))


def secret(wanted, name):
    return (wanted.folder / name).read_text()


def test_a_fresh_server_gets_its_first_user_the_bucket_and_all_secrets(fresh):
    server, wanted, done = fresh
    assert done.fresh
    assert done.bucket == "created"
    assert (done.retention_s, done.shard_group_s) == (90 * DAY_S, DAY_S)
    names = {"admin-password", "admin-token", "token", "read-token"}
    assert {file.name for file in done.written} == {f"influxdb-{name}" for name in names}
    assert done.kept == done.stale == ()
    assert {stat.S_IMODE(file.stat().st_mode) for file in done.written} == {0o600}
    assert sorted(wanted.folder.iterdir()) == sorted(done.written)
    admin = secret(wanted, "influxdb-admin-token")
    (bucket,) = server.get("/api/v2/buckets", {"name": "energy"}, admin)["buckets"]
    (rule,) = bucket["retentionRules"]
    assert (rule["everySeconds"], rule["shardGroupDurationSeconds"]) == (90 * DAY_S, DAY_S)


def test_setting_up_again_changes_nothing(fresh):
    server, wanted, _ = fresh
    before = {file.name: file.read_text() for file in wanted.folder.iterdir()}
    tokens = server.get("/api/v2/authorizations", token=secret(wanted, "influxdb-admin-token"))
    again = set_up(wanted)
    assert not again.fresh
    assert again.bucket == "kept"
    assert again.written == again.stale == ()
    assert {file.name for file in again.kept} == {"influxdb-token", "influxdb-read-token"}
    assert {file.name: file.read_text() for file in wanted.folder.iterdir()} == before
    after = server.get("/api/v2/authorizations", token=secret(wanted, "influxdb-admin-token"))
    assert len(after["authorizations"]) == len(tokens["authorizations"]) == 3


def test_the_two_tokens_do_only_what_their_names_say(fresh, output_at):
    server, wanted, _ = fresh
    write, read = (secret(wanted, setup.TOKENS[each]) for each in ("write", "read"))
    place = {"org": "house", "bucket": "energy", "precision": "ms"}
    line = f"electricity,device=mains,site=home voltage=230 {NOW_MS}"
    assert server.ask("POST", "/api/v2/write", place, write, line).status == 204
    assert server.ask("POST", "/api/v2/write", place, read, line).status == 403
    assert server.query("SELECT voltage FROM electricity", "energy", read) == [[NOW_MS, 230]]
    fields = {"db": "energy", "q": "SELECT voltage FROM electricity"}
    (result,) = server.get("/query", fields, write)["results"]
    assert "database not found" in result["error"]
    for token in (write, read):
        assert server.get("/api/v2/authorizations", token=token).get("authorizations", []) == []
    output = output_at(server.url, "energy", write, read)
    output.write(batch_of(10))
    assert output.newest_ms() == NOW_MS


def test_another_bucket_on_the_same_server_needs_no_password(fresh, tmp_path):
    server, wanted, _ = fresh
    admin = secret(wanted, "influxdb-admin-token")
    more = wanted_at(server.url, tmp_path, bucket="for ever/and a day", retention_s=0)
    done = set_up(more, admin)
    assert (done.fresh, done.bucket) == (False, "created")
    assert (done.retention_s, done.shard_group_s) == (0, DAY_S)
    assert {file.name for file in done.written} == set(setup.TOKENS.values())
    assert set_up(more, admin).stale == ()


def test_the_retention_of_a_bucket_changes_only_when_told(fresh, tmp_path):
    server, wanted, _ = fresh
    admin = secret(wanted, "influxdb-admin-token")
    (org,) = server.get("/api/v2/orgs", token=admin)["orgs"]
    body = json.dumps({"orgID": org["id"], "name": "old", "retentionRules": []})
    assert server.ask("POST", "/api/v2/buckets", token=admin, body=body).status == 201
    done = set_up(wanted_at(server.url, tmp_path, bucket="old"), admin)
    assert (done.bucket, done.retention_s, done.shard_group_s) == ("kept", 0, 7 * DAY_S)
    done = set_up(wanted_at(server.url, tmp_path, bucket="old", change=True), admin)
    assert (done.bucket, done.retention_s, done.shard_group_s) == ("changed", 90 * DAY_S, DAY_S)
    done = set_up(wanted_at(server.url, tmp_path, bucket="old", change=True), admin)
    assert done.bucket == "kept"


def test_renewed_tokens_replace_the_old_ones_which_are_revoked(fresh, tmp_path):
    server, wanted, _ = fresh
    admin = secret(wanted, "influxdb-admin-token")
    mine = wanted_at(server.url, tmp_path, bucket="renewed")
    set_up(mine, admin)
    old = secret(mine, "influxdb-token")
    done = set_up(wanted_at(server.url, tmp_path, bucket="renewed", renew=True), admin)
    assert {file.name for file in done.written} == set(setup.TOKENS.values())
    place = {"org": "house", "bucket": "renewed"}
    assert server.ask("POST", "/api/v2/write", place, old, "a v=1").status == 401
    new = secret(mine, "influxdb-token")
    assert server.ask("POST", "/api/v2/write", place, new, "a v=1").status == 204


def test_the_tokens_go_into_the_files_that_are_named_for_them(fresh, tmp_path, output_at):
    server, wanted, _ = fresh
    files = {"write": tmp_path / "a" / "writer", "read": tmp_path / "b" / "reader"}
    mine = wanted_at(server.url, tmp_path / "none", bucket="named", tokens=files)
    done = set_up(mine, secret(wanted, "influxdb-admin-token"))
    assert done.written == tuple(files.values())
    assert not (tmp_path / "none").exists()
    output = output_at(server.url, "named", *(file.read_text() for file in files.values()))
    output.write(batch_of(10))
    assert output.newest_ms() == NOW_MS
    assert set_up(mine, secret(wanted, "influxdb-admin-token")).kept == done.written


def test_the_command_writes_the_secrets_that_the_output_names(fresh, tmp_path):
    server, wanted, _ = fresh
    (tmp_path / "admin").write_text(secret(wanted, "influxdb-admin-token") + "\n")
    (tmp_path / "config.yaml").write_text(
        "sources: {pi: {type: host}}\noutputs:\n  history: {type: influxdb, "
        f"url: '{server.url}', org: house, bucket: typed, token: !secret my-token}}\n"
    )
    words = ["setup", "influxdb", "--config", f"{tmp_path}/config.yaml"]
    shown = CliRunner().invoke(main, [*words, "--admin-token-file", f"{tmp_path}/admin"])
    assert shown.exit_code == 0, shown.output
    assert {file.name for file in (tmp_path / "secrets").iterdir()} == {
        "my-token",
        "influxdb-read-token",
    }
    assert "add 'read_token: !secret influxdb-read-token' to outputs.history" in shown.stdout
    (tmp_path / "admin").write_bytes(b"\xff")
    again = CliRunner().invoke(main, [*words, "--admin-token-file", f"{tmp_path}/admin"])
    assert again.exit_code == 1
    assert "admin is empty or not one line of plain characters" in again.stderr


def test_the_command_makes_buckets_for_rollups_and_prints_outputs_that_work(fresh, tmp_path):
    server, wanted, _ = fresh
    (tmp_path / "admin").write_text(secret(wanted, "influxdb-admin-token"))
    file = tmp_path / "config.yaml"
    file.write_text(
        "sources: {pi: {type: host}}\noutputs:\n  history: {type: influxdb, "
        f"url: '{server.url}', org: house, bucket: rolled, token: !secret influxdb-token}}\n"
    )
    words = ["setup", "influxdb", "--rollups", "--config", str(file)]
    shown = CliRunner().invoke(main, [*words, "--admin-token-file", f"{tmp_path}/admin"])
    assert shown.exit_code == 0, shown.output
    admin = wanted_at(server.url, tmp_path, bucket="rolled")
    with setup.connected(admin, secret(wanted, "influxdb-admin-token")) as client:
        kept = {
            each.name: setup.durations(each)
            for each in client.buckets_api().find_buckets_iter(org="house")
            if each.name.startswith("rolled-")
        }
    assert kept == {
        "rolled-1m": (90 * DAY_S, DAY_S),
        "rolled-1h": (1826 * DAY_S, 28 * DAY_S),
        "rolled-1d": (0, 364 * DAY_S),
    }
    printed = shown.stdout.partition("derivations:")[2]
    merged = tmp_path / "merged.yaml"
    merged.write_text(
        f"data_dir: {tmp_path}\nsources: {{pi: {{type: host}}}}\nderivations:{printed}"
    )
    config = load(merged)
    assert wiring.check(config) == []
    assert list(config.outputs) == ["history-1m", "history-1h", "history-1d"]
    for name, options in config.outputs.items():
        output = InfluxDB(name, options, Context("home", Lines(), tmp_path, tmp_path))
        output.open()
        output.write(batch_of(3, kind=f"electricity_{name[-2:]}"))
        assert output.newest_ms() == NOW_MS
        output.close()
    reader = (tmp_path / "secrets/influxdb-read-token").read_text()
    for bucket in ("rolled", *kept):
        (answer,) = server.get("/query", {"db": bucket, "q": "SHOW MEASUREMENTS"}, token=reader)[
            "results"
        ]
        assert "error" not in answer


def test_the_reader_of_rolled_up_buckets_is_made_once_and_stays_so_when_tokens_are_renewed(
    fresh, tmp_path
):
    server, wanted, _ = fresh
    (tmp_path / "admin").write_text(secret(wanted, "influxdb-admin-token"))
    file = tmp_path / "config.yaml"
    file.write_text(
        "sources: {pi: {type: host}}\noutputs:\n  history: {type: influxdb, "
        f"url: '{server.url}', org: house, bucket: renewed, token: !secret influxdb-token}}\n"
    )
    words = ["setup", "influxdb", "--config", str(file), "--admin-token-file", f"{tmp_path}/admin"]
    shown = CliRunner().invoke(main, [*words, "--rollups"])
    assert shown.exit_code == 0, shown.output
    block = shown.stdout.partition("outputs:\n")[2]
    file.write_text(file.read_text() + block)
    read = tmp_path / "secrets/influxdb-read-token"
    first = read.read_text()
    assert CliRunner().invoke(main, words).exit_code == 0
    assert read.read_text() == first
    assert CliRunner().invoke(main, [*words, "--renew"]).exit_code == 0
    assert read.read_text() != first
    for bucket in ("renewed", "renewed-1d"):
        (answer,) = server.get(
            "/query", {"db": bucket, "q": "SHOW MEASUREMENTS"}, read.read_text()
        )["results"]
        assert "error" not in answer


def test_a_secret_that_is_there_is_kept_and_told_when_it_does_not_serve(fresh, tmp_path):
    server, wanted, _ = fresh
    (tmp_path / "influxdb-token").write_text("of another server\n")
    (tmp_path / "influxdb-read-token").write_text(secret(wanted, "influxdb-admin-token"))
    mine = wanted_at(server.url, tmp_path, bucket="elsewhere")
    done = set_up(mine, secret(wanted, "influxdb-admin-token"))
    assert [file.name for file in done.stale] == ["influxdb-token"]
    assert [file.name for file in done.kept] == ["influxdb-read-token"]
    assert secret(mine, "influxdb-token") == "of another server\n"


def test_what_is_wrong_is_said_in_sentences(fresh, tmp_path):
    server, wanted, _ = fresh
    admin = secret(wanted, "influxdb-admin-token")
    mine = wanted_at(server.url, tmp_path)
    with pytest.raises(SetupRefused, match="already, so its admin token is needed"):
        set_up(mine)
    with pytest.raises(SetupRefused, match=r"answered 401 .*: give an operator token"):
        set_up(mine, "no-such-token")
    with pytest.raises(SetupRefused, match=r"no org named 'home'.*there are: house"):
        set_up(wanted_at(server.url, tmp_path, org="home"), admin)
    with pytest.raises(SetupRefused, match=r"may not|no org named"):
        set_up(mine, secret(wanted, "influxdb-token"))
    with pytest.raises(SetupRefused, match="at least 1d"):
        set_up(wanted_at(server.url, tmp_path, retention_s=3600), admin)
    with pytest.raises(SetupRefused, match=r"does not answer: .*refused"):
        set_up(wanted_at(f"http://127.0.0.1:{influxd.free_port()}", tmp_path), admin)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_file_that_holds_no_secret_is_named_and_not_shown(fresh, tmp_path):
    server, wanted, _ = fresh
    for text in ("", "hidden\nhidden", "hiddén"):
        (tmp_path / "influxdb-read-token").write_text(text)
        with pytest.raises(SetupRefused, match="influxdb-read-token is empty or not one") as no:
            set_up(wanted_at(server.url, tmp_path), secret(wanted, "influxdb-admin-token"))
        assert "hidd" not in str(no.value)


def test_no_secret_comes_into_a_log(fresh, tmp_path, caplog):
    caplog.set_level("DEBUG")
    server, wanted, _ = fresh
    admin = secret(wanted, "influxdb-admin-token")
    mine = wanted_at(server.url, tmp_path, bucket="logged")
    set_up(mine, admin)
    for each in (admin, *(file.read_text() for file in tmp_path.iterdir())):
        assert each not in caplog.text


def test_a_folder_that_cannot_be_written_leaves_no_token_behind(fresh, tmp_path):
    server, wanted, _ = fresh
    admin = secret(wanted, "influxdb-admin-token")
    before = server.get("/api/v2/authorizations", token=admin)["authorizations"]
    (tmp_path / "file").touch()
    with pytest.raises(SetupRefused, match="influxdb-token cannot be written: "):
        set_up(wanted_at(server.url, tmp_path / "file" / "secrets"), admin)
    assert server.get("/api/v2/authorizations", token=admin)["authorizations"] == before


def test_what_to_do_on_1_x_instead_is_said_and_works(tmp_path):
    with influxd.running_1(tmp_path) as old:
        with pytest.raises(SetupRefused) as refused:
            set_up(wanted_at(old.url, tmp_path / "secrets"))
        statements = str(refused.value).partition("the oldest that will do): ")[2]
        for statement in statements.partition(". Then")[0].split("; "):
            answer = old.ask("POST", "/query", {"q": statement}).data
            assert b"error" not in answer, (statement, answer)
        (policy,) = old.query('SHOW RETENTION POLICIES ON "energy"')
        assert policy[:3] == ["autogen", "2160h0m0s", "24h0m0s"]
    assert not (tmp_path / "secrets").exists()


def test_a_server_of_another_kind_is_refused(tmp_path):
    with (
        victoria.running(tmp_path) as server,
        pytest.raises(SetupRefused, match="is not an InfluxDB"),
    ):
        set_up(wanted_at(server.url, tmp_path / "secrets"))
