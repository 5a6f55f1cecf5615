import errno
import math
import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ConfigFault
from collector.sources.modbus import devicemap
from collector.sources.modbus.devicemap import MapNotKnown, check_proofs, load
from collector.sources.modbus.registers import Register, Type, WordOrder, decode

TYPES = get_args(Type)
WORD = st.integers(0, 65535)
HEAD = """\
brand: Acme
model: M1
kind: electricity
document: "M1 register list v2, p. 7"
function: 4
word_order: big
max_registers: 20
probe: []
"""
GOOD = (
    HEAD
    + """\
registers:
  - {quantity: voltage, address: 0x10, type: float32}
  - {quantity: current, address: 0x20, type: int32, scale: 0.001, function: 3, word_order: little}
  - {quantity: active_energy, address: 0x10, type: uint32, scale: 10, function: 3}
proofs:
  - {address: 0x10, words: [0x4366, 0x3333], values: {voltage: 230.2}}
  - {address: 0x1F, words: [9, 0xFFFF, 0xFFFF], values: {current: -0.001}}
"""
)


def register(kind, scale=1.0, word_order="big"):
    return Register(
        quantity="voltage", address=0, type=kind, scale=scale, word_order=word_order, function=3
    )


def words_of(form, value):
    data = struct.pack(f">{form}", value)
    return struct.unpack(f">{len(data) // 2}H", data)


def write(folder, text, name="acme-m1"):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return [folder]


def faults_of(folder, text):
    with pytest.raises(ConfigFault) as caught:
        load("acme-m1", write(folder, text))
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("kind", "scale", "words", "value"),
    [
        ("uint16", 0.1, [2301], 230.1),
        ("uint16", 1.0, [0xFFFF], 65535.0),
        ("int16", 0.001, [0xFC22], -0.99),
        ("int16", -1.0, [0xFFFF], 1.0),
        ("uint32", 10.0, [1, 0], 655360.0),
        ("uint32", 0.01, [0xFFFF, 0xFFFF], 42949672.95),
        ("int32", 1.0, [0xFFFF, 0xFC18], -1000.0),
        ("uint64", 10.0, [0, 0, 0, 130], 1300.0),
        ("int64", 1.0, [0xFFFF] * 4, -1.0),
        ("float32", 1.0, [0x4366, 0x3333], 230.2),
        ("float32", 1000.0, [0x3F9D, 0xF3B6], 1234.0),
        ("float32", 1.0, [0x8000, 0x0000], 0.0),
        ("bcd16", 0.1, [0x2301], 230.1),
        ("bcd32", 1.0, [0x1234, 0x5678], 12345678.0),
    ],
)
def test_values_are_decoded_exactly(kind, scale, words, value):
    assert decode(register(kind, scale), words) == value
    assert decode(register(kind, scale, "little"), words[::-1]) == value


def test_zero_has_no_sign():
    assert repr(decode(register("float32"), [0x8000, 0])) == "0.0"
    assert repr(decode(register("int16", -1.0), [0])) == "0.0"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("float32", [0x7FC0, 0x0000]),
        ("float32", [0xFFFF, 0xFFFF]),
        ("float32", [0x7F80, 0x0000]),
        ("float32", [0xFF80, 0x0000]),
        ("bcd16", [0x12A4]),
        ("bcd32", [0x0000, 0xFFFF]),
    ],
)
def test_what_is_no_number_is_absent(kind, words):
    assert decode(register(kind), words) is None


@given(
    kind=st.sampled_from(TYPES),
    words=st.lists(WORD, min_size=4, max_size=4),
    scale=st.sampled_from([1.0, 0.1, 0.001, -1.0, 10.0, 1000.0, 1e-9, 1e9]),
    word_order=st.sampled_from(get_args(WordOrder)),
)
def test_any_words_give_a_finite_number_or_none(kind, words, scale, word_order):
    cell = register(kind, scale, word_order)
    value = decode(cell, words[: cell.length])
    assert value is None or math.isfinite(value)


@given(
    value=st.integers(-(2**31), 2**31 - 1), scale=st.sampled_from(["0.1", "0.01", "0.001", "10"])
)
def test_integers_come_back_correctly_rounded(value, scale):
    decoded = decode(register("int32", float(scale)), words_of("i", value))
    assert decoded == float(Fraction(value) * Fraction(scale))
    assert decoded == float(str(value * Decimal(scale)))


LARGEST = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, float("inf"), float("nan")])
def test_the_largest_float32_is_no_value(value):
    assert decode(register("float32"), words_of("f", value)) is None


