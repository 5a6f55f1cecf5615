"""``export --from influxdb`` out of real servers: every reading, to the last digit."""

import json

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.outputs.influxdb.stored import lines_of
from collector.reading import Reading, decode, encode
from tests.fakes.loopback import answering_once
from tests.fakes.running import configure
from tests.servers import influxd
from tests.unit.cli.test_export import in_lake, meter, truth_of

HOUSE = "  house: {type: simulated}\n"
READINGS = [
    *(meter(device, at) for at in range(1, 4000, 3) for device in ("mains", "washer")),
    *(meter("mains", 86_400 + at) for at in range(0, 9000, 7)),
    *(meter("bank", 86_400 + at, "battery") for at in range(0, 9000, 60)),
    Reading("battery", "bank", 1_600_000_000_000, {"voltage": 1e22, "charge": 5e-324}),
]


def configured(folder, url, bucket="energy", token=influxd.ADMIN_TOKEN, org="house"):
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "t").write_text(token)
    outputs = (
        f"  history: {{type: influxdb, url: '{url}', org: {org}, bucket: {bucket}, "
        "token: !secret t, read_token: !secret t}\n"
    )
    return configure(folder, HOUSE, outputs)


def typed(file, *words):
    every = ["export", "--config", file, "--from", "influxdb", *words]
    return CliRunner().invoke(main, [str(word) for word in every], catch_exceptions=False)


def lines(readings, site):
    return "\n".join(encode(each).decode().replace(" ", f",site={site} ", 1) for each in readings)


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    with influxd.running(tmp_path_factory.mktemp("influxd")) as server:
        fields = {"org": server.org, "bucket": server.bucket, "precision": "ms"}
        other = [meter("mains", 5), meter("theirs", 6)]
        body = f"{lines(READINGS, 'home')}\n{lines(other, 'elsewhere')}"
        assert server.ask("POST", "/api/v2/write", fields, body=body).status == 204
        yield server


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    with influxd.running_1(tmp_path_factory.mktemp("influxd1")) as server:
        server.ask("POST", "/query", {"q": "CREATE DATABASE energy"})
        fields = {"db": "energy", "precision": "ms"}
        assert server.ask("POST", "/write", fields, body=lines(READINGS, "home")).status == 204
        yield server


@pytest.fixture(params=["first", "second"])
def server(request):
    return request.getfixturevalue(request.param)


def test_everything_of_this_site_is_there_to_the_last_digit(server, tmp_path):
    file = configured(tmp_path, server.url)
    done = typed(file, "--format", "parquet", "-o", tmp_path / "lake")
    assert (done.exit_code, done.output) == (0, done.stderr)
    assert in_lake(tmp_path / "lake") == truth_of(READINGS)


def test_a_range_and_a_choice_are_asked_for(server, tmp_path):
    file = configured(tmp_path, server.url)
    range_ = ("--since", "2024-10-04T00:30:00Z", "--until", "2024-10-05T01:00:00Z")
    done = typed(file, "--format", "lp", *range_, "--device", "mains")
    found = [decode(line.encode()) for line in done.stdout.splitlines()]
    begin_ms, end_ms = 1_728_001_800_000, 1_728_090_000_000
    wanted = [each for each in READINGS if each.device == "mains"]
    wanted = [each for each in wanted if begin_ms <= each.at_ms < end_ms]
    assert truth_of(found) == truth_of(wanted)
    assert len(found) == len(wanted) > 500


def test_what_is_no_reading_is_left_out_and_said(second, tmp_path):
    fields = {"org": second.org, "bucket": second.bucket, "precision": "ms"}
    foreign = (
        'notes,device=d,site=foreign text="=cmd()",up=true,voltage=1.5 1728000000000\n'
        "notes,site=foreign voltage=2.5 1728000000000\n"
        "bad\\ name,device=d,site=foreign voltage=2.5 1728000000000\n"
        "notes,device==1+1,site=foreign voltage=2.5 1728000000000\n"
    )
    assert second.ask("POST", "/api/v2/write", fields, body=foreign).status == 204
    file = configured(tmp_path, second.url)
    file.write_text(file.read_text().replace("site: home", "site: foreign"))
    done = typed(file, "-o", tmp_path / "x.csv", "--json")
    assert done.exit_code == 1
    assert "points in the bucket of 'history' that are not readings are left out" in done.stderr
    assert json.loads(done.stdout)["readings"] == 1
    assert "=" not in (tmp_path / "x.csv").read_text()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"token": "wrong-token"}, "the token in secret 't' is not known there"),
        ({"bucket": "nowhere"}, "database not found: nowhere"),
        ({"url": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_a_database_that_does_not_answer_is_said_and_nothing_written(
    second, tmp_path, given, sentence
):
    file = configured(tmp_path, **{"url": second.url, **given})
    for out in ("x.csv", "lake/"):
        done = typed(file, "-o", f"{tmp_path}/{out}")
        assert done.exit_code == 1
        assert sentence in done.stderr
        assert given.get("token", "?") not in done.stderr
    assert not list(tmp_path.glob("x.csv*"))
    assert not list(tmp_path.glob("lake/**/part-*"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"results":[]}',
        b'{"results":[{"error":"\\u001b[2J out of memory"}]}',
        b'{"results":[{"partial":true}]}',
        b'{"results":[{"series":[{"values":7}]}]}',
        b'{"results":[{"series":[{"values":[[["electricity"]]]}]}]',
        b"[" * 100_000,
        b"x" * 9_000_000,
        b"\xff\xfe\x00",
    ],
)
def test_an_answer_that_is_not_of_a_database_ends_the_export_with_a_sentence(tmp_path, answer):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
    with answering_once(head + answer) as url:
        done = typed(configured(tmp_path, url), "-o", tmp_path / "x.csv")
    assert done.exit_code == 1
    assert "InfluxDB" in done.stderr
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "x.csv").exists()


def test_lines_are_cut_out_of_any_pieces():
    pieces = [b"a,b", b"\nc", b"", b"\n\nd"]
    assert list(lines_of(pieces)) == [b"a,b", b"c", b"d"]
    with pytest.raises(ValueError, match="does not end"):
        list(lines_of([b"x" * 9_000_000]))
