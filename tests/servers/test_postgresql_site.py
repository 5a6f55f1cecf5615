"""Two installations with one name of a site, in a PostgreSQL that several houses share."""

import pytest

from collector.errors import OutputAway
from tests.servers import postgres
from tests.servers.test_postgresql_real import output, reading

ZONES = "SELECT zone, installation FROM energy_monitor_sites WHERE site = 'home'"
OLDER = "UPDATE energy_monitor_sites SET seen = seen - interval '16 minutes'"
OF_BEFORE = "ALTER TABLE energy_monitor_sites DROP COLUMN installation, DROP COLUMN seen"
FIRST, SECOND = "a" * 16, "b" * 16


@pytest.fixture(scope="module")
def server():
    with postgres.running() as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(server):
    server.forget()


def test_a_newcomer_with_the_name_of_another_house_is_refused_and_that_one_goes_on(
    server, tmp_path
):
    with (
        output(server, tmp_path, word=FIRST) as first,
        output(server, tmp_path, word=SECOND, zone="Europe/Oslo") as second,
        output(server, tmp_path, word=SECOND, site="cabin") as elsewhere,
    ):
        first.open()
        first.write([reading()])
        for do in (second.open, lambda: second.write([reading(voltage=1.0)])):
            with pytest.raises(OutputAway, match=f"another installation .{FIRST}. writes site 'ho"):
                do()
        first.open()
        elsewhere.open()
    assert server.ask("SELECT voltage FROM electricity") == [(230.5,)]
    assert server.ask(ZONES) == [("Europe/Rome", FIRST)]


def test_a_new_card_for_the_same_house_goes_on_after_a_quarter_of_an_hour(server, tmp_path):
    with output(server, tmp_path, word=FIRST) as first:
        first.open()
        server.ask(OLDER)
        with output(server, tmp_path, word=SECOND, zone="Europe/Oslo") as second:
            second.open()
            assert server.ask(ZONES) == [("Europe/Oslo", SECOND)]
            with pytest.raises(OutputAway, match=SECOND):
                first.open()


def test_a_database_of_an_older_release_gets_what_it_lacks(server, tmp_path):
    with output(server, tmp_path) as old:
        old.open()
    server.ask(OF_BEFORE)
    with output(server, tmp_path, word=FIRST) as new:
        new.open()
    assert server.ask(ZONES) == [("Europe/Rome", FIRST)]