@given(st.floats(-LARGEST, LARGEST, width=32, exclude_min=True, exclude_max=True))
def test_a_float32_comes_back_as_a_decimal_that_names_the_same_float32(value):
    decoded = decode(register("float32"), words_of("f", value))
    assert struct.pack(">f", decoded) == struct.pack(">f", value + 0.0)
    assert len(Decimal(repr(decoded)).normalize().as_tuple().digits) <= 9


@given(mantissa=st.integers(-999_999, 999_999), exponent=st.integers(-20, 20))
def test_a_decimal_of_six_digits_survives_the_float32_it_was_sent_as(mantissa, exponent):
    sent = float(f"{mantissa}e{exponent}")
    words = words_of("f", sent)
    assert decode(register("float32"), words) == sent
    assert decode(register("float32", 1000.0), words) == float(f"{mantissa}e{exponent + 3}")


@given(st.integers(0, 99_999_999))
def test_bcd_digits_are_read_as_they_stand(value):
    words = [int(f"{value:08}"[:4], 16), int(f"{value:08}"[4:], 16)]
    assert decode(register("bcd32"), words) == value


def test_the_wrong_number_of_words_is_a_mistake_of_the_caller():
    with pytest.raises(struct.error):
        decode(register("uint32"), [1])


def test_a_map_is_loaded_with_what_its_rows_leave_to_the_map(tmp_path):
    device_map = load("acme-m1", write(tmp_path / "own", GOOD))
    voltage, current, energy = device_map.registers
    assert (voltage.quantity, voltage.address, voltage.length) == ("voltage", 16, 2)
    assert (voltage.function, voltage.word_order, voltage.scale) == (4, "big", 1)
    assert (current.function, current.word_order, current.scale) == (3, "little", 0.001)
    assert (energy.function, energy.unproved, energy.optional) == (3, False, False)
    assert (device_map.name, device_map.serial, device_map.address) == ("acme-m1", None, 1)


def test_the_owners_maps_come_before_ours_and_the_first_folder_before_the_second(tmp_path):
    first = write(tmp_path / "first", GOOD.replace("Acme", "First"))
    second = write(tmp_path / "second", GOOD.replace("Acme", "Second"))
    write(tmp_path / "second", GOOD, name="orno-we-515")
    own_dirs = [*first, *second, tmp_path / "missing"]
    assert load("acme-m1", own_dirs).brand == "First"
    assert load("orno-we-515", own_dirs).brand == "Acme"
    assert load("orno-we-515").brand == "ORNO"
    assert devicemap.names(own_dirs) == sorted({*devicemap.names(), "acme-m1"})


def test_an_unknown_map_gets_the_known_names_and_the_likely_spelling():
    with pytest.raises(MapNotKnown, match=r"known: .*orno-we-516.*did you mean 'orno-we-515'\?"):
        load("orno-we515")
    with pytest.raises(MapNotKnown, match="known: carlo-gavazzi-em112,"):
        load("../modbus/orno-we-515")


def test_all_faults_of_a_map_are_reported_together_with_their_lines(tmp_path):
    text = HEAD.replace("function: 4", "function: 5").replace("brand: Acme\n", "") + (
        "registers:\n"
        "  - {quantity: voltage, address: 65536, type: uint16}\n"
        "  - {quantity: current, address: 2, type: unit16, scal: 3}\n"
        "proofs:\n"
        "  - {address: 0, words: [65536], values: {voltage: much}}\n"
    )
    uint16 = f"{', '.join(TYPES)}; did you mean 'uint16'?"
    assert faults_of(tmp_path, text) == [
        "acme-m1.yaml:1: 'brand' is missing, for example 'brand: Acme'",
        "acme-m1.yaml:4: function: '5' is not accepted: one of 3, 4",
        "acme-m1.yaml:9: registers.0.address: '65536' is not accepted: from 0 to 65535",
        "acme-m1.yaml:10: registers.1.scal: unknown option; did you mean 'scale'?",
        f"acme-m1.yaml:10: registers.1.type: 'unit16' is not accepted: one of {uint16}",
        "acme-m1.yaml:12: proofs.0.words.0: '65536' is not accepted: from 0 to 65535",
        "acme-m1.yaml:12: proofs.0.values.voltage: 'much' is not a number",
    ]


