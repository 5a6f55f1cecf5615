"""A status goes through JSON unchanged, also from and to other releases."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.status import (
    ClockStatus,
    JournalStatus,
    Lateness,
    LatestReading,
    OutputStatus,
    SourceStatus,
    Status,
    from_json,
)

WHOLE = Status(
    site="home",
    now_ms=1_763_654_400_000,
    up_s=3.5,
    clock=ClockStatus(trusted=True, steps=2),
    sources={
        "mains": SourceStatus(
            state="alive",
            age_s=0.5,
            lateness_s=Lateness(median=0.001, p99=0.002, worst=0.5),
            latest={"mains": LatestReading(kind="electricity", at_ms=7, values={"voltage": 230.1})},
        ),
        "roof": SourceStatus(),
    },
    outputs={"history": OutputStatus(state="away", last_error="Connection refused", backlog=7)},
    journal=JournalStatus(readings=7, dropped={"torn": 1}),
    backups={"backup": 60.0},
    problems=("output history is away: Connection refused",),
)


def test_it_goes_through_json_unchanged():
    assert from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


def test_an_older_service_lacks_fields_and_a_newer_one_has_more():
    assert from_json({}) == Status()
    newer = WHOLE.to_json() | {"moon": "full"}
    newer["sources"]["mains"]["mood"] = {"deep": [1]}
    assert from_json(newer) == WHOLE


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"site": 7},
        {"now_ms": "7"},
        {"sources": []},
        {"sources": {"mains": 7}},
        {"clock": {"trusted": "yes"}},
        {"problems": "none"},
        {"sources": {"mains": {"latest": {"mains": {"values": {"voltage": "high"}}}}}},
    ],
)
def test_what_is_no_status_is_refused(document):
    with pytest.raises(ValueError, match="expected"):
        from_json(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([*WHOLE.to_json(), "moon"]), JSON))
def test_any_document_is_a_status_or_refused(document):
    with suppress(ValueError):
        assert isinstance(from_json(document), Status)
