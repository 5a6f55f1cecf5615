import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.outputs.influxdb.site import installations, mark, of_influxql, of_promql

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "series", "tags", "data", "result", "status", "metric"]),
            inner,
        )
    ),
    max_leaves=20,
)


def test_a_mark_is_a_line_with_the_site_and_the_installation():
    assert mark("home", "ab12", 5) == (
        b"energy_monitor_site,site=home,installation=ab12 seen=1.0 5"
    )


@pytest.mark.parametrize("reader", [of_influxql, of_promql])
@given(JSON)
def test_any_answer_names_installations_or_is_not_understood(reader, answer):
    found = reader(200, json.dumps(answer))
    assert found is None or all(isinstance(each, str) for each in found)


@pytest.mark.parametrize("reader", [of_influxql, of_promql])
@pytest.mark.parametrize("text", ["", "[" * 100_000, "<html>", "null"])
def test_what_is_no_answer_is_not_understood(reader, text):
    assert reader(200, text) is None


def test_a_server_that_answers_neither_question_is_believed_to_know_nothing():
    asked = []

    def ask(path, fields):
        asked.append((path, dict(fields)))
        return 404, "not found"

    assert installations(ask, "energy/week", "home", "15m") is None
    assert [path for path, _ in asked] == ["/query", "/api/v1/query"]
    assert asked[0][1]["db"] == "energy"
    assert asked[0][1]["rp"] == "week"
    assert 'energy_monitor_site_seen{site="home"}[15m]' in asked[1][1]["query"]
