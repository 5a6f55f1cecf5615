"""Holidays: asked in a process of their own, and kept in a small file."""

import json
import sys
from datetime import date

import pytest

from collector.contract import extras
from collector.derive.cost import holidays
from collector.derive.cost.holidays import Holidays, NotACode
from collector.errors import PackageMissing


@pytest.fixture
def file(tmp_path):
    return tmp_path / "holidays.json"


def test_the_package_is_asked_once_and_never_imported_here(file, monkeypatch):
    assert date(2026, 6, 2) in Holidays(file).of("IT", [2026])
    assert "holidays" not in sys.modules
    monkeypatch.setattr(extras, "is_installed", lambda _: False)
    assert date(2026, 6, 2) in Holidays(file).of("IT", [2026])
    with pytest.raises(
        PackageMissing, match=r"'IT' needs the extra 'holidays'.*; or list the dates"
    ):
        Holidays(file).of("IT", [2026, 2027])


def test_a_part_of_a_country_has_its_own(file):
    found = Holidays(file).of("CA-ON", [2026])
    assert date(2026, 2, 16) in found  # Family Day
    assert date(2026, 2, 16) not in Holidays(file).of("CA-QC", [2026])


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("XQ", "'XQ' is not a country or part of one"), ("CA-OM", "did you mean 'CA-")],
)
def test_a_code_that_is_not_known_is_told(file, code, sentence):
    with pytest.raises(NotACode, match=sentence):
        Holidays(file).of(code, [2026])


@pytest.mark.parametrize("text", ["", "[]", "{", '{"IT": {"2026": ["x"]}}', '{"IT": 1}'])
def test_a_damaged_file_is_as_none(file, text):
    file.write_text(text)
    assert holidays.load(file) == {}


def test_what_is_kept_is_small(file):
    Holidays(file).of("IT", range(2024, 2028))
    assert set(json.loads(file.read_text())) == {"IT"}
    assert file.stat().st_size < 2000
