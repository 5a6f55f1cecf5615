"""Registers as a SunSpec device shows them, from the model definitions as SunSpec publishes them.

A model is given by the names of its points; what is not named is not implemented. Written with
``pysunspec2``'s definitions alone, without looking at the collector's own tables.
"""

import functools
import json
import struct
from pathlib import Path

import sunspec2

FOLDER = Path(sunspec2.__file__).parent / "models" / "json"
FORMS = {"int16": ">h", "sunssf": ">h", "int32": ">i", "float32": ">f", "uint32": ">I"}
FORMS |= {"acc32": ">I", "bitfield32": ">I", "acc64": ">Q", "uint64": ">Q"}
NOT_IMPLEMENTED: dict[str, float] = {
    "int16": -0x8000,
    "sunssf": -0x8000,
    "int32": -0x80000000,
    "acc32": 0,
}
NOT_IMPLEMENTED |= {"uint32": 0xFFFFFFFF, "bitfield32": 0xFFFFFFFF, "float32": float("nan")}
NOT_IMPLEMENTED |= {"acc64": 0, "uint64": 0xFFFFFFFFFFFFFFFF, "count": 0, "pad": 0x8000}


@functools.cache
def definition(number):
    return json.loads((FOLDER / f"model_{number}.json").read_text())["group"]


def points(group):
    """Yield (offset, point) of a group."""
    offset = 0
    for point in group["points"]:
        yield offset, point
        offset += point["size"]


def written(point, value):
    size = 2 * point["size"]
    if point["type"] in {"string", "ipaddr"}:
        data = str(value or "").encode().ljust(size, b"\0")
    else:
        if value is None:
            value = NOT_IMPLEMENTED.get(point["type"], 0xFFFF)
        data = struct.pack(FORMS.get(point["type"], ">H"), value)
    assert len(data) == size, point
    return struct.unpack(f">{point['size']}H", data)


def model(number, *groups, **values):
    """Return the words of a model, with its number and its length; *groups* repeat."""
    given = definition(number)
    words = [word for _, each in points(given) for word in written(each, values.get(each["name"]))]
    for group in groups:
        for _, each in points(given["groups"][0]):
            words += written(each, group.get(each["name"]))
    words[:2] = number, len(words) - 2
    return words


def common(maker="Acme", name="Sun 5", version="1.2", serial="A-17"):
    return model(1, Mn=maker, Md=name, Vr=version, SN=serial, DA=1)


def image(*models, base=40000, end=(0xFFFF, 0)):
    """Return {register: word} of a device that shows *models* one after the other."""
    words = [0x5375, 0x6E53, *(word for each in models for word in each), *end]
    return dict(enumerate(words, base))


INVERTER = model(
    103, A=2134, AphA=711, AphB=712, AphC=711, A_SF=-2, PhVphA=2301, PhVphB=2312, PhVphC=2298,
    V_SF=-1, W=4897, W_SF=0, Hz=4998, Hz_SF=-2, VA=4905, VA_SF=0, VAr=-270, VAr_SF=0, PF=-9980,
    PF_SF=-2, WH=12345678, WH_SF=0, DCV=6502, DCV_SF=-1, DCW=5020, DCW_SF=0, TmpSnk=4125,
    Tmp_SF=-2, St=4, Evt1=0,
)  # fmt: skip
STRINGS = model(
    160,
    {"ID": 1, "DCA": 512, "DCV": 6502, "DCW": 333, "DCWH": 6543210, "Tmp": 41},
    {"ID": 2, "DCA": 261, "DCV": 6498, "DCW": 170},
    N=2, DCA_SF=-2, DCV_SF=-1, DCW_SF=1, DCWH_SF=0,
)  # fmt: skip
METER = model(
    203, A=-55, AphA=-20, A_SF=-1, PhV=2305, PhVphA=2301, V_SF=-1, Hz=4998, Hz_SF=-2, W=-1265,
    WphA=-460, W_SF=0, PF=-985, PF_SF=-1, TotWhExp=998877, TotWhImp=112233, TotWh_SF=1,
)  # fmt: skip
NAMEPLATE = model(120, DERTyp=4, WRtg=500, WRtg_SF=1)
STORAGE = model(124, ChaState=7350, ChaState_SF=-2, InBatV=512, InBatV_SF=-1, ChaSt=4)
VENDOR = [64110, 3, 1, 2, 3]
HYBRID = [common(), INVERTER, NAMEPLATE, VENDOR, STRINGS, STORAGE, common("Acme", "Meter"), METER]


def battery_inputs(charging, discharging):
    """Return the inputs of a hybrid: one string, and a battery with an input for each direction."""
    charge = {"ID": 2, "IDStr": "StCha 2", "DCA": charging, "DCW": charging, "DCWH": 70}
    discharge = {"ID": 3, "IDStr": "StDisCha 3", "DCA": discharging, "DCW": discharging, "DCWH": 60}
    return model(
        160,
        {"ID": 1, "IDStr": "MPPT 1", "DCA": 210, "DCV": 6201, "DCW": 1302, "DCWH": 15},
        charge | {"DCV": 4021},
        discharge | {"DCV": 4021},
        N=3, DCA_SF=-2, DCV_SF=-1, DCW_SF=0, DCWH_SF=0,
    )  # fmt: skip
