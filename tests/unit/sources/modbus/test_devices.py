"""Our device maps, one by one and against the fact sheets that they were made from."""

import functools
import json
import re
import struct
from decimal import Decimal
from pathlib import Path

import pytest

from collector.quantity import catalogue
from collector.sources.modbus.devicemap import check_proofs, load, names
from collector.sources.modbus.registers import decode

FACTS = Path(__file__).parents[5] / "shared" / "facts" / "meters.json"
TYPES = {"u16": "uint16", "s16": "int16", "u32": "uint32", "s32": "int32", "f32": "float32"}
PREFIXES = {"kWh": "Wh", "kvarh": "varh", "kVAh": "VAh", "kW": "W", "kvar": "var", "kVA": "VA"}
UNITS = {"deg": "°", **PREFIXES}
ORDERS = {"ABCD": "big", "CDAB": "little"}
FORMS = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "float32": "f"}

# Our map, what the facts call it, and the names that this model of theirs does not have.
SOURCES = {
    "orno-we-504": ("orno_or_we_504", "-"),
    "orno-we-514": ("orno_or_we_514_515", r".*_t\d"),
    "orno-we-515": ("orno_or_we_514_515", "-"),
    "orno-we-516": ("orno_or_we_516_517", r".*_t\d"),
    "orno-we-517": ("orno_or_we_516_517", "-"),
    "orno-we-525": ("orno_or_we_525_526", r".*_t\d|.*_export"),
    "orno-we-526": ("orno_or_we_525_526", "-"),
    "eastron-sdm72": ("eastron_sdm72_v1", "active_power"),  # it has no direction
    "eastron-sdm72-v2": ("eastron_sdm72_v2", "-"),
    "eastron-sdm120": ("eastron_sdm120", "-"),
    "eastron-sdm230": ("eastron_sdm220_230", "-"),
    "eastron-sdm630": ("eastron_sdm630", "-"),
    "peacefair-pzem-004t-v3": ("peacefair_pzem_004t_v3", "-"),
    "peacefair-pzem-016": ("peacefair_pzem_004t_v3", "-"),
    "carlo-gavazzi-em24": ("carlo_gavazzi_em24_rs485", "-"),
    "carlo-gavazzi-em24-ethernet": ("carlo_gavazzi_em24_e1", "-"),
    "carlo-gavazzi-em112": ("carlo_gavazzi_em111_em112_et112", "-"),
    "hiking-dds238": ("hiking_dds238_2", "-"),
}
# What meters were seen to do, against their documents: power below zero is in two's complement.
SIGNED = {
    ("hiking-dds238", "reactive_power"),
    ("orno-we-504", "active_power"),
    ("orno-we-504", "reactive_power"),
}
NO_QUANTITIES = re.compile(
    r"cfg_.*|clock.*|tariff_.*|holiday.*|serial_number|.*_version|.*_code|ct_ratio|s0_rate|lcd_cycle"
    r"|meter_type|device_id|application|measurement_mode"
    r"|demand_last_month"  # its unit is not known
)
RENAMED = [
    (r"energy_(active|reactive|apparent)", r"\1_energy"),
    (r"energy_(import|export)_resettable", r"active_energy_resettable_\1"),
    (r"active_energy_import_partial", r"active_energy_resettable_import"),
    (r"demand_power(_total)?", r"active_power_demand"),
    (r"(active_power_demand)_(import|export)_max", r"\1_max_\2"),
    (r"demand_current", r"current_demand"),
    (r"thd_(voltage|current)", r"\1_thd"),
    (r"alarm_power", r"power_alarm"),
    (r"_total", r""),
]


def quantity_of(key, phases):
    for pattern, name in RENAMED:
        key = re.sub(pattern, name, key)
    return key.removesuffix("_l1") if phases == 1 else key


@functools.cache
def facts():
    if not FACTS.exists():
        pytest.skip("the fact sheets (../shared/facts) are not beside the repository")
    return json.loads(FACTS.read_text(encoding="utf-8"))


@functools.cache
def loaded(name):
    return load(name)


@pytest.fixture(params=names())
def device_map(request):
    return loaded(request.param)


def test_every_proof_of_a_map_holds(device_map):
    assert device_map.proofs
    assert check_proofs(device_map) == []


def test_every_proof_is_a_value_that_a_house_can_show(device_map):
    for proof in device_map.proofs:
        for quantity, value in proof.values.items():
            assert catalogue()[quantity].low <= value <= catalogue()[quantity].high