def test_what_does_not_fit_together_is_reported_together(tmp_path):
    text = HEAD.replace("probe: []\n", "").replace("max_registers: 20", "max_registers: 2") + (
        "probe:\n"
        "  - {address: 0, type: uint16, within: [2, 1]}\n"
        "  - {address: 0, type: uint16, within: [1]}\n"
        "registers:\n"
        "  - {quantity: voltge, address: 0, type: uint32}\n"
        "  - {quantity: current, address: 1, type: uint16}\n"
        "  - {quantity: current, address: 1, type: uint16, function: 3, scale: 0}\n"
        "  - {quantity: frequency, address: 65535, type: float32}\n"
        "  - {quantity: active_energy, address: 8, type: uint64, scale: 0}\n"
        "proofs: []\n"
    )
    voltage = "; did you mean 'voltage'?"
    assert faults_of(tmp_path, text) == [
        "acme-m1.yaml:9: probe.0.within: expected two numbers: [lowest, highest]",
        "acme-m1.yaml:10: probe.1.within: expected two numbers: [lowest, highest]",
        f"acme-m1.yaml:12: registers.0.quantity: 'voltge' is not in the catalogue{voltage}",
        "acme-m1.yaml:13: registers.1.address: overlaps the registers of voltge",
        "acme-m1.yaml:14: registers.2.scale: 0.0 is not accepted: a number other than 0",
        "acme-m1.yaml:14: registers.2.quantity: current already has a register",
        "acme-m1.yaml:15: registers.3.address: float32 does not fit below 65536",
        "acme-m1.yaml:16: registers.4.scale: 0.0 is not accepted: a number other than 0",
        "acme-m1.yaml:16: registers.4.type: uint64 is longer than max_registers",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "acme-m1.yaml: is empty"),
        ("a: [\n", "acme-m1.yaml:2: is not YAML: "),
        ("- a", "acme-m1.yaml:1: expected a block of 'key: value' lines, not a list"),
    ],
)
def test_a_file_that_is_no_map_is_a_fault(tmp_path, text, fault):
    (found,) = faults_of(tmp_path, text)
    assert found.startswith(fault)


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path):
    (tmp_path / "acme-m1.yaml").write_bytes(b"brand: \xff\n")
    with pytest.raises(ConfigFault, match=r"acme-m1\.yaml: is not UTF-8 text: byte 7"):
        load("acme-m1", [tmp_path])
    (tmp_path / "acme-m2.yaml").mkdir()
    with pytest.raises(ConfigFault, match=r"acme-m2\.yaml: cannot be read: "):
        load("acme-m2", [tmp_path])


def test_a_folder_that_may_not_be_read_is_a_fault(tmp_path, monkeypatch):
    def refuse(_folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # root, who may run this, is never refused
    with pytest.raises(ConfigFault, match="cannot be read: Permission denied"):
        devicemap.names([tmp_path])


def test_the_example_that_explains_the_form_is_a_map_and_holds(tmp_path):
    example = [line[4:] for line in devicemap.__doc__.splitlines() if line.startswith("    ")]
    device_map = load("acme-m1", write(tmp_path, "\n".join(example)))
    assert [each.quantity for each in device_map.registers] == ["voltage", "active_energy"]
    assert check_proofs(device_map) == []


def test_proofs_that_hold_are_no_faults(tmp_path):
    assert check_proofs(load("acme-m1", write(tmp_path, GOOD))) == []


def test_a_map_of_the_owner_s_whose_proof_fails_is_refused_with_the_line(tmp_path):
    text = GOOD.replace("{voltage: 230.2}", "{voltage: 230.3, current: 1, curent: 2}")
    assert faults_of(tmp_path, text) == [
        "acme-m1.yaml:14: proofs.0.values.voltage: is 230.2, not 230.3",
        "acme-m1.yaml:14: proofs.0.values.current: its registers are not among the words",
        "acme-m1.yaml:14: proofs.0.values.curent: has no register; did you mean 'current'?",
    ]


def test_a_broken_map_leaves_all_others_and_is_reported(tmp_path):
    own_dirs = write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("{voltage: 230.2}", "{voltage: 1}"), "acme-m2")
    write(tmp_path, "a: [", "acme-m3")
    maps, faults = devicemap.load_every(own_dirs)
    assert [each.name for each in maps] == sorted([*devicemap.names(), "acme-m1"])
    assert [Path(fault.file).name for fault in faults] == ["acme-m2.yaml", "acme-m3.yaml"]


def test_a_probe_fits_a_value_within_its_limits(tmp_path):
    probe = "probe:\n  - {address: 0, type: float32, within: [80, 300]}\n"
    device_map = load("acme-m1", write(tmp_path, GOOD.replace("probe: []\n", probe)))
    (voltage,) = device_map.probe
    assert (voltage.function, voltage.address, voltage.length) == (4, 0, 2)
    assert voltage.fits([0x4366, 0x3333])
    assert voltage.fits(words_of("f", 80))
    assert voltage.fits(words_of("f", 300))
    assert not voltage.fits(words_of("f", 79.9))
    assert not voltage.fits([0x7FC0, 0x0000])
