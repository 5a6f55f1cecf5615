"""The configuration: every fault at once, each with its place and what would be right."""

import contextlib
import dataclasses

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.cli.main import main
from collector.config import load, read
from collector.contract import registry
from collector.contract.house import MainOptions
from collector.errors import ConfigFault
from collector.options import stand_in
from collector.run.wiring import check

GOOD = """\
site: home
timezone: Europe/Rome
sources:
  mains:
    type: modbus
    line: /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0
    serial: {baudrate: 9600, parity: even}
    model: orno-we-515
    address: 1
    every: 1s
    read:
      - {quantities: [active_energy, reactive_energy], every: 10s}
outputs:
  history:
    type: influxdb
    url: http://localhost:8086
    org: home
    bucket: energy
    token: !secret influxdb-token
"""


def written(tmp_path, text, name="config.yaml"):
    file = tmp_path / name
    file.write_text(text)
    return file


def faults(tmp_path, text):
    with pytest.raises(ConfigFault) as caught:
        load(written(tmp_path, text))
    return [f"{each.line}: {each.path}: {each.message}" for each in caught.value.faults]


def test_the_configuration_that_users_write_is_read(tmp_path):
    config = load(written(tmp_path, GOOD))
    mains = config.sources["mains"]
    assert (mains.model, mains.address, mains.every) == ("orno-we-515", 1, 1.0)
    assert (mains.serial.baudrate, mains.serial.parity) == (9600, "even")
    assert [(each.quantities, each.every) for each in mains.read] == [
        (("active_energy", "reactive_energy"), 10.0)
    ]
    assert config.outputs["history"].token.name == "influxdb-token"
    assert "influxdb-token" in repr(config.outputs["history"])


def test_ten_faults_are_reported_at_once_each_at_its_line(tmp_path):
    text = """\
site: my house
timezone: Europe/Rom
sitee: x
journal: {sync: 10, keep: 7 days}
sources:
  mains:
    type: modbus
    line: /dev/ttyUSB0
    serial: {parity: evn}
    modell: orno-we-515
    address: one
    every: 0s
  pi: {type: hosst}
outputs:
  history:
    type: influxdb
    url: http://localhost:8086
    bucket: energy
    token: abc123
"""
    found = faults(tmp_path, text)
    wanted = [
        "1: site: 'my house' is not accepted",
        "2: timezone: 'Europe/Rom' is not a time zone (example: Europe/Rome); did you",
        "3: sitee: unknown option; did you mean 'site'?",
        "4: journal.sync: '10' is not accepted: a number with its unit, such as 500ms, 10s",
        "4: journal.keep: '7 days' is not accepted",
        "9: sources.mains.serial.parity: 'evn' is not accepted: one of none, even, odd; did you",
        "10: sources.mains.modell: unknown option; did you mean 'model'?",
        "11: sources.mains.address: 'one' is not a whole number",
        "12: sources.mains.every: '0s' is not accepted: from 0.05 to 604800 seconds",
        "13: sources.pi.type: no source named 'hosst'; did you mean 'host'?; known: backups, ",
        "19: outputs.history.token: secrets do not belong in this file: write '!secret NAME'",
    ]
    for each in wanted:
        assert any(fault.startswith(each) for fault in found), (each, found)
    assert len(found) == len(wanted) + 1  # 'model' is missing
    assert "abc123" not in "\n".join(found)


def checked(tmp_path, text):
    """Return the places of every fault that 'check' finds, with their lines."""
    with pytest.raises(ConfigFault) as caught:
        check(read(written(tmp_path, text)))
    return [f"{each.line} {each.path or each.message}" for each in caught.value.faults]