@pytest.mark.parametrize("name", SOURCES)
def test_a_map_reads_what_the_facts_say(name):
    device_map = loaded(name)
    source, lacking = SOURCES[device_map.name]
    expected = {}
    for row in facts()[source]["registers"]:
        quantity = quantity_of(row["key"], facts()[source]["phases"])
        if NO_QUANTITIES.fullmatch(row["key"]) or re.fullmatch(lacking, quantity):
            continue
        unit = UNITS.get(row["unit"], row["unit"])
        factor = 1000 if row["unit"] in PREFIXES else 1
        scale = Decimal(str(row["scale"])) * factor
        kind = TYPES[row["type"]]
        if quantity == "power_alarm":  # 0xFFFF as 1, not as 65535
            kind, scale = "int16", Decimal(-1)
        if (device_map.name, quantity) in SIGNED:
            kind = "int16"
        order = ORDERS[facts()[source]["word_order"][:4]]
        unproved = row["level"] in "CD"
        expected[quantity] = (row["address"], kind, row["fc"], order, scale, unit, unproved)
    assert expected == {
        each.quantity: (
            each.address,
            each.type,
            each.function,
            each.word_order,
            Decimal(repr(each.scale)),
            catalogue()[each.quantity].unit,
            each.unproved,
        )
        for each in device_map.registers
        if not each.adds
    }


@pytest.mark.parametrize("name", SOURCES)
def test_the_serial_port_is_set_as_the_facts_say(name):
    device_map = loaded(name)
    text = facts()[SOURCES[device_map.name][0]]["serial"]
    if text == "TCP":
        assert device_map.serial is None
        return
    baudrate = int(re.findall(r"\d{4}", text)[0])
    parity = "even" if "8E1" in text else "none"
    assert device_map.serial is not None
    assert (device_map.serial.baudrate, device_map.serial.parity) == (baudrate, parity)


def test_a_remark_on_a_register_tells_the_unit_and_the_scale(device_map):
    text = (
        Path(__file__).parents[4] / f"collector/devices/modbus/{device_map.name}.yaml"
    ).read_text(encoding="utf-8")
    remarks = dict(re.findall(r"- \{quantity: (\w+),.*\}  +# (.*)", text))
    for register in device_map.registers:
        unit = catalogue()[register.quantity].unit
        if not unit:
            continue
        remark = remarks.get(register.quantity, "")
        assert remark, f"{register.quantity} has no remark such as '# {unit}' behind it"
        assert re.split(",| ", remark)[0] == unit
        raw = re.fullmatch(r"[^,]+, raw (?:([0-9.]+) )?(\w+)", remark)
        if raw:
            assert PREFIXES[raw[2]] == unit
            assert Decimal(raw[1] or 1) * 1000 == Decimal(repr(register.scale))


def test_the_models_that_facts_are_known_of_are_there():
    assert set(SOURCES) <= set(names())


def test_a_map_says_what_the_device_is_and_how_it_is_recognised(device_map):
    assert device_map.name.startswith(device_map.brand.lower().replace(" ", "-"))
    assert len(device_map.probe) >= 2


def words_of(cell, value):
    """Return the words by which a device would send *value* in *cell*."""
    raw = value / cell.scale
    if cell.type == "bcd16":
        return (int(str(round(raw)), 16),)
    form = FORMS[cell.type]
    data = struct.pack(f">{form}", raw if form == "f" else round(raw))
    words = struct.unpack(f">{len(data) // 2}H", data)
    return words if cell.word_order == "big" else words[::-1]


def plausible(quantity):
    if quantity.startswith("voltage_thd"):
        return 2.0
    if quantity.startswith("voltage"):
        return 400.0 if "_l1_l2" in quantity or "_ll" in quantity else 230.0
    if quantity == "frequency":
        return 50.0
    return 120_000.0 if "energy" in quantity else 0.5 if "factor" in quantity else 1.0


def simulated(device_map):
    """Return what a device of this model answers to a read: words, or None where it refuses.

    What its probes read besides the mapped registers, it answers only when asked for that alone.
    """
    image = {}
    for register in device_map.registers:
        for offset, word in enumerate(words_of(register, plausible(register.quantity))):
            image[register.function, register.address + offset] = word
    starts = {(each.function, each.address) for each in device_map.registers}
    codes = {
        (probe.function, probe.address, probe.length): words_of(probe, probe.within[0])
        for probe in device_map.probe
        if (probe.function, probe.address) not in starts
    }

    def answer(function, address, length):
        words = [image.get((function, each)) for each in range(address, address + length)]
        return codes.get((function, address, length)) or (None if None in words else words)

    return answer


def fits(device_map, answer):
    answers = [answer(each.function, each.address, each.length) for each in device_map.probe]
    pairs = zip(device_map.probe, answers, strict=True)
    return all(words is not None and probe.fits(words) for probe, words in pairs)


def test_a_model_is_recognised_among_all_by_the_map_with_most_probes(device_map):
    answer = simulated(device_map)
    fitting = [other for other in map(loaded, names()) if fits(other, answer)]
    most = max(len(other.probe) for other in fitting)
    best = {other.name for other in fitting if len(other.probe) == most}
    twins = {"peacefair-pzem-004t-v3", "peacefair-pzem-016"}
    assert best == (twins if device_map.name in twins else {device_map.name})


def test_what_a_device_sends_comes_back_as_it_was(device_map):
    for register in device_map.registers:
        value = plausible(register.quantity)
        assert decode(register, words_of(register, value)) == pytest.approx(value, rel=1e-6, abs=1)
