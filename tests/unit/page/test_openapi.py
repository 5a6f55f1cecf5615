"""The document of the API is true: of every view, and under a storm of questions."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from collector.contract import views
from collector.page.answer import encoded
from collector.page.openapi import REFUSALS, document
from collector.page.routes import API, ROUTES
from tests.fakes import page_house as house
from tests.fakes import page_views
from tests.fakes.page import ask, options_with, serving

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# A device of the right form that there is not is 404, and a day like the 31st of February 400.
ALSO_RIGHT = "positive_data_acceptance"
EXAMPLES: dict[str, list[Any]] = {
    "NowView": [page_views.NOW],
    "DevicesView": [page_views.DEVICES],
    "HistoryView": [page_views.HISTORY, page_views.HISTORY_OF_COUNTER],
    "EnergyView": [page_views.ENERGY],
    "CostView": [page_views.COST],
    "BillView": [page_views.BILL],
    "HealthView": [page_views.HEALTH],
    "EventsView": [page_views.EVENTS],
    "ErrorView": [views.ErrorView(error="no")],
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    home = house.home(tmp_path_factory.mktemp("house") / "data")
    about = {"home": home, "wall_ms": lambda: house.NOW_MS}
    with serving(options_with(), show=house.show, **about) as options:
        yield options


def validator(name):
    described = document("1", API)
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_each_view_fits_its_schema(name):
    for example in EXAMPLES[name]:
        validator(name).validate(json.loads(encoded(example)))


def test_every_schema_is_one_and_says_what_it_is():
    for name, schema in document("1", API)["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema["description"], name
        assert schema["additionalProperties"] is False, name


def test_the_document_names_every_route_of_the_api(page):
    described = json.loads(ask(page, "/api/v1/openapi.json")[2])
    assert described["openapi"] == "3.1.0"
    paths = {path for path in ROUTES if path.startswith("/api/v1/")}
    assert described["paths"].keys() == paths - {"/api/v1/openapi.json"}
    assert described["info"]["version"] == "1.2.3"


@pytest.mark.parametrize("route", API, ids=lambda each: each.path)
def test_an_answer_of_each_route_fits_what_the_document_says(page, route):
    query = "?device=mains&quantity=active_power" if "history" in route.path else ""
    status, _, body = ask(page, f"{route.path}{query}")
    assert status == 200
    validator(route.view.__name__).validate(json.loads(body))


def test_a_storm_of_questions_finds_nothing_that_the_document_does_not_say(page, tmp_path):
    program = [
        *(str(SCHEMATHESIS), "run", f"http://{page.address}:{page.port}/api/v1/openapi.json"),
        *(
            "--checks",
            "all",
            "--exclude-checks",
            ALSO_RIGHT,
            "--phases",
            "examples,coverage,fuzzing",
        ),
        *("--max-examples", "60", "--seed", "1", "--continue-on-failure", "--no-color"),
    ]
    done = subprocess.run(
        program, capture_output=True, text=True, timeout=550, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert set(REFUSALS) >= {"400", "404", "429"}