def test_no_mistake_hides_another_in_one_run_of_check(tmp_path):
    text = """\
timezone: Europe/Rom
data_dir: config.yaml/data
sources:
  mains:
    type: modbus
    line: dev/ttyUSB0
    model: orno-we-999
    address: one
    serial: {baudrate: 9601}
    quantities: [voltag]
    read:
      - {quantities: [activ_power], every: 10s}
      - {quantities: [frequenzy], every: 10s}
    rename: {voltage: current, current: warp}
  no_colon:
    type: modbus
    line /dev/ttyUSB0
    every: 1s
  plugs:
    type: mqtt_in
    line: tcp://host
    ca: broker.pem
    password: !secret nowhere
    devices:
      a: {model: tasmoda}
      b: {topic: b/#, quantities: {powr: x}}
  meter: {type: green_button, path: ./no.xml, usage_point: [}
  gas: {type: green_button, path: ./no.xml, every: soon}
outputs:
  history:
    type: influxdb
    url: htp://host
    bucket: energy
    token: !secret token
    since: yesterday
    rename: {quantities: {volts: voltage}}
    tags: {site: x}
"""
    assert checked(tmp_path, text) == [
        "1 timezone",
        "2 data_dir",
        "6 sources.mains.line",
        "7 sources.mains.model",
        "8 sources.mains.address",
        "9 sources.mains.serial.baudrate",
        "10 sources.mains.quantities",
        "12 sources.mains.read.0.quantities",
        "13 sources.mains.read.1.quantities",
        "14 sources.mains.rename.voltage",
        "14 sources.mains.rename.current",
        "17 is not YAML: could not find expected ':'",
        "19 sources.plugs.user",
        "21 sources.plugs.line",
        "22 sources.plugs.ca",
        "23 sources.plugs.password",
        "25 sources.plugs.devices.a.model",
        "26 sources.plugs.devices.b.topic",
        "26 sources.plugs.devices.b.quantities.powr",
        "27 is not YAML: did not find expected node content",
        "28 sources.gas.every",
        "28 sources.gas.path",
        "32 outputs.history.url",
        "34 outputs.history.token",
        "35 outputs.history.since",
        "36 outputs.history.rename.quantities.volts",
        "37 outputs.history.tags.site",
    ]


def test_what_stands_in_for_a_wrong_value_is_no_fault_of_its_neighbours(tmp_path):
    text = """\
sources:
  first: {type: modbus, line: /dev/ttyUSB0, model: orno-we-515, address: 1}
  second: {type: modbus, line: /dev/ttyUSB0, model: orno-we-515, address: x}
  third: {type: modbus, line: /dev/ttyUSB0, model: orno-we-515, serial: {parity: evn}, address: 2}
  fourth: {type: mqtt_in, line: mqtt://host, devices: {a: {model: tasmoda}}}
"""
    found = checked(tmp_path, text)
    assert [each.partition(" ")[2] for each in found] == [
        "sources.second.address",
        "sources.third.serial.parity",
        "sources.fourth.devices.a.model",
    ]


def test_relative_paths_count_from_the_configuration_file(tmp_path, monkeypatch):
    house = tmp_path / "house"
    house.mkdir()
    text = "data_dir: ./data\nruntime_dir: run\nbackup: {folder: backups}\n"
    sources = "sources:\n  grid: {type: green_button, path: grid.xml}\n"
    (house / "grid.xml").touch()
    file = written(house, text + sources)
    monkeypatch.chdir("/")
    config = load(file)
    assert config.data_dir == house / "data"
    assert config.socket == house / "run" / "control.sock"
    assert config.main.backup.folder == str(house / "backups")
    assert check(config) == []
    moved = config.moved(tmp_path / "other" / "config.yaml")
    assert moved.data_dir == tmp_path / "other" / "data"


@pytest.mark.parametrize("group", ["sources", "outputs"])
def test_every_option_that_is_required_has_something_to_stand_in(group):
    for name in registry.names(group):
        cls = registry.find(group, name).Options
        for each in dataclasses.fields(cls):
            stand_in(cls, each.name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a: [", "is not YAML"),
        ("- a\n", "expected a block of 'key: value' lines, not a list"),
        ("sources: {}\n", "no source is configured"),
        ("sources: {pi: {every: 1s}}\n", "'type' is missing: one of backups"),
        ("sources: {pi: {}}\n", "sources.pi: 'type' is missing: one of backups"),
        ("sources: {pi: }\n", "expected a block of 'key: value' lines, not nothing"),
        ("sources: {pi: {type: host}}\noutputs: {h: {}}\n", "'type' is missing: one of apprise"),
        (
            "sources: {pi: {type: [host]}}\n",
            "sources.pi.type: expected one plain value, not a list",
        ),
        ("sources: {pi: {type: !secret x}}\n", "type: expected one plain value, not a secret"),
        ("import: [[a]]\n", "import: expected one plain value, not a list"),
        ("import: [['a']]\n", "import: expected one plain value, not a list"),
        ('import: ["a\\0"]\n', "one line without control characters"),
        ("timezone: [a]\n", "timezone: expected one plain value, not a list"),
        ("timezone: ''\n", "timezone: expected a text, but it is empty"),
        ("sources: {pi: {type: host, every: .s}}\n", "such as 500ms, 10s"),
        ("sources: {pi: {type: host, every: 8d}}\n", "from 0.05 to 604800 seconds"),
        ("journal: {keep: 99999w}\n", "at most ten years"),
        ("sources:\n  pi: {type: host}\n  pi: {type: host}\n", "appears twice"),
        ("sources:\n  a b: {type: host}\n", "is not a valid name: up to 200 letters"),
        ("sources:\n  pi: {type: host, every: [1s]}\n", "expected one plain value, not a list"),
        ("import: meters.yaml\n", "expected a list of files"),
    ],
)
def test_each_other_mistake_has_its_sentence(tmp_path, text, message):
    assert any(message in fault for fault in faults(tmp_path, text))


@pytest.mark.parametrize("kind", ["type: modbuss", "type: {a: b}", "typ: modbus"])
def test_a_wrong_type_does_not_hide_the_other_faults_of_its_block(tmp_path, kind):
    text = f"""\
sources:
  mains:
    {kind}
    line: /dev/ttyUSB0
    quantities: voltage
    every: 5 parsecs
    read:
      - {{quantities: [voltage], evry: 10s, every: soon}}
outputs:
  history:
    {kind}
    url: http://localhost:8086
    every: never
"""
    found = faults(tmp_path, text)
    for path in ("mains.quantities", "mains.every", "mains.read.0.every", "mains.read.0.evry"):
        assert [each for each in found if f"sources.{path}: " in each], (path, found)
    assert "did you mean 'every'" in next(each for each in found if "evry" in each)
    assert [each for each in found if "outputs.history.every: 'never'" in each]
    assert len(found) == 7  # and nothing of 'line' or 'url', which only the right type has
    if "modbuss" in kind:
        assert "did you mean 'modbus'?" in found[0]


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ConfigFault, match=r"nothing\.yaml: cannot be read: No such file"):
        load(tmp_path / "nothing.yaml")


def test_imported_files_add_their_sources_and_faults_name_them(tmp_path):
    written(tmp_path, "sources:\n  pi: {type: host}\n", "more.yaml")
    config = load(written(tmp_path, f"import: [more.yaml]\n{GOOD}"))
    assert list(config.sources) == ["pi", "mains"]
    written(tmp_path, "sources:\n  mains: {type: host, evry: 1s}\n", "more.yaml")
    with pytest.raises(ConfigFault) as caught:
        load(written(tmp_path, f"import: [more.yaml]\n{GOOD}"))
    text = str(caught.value)
    assert "config.yaml:6: sources.mains: also in" in text
    assert "more.yaml" in text


def test_files_that_import_one_another_are_refused(tmp_path):
    text = "import: [config.yaml]\nsources: {pi: {type: host}}\n"
    assert any("more than 5 levels deep" in fault for fault in faults(tmp_path, text))


def test_a_secret_is_found_beside_the_file_and_read_anew_each_time(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    token = load(written(tmp_path, GOOD)).outputs["history"].token
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "influxdb-token").write_text("one\n")
    assert token.value() == "one"
    (tmp_path / "secrets" / "influxdb-token").write_text("two\n")
    assert token.value() == "two"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "influxdb-token").write_text("three")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert token.value() == "three"


WORDS = st.sampled_from(
    [
        *("host", "modbus", "simulated", "influxdb", "1s", "0s", ".s", "10 GB", "true", "2", "-1"),
        *("", "~", "home", "Europe/Rome", "active_power", "voltage*", "*", "9" * 400, "1e400", "x"),
        *("/dev/ttyUSB0", "orno-we-515", "socket://a:1", "http://localhost:8086", "\x7f", "even"),
    ]
)
OPTIONS = sorted(
    {
        name
        for group in ("sources", "outputs")
        for kind in registry.names(group)
        for name in registry.find(group, kind).Options.__dataclass_fields__
    }
)
SECRET = "!secret "


def tree(keys):
    """Values that may stand anywhere: words, lists, blocks with *keys* of ours and others."""
    keys = st.sampled_from(keys) | WORDS
    return st.recursive(
        WORDS | WORDS.map(SECRET.__add__) | st.none() | st.integers() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


ANY_PLUGIN = st.fixed_dictionaries(
    {"type": st.sampled_from(["host", "simulated", "modbus", "influxdb"])},
    optional={name: tree([name]) for name in OPTIONS if name != "type"},
)
ANY_CONFIGURATION = st.fixed_dictionaries(
    {"sources": st.dictionaries(st.sampled_from("abc"), ANY_PLUGIN, max_size=2) | tree("abc")},
    optional={
        "outputs": st.dictionaries(st.sampled_from("def"), ANY_PLUGIN, max_size=2) | tree("abc"),
        "import": tree(["a"]),
        **{name: tree(["trust", "keep", "sync"]) for name in MainOptions.__dataclass_fields__},
    },
)


@settings(max_examples=300)
@given(ANY_CONFIGURATION)
@example({"sources": {"a": {"type": "simulated", "seed": 10**4000}}})
def test_any_configuration_is_accepted_or_refused_with_its_faults(tmp_path_factory, shape):
    text = yaml.safe_dump(shape).replace(f"'{SECRET}", "!secret '")
    file = written(tmp_path_factory.getbasetemp(), text, "any.yaml")
    with contextlib.suppress(ConfigFault):
        check(load(file))


WIDE = "x: &x [" + "a, " * 999 + "a]\ny: &y [" + "*x, " * 999 + "*x]\nz: [*y, *y]\nsources: {}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "sources:\n" + "".join(f"  h{n}: {{type: host}}\n" for n in range(20_000)),
            "50,000 values",
        ),
        ("x:\n- &a0 []\n" + "".join(f"- &a{n + 1} [*a{n}]\n" for n in range(99)), "50 levels deep"),
        (WIDE, "has more than 50,000 values, each alias (*) counted in full"),
        ("sources: &s {a: *s}\n", "an alias (*) stands for what it is in"),
        (f"import: [{', '.join(['config.yaml'] * 30)}]\n", "more than 100 files are imported"),
        ("".join(f"option{n}: 1\n" for n in range(20_000)), "perhaps more; correct these first"),
        (f"sources: {{h: {{type: simulated, seed: {'9' * 900}}}}}\n", "is too large"),
        (f"sources: {{h: {{type: simulated, seed: 0x{'f' * 900}}}}}\n", "is too large"),
    ],
    ids=[
        "sources",
        "levels",
        "aliases",
        "alias of itself",
        "imports",
        "options",
        "digits",
        "hex digits",
    ],
)
def test_more_than_a_house_can_need_is_refused_at_once(tmp_path, text, said):
    found = faults(tmp_path, text)
    assert any(said in each for each in found)
    assert len(found) <= 101


def test_no_fault_moves_a_terminal(tmp_path):
    text = 'sources: {"a\\e[2Jb": {type: "\\a"}}\n"\\e[31mx": 1\n"\\u202ey": 2\n'
    with pytest.raises(ConfigFault) as caught:
        load(written(tmp_path, text))
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("extra", "names"),
    [
        ("", ["energy", "alerts"]),
        ("derivations:\n  mine: {type: energy, fuse: 3 x 35 A}\n", ["mine", "alerts"]),
        ("derivations:\n  energy: {type: energy, enabled: false}\n", ["alerts"]),
        ("derivations:\n  a: {type: alerts, enabled: false}\n", ["energy"]),
        ("outputs:\n  energy: {type: influxdb, url: 'http://h', bucket: b, token: !secret t}\n",
         ["energy-counters", "alerts"]),
    ],
)  # fmt: skip
def test_every_house_has_energy_and_alerts_unless_they_are_off(tmp_path, extra, names):
    file = tmp_path / "c.yaml"
    file.write_text(f"{extra}sources:\n  pi: {{type: host}}\n")
    assert list(load(file).derivations) == names


def test_a_fuse_is_written_as_on_its_box(tmp_path):
    file = tmp_path / "c.yaml"
    text = "derivations:\n  e: {{type: energy, fuse: {}}}\nsources:\n  pi: {{type: host}}\n"
    file.write_text(text.format("1 x 25 A"))
    load(file)
    file.write_text(text.format("5 kW"))
    with pytest.raises(ConfigFault, match=r"derivations\.e\.fuse: '5 kW' is not accepted"):
        load(file)


def test_a_house_has_one_derivation_of_energy(tmp_path):
    file = tmp_path / "c.yaml"
    two = "derivations:\n  a: {type: energy}\n  b: {type: energy}\n"
    file.write_text(f"{two}sources:\n  pi: {{type: host}}\n")
    with pytest.raises(ConfigFault, match="'a' derives the energy of all devices already"):
        check(load(file))


def test_check_lists_the_energy_of_the_house(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("sources:\n  pi: {type: host}\n")
    shown = CliRunner().invoke(main, ["check", "--config", str(file)]).output
    assert "  derivations: energy, alerts\n" in shown
