"""Which backups stay: what must never go doesn't, whatever the policy, the past or the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup import state
from backup.manifest import new_id
from backup.rotation import kept, plan, rotate
from backup.stores.folder import Folder
from collector.backup_options import KeepOptions, Run
from collector.errors import BackupFault
from tests.fakes.backups import keep_backup

KEEP = KeepOptions()
LATER = datetime(2026, 12, 24, tzinfo=UTC)
BEGIN = datetime(2025, 12, 27, 5, tzinfo=UTC)

times = st.integers(946_684_800, 2_208_988_800).map(lambda at: datetime.fromtimestamp(at, UTC))
ids = st.sets(times.map(lambda at: new_id(at, None)), max_size=60)
policies = st.builds(
    KeepOptions,
    hourly=st.integers(1, 12),
    daily=st.integers(0, 9),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 14),
)


def hourly(count):
    return [new_id(BEGIN + timedelta(hours=hour), None) for hour in range(count)]


@given(ids, policies, st.data())
def test_the_newest_and_the_newest_proved_always_stay(ids, policy, data):
    proved = data.draw(st.sets(st.sampled_from(sorted(ids)))) if ids else set()
    stay = kept(ids, policy, proved)
    assert set(stay) <= ids
    assert list(stay) == sorted(stay)
    if ids:
        assert max(ids) in stay
        assert all(stay.values())
    if proved:
        assert max(proved) in stay


@given(ids, policies)
def test_no_more_stay_than_the_policy_says_and_never_fewer_than_it_can(ids, policy):
    stay = kept(ids, policy)
    most = policy.hourly + policy.daily + policy.weekly + policy.monthly
    assert min(len(ids), policy.hourly) <= len(stay) <= most


@given(ids, policies)
def test_a_second_rotation_removes_nothing(ids, policy):
    stay = kept(ids, policy)
    assert kept(stay, policy) == stay


@given(ids, policies, st.data())
def test_the_newest_that_holds_something_stays(ids, policy, data):
    parts = st.sets(st.sampled_from(["influxdb", "grafana", "secrets"]))
    holding = {each: data.draw(parts) for each in ids}
    stay = kept(ids, policy, (), holding)
    for part in ("influxdb", "grafana", "secrets"):
        with_it = [each for each in ids if part in holding[each]]
        assert not with_it or max(with_it) in stay


@given(ids, policies)
def test_each_rotation_on_the_way_leaves_the_same_as_one_at_the_end(ids, policy):
    """Rotating after every backup costs none that rotating once would have kept."""
    there: set[str] = set()
    for each in sorted(ids):
        there = set(kept(there | {each}, policy))
    assert there == set(kept(ids, policy))


def test_a_year_of_hours_becomes_what_is_asked_for():
    stay = kept(hourly(24 * 365), KEEP)
    counts = {
        reason: sum(reason in reasons for reasons in stay.values())
        for reason in ("hourly", "daily", "weekly", "monthly")
    }
    assert counts == {"hourly": 10, "daily": 7, "weekly": 4, "monthly": 12}
    assert len(stay) < 33
    assert "20260131T230000Z" in stay, "the last of its month"


def test_fewer_than_the_limit_is_no_error_and_all_stay():
    assert kept([], KEEP) == {}
    assert list(kept(hourly(3), KEEP)) == hourly(3)


def test_a_clock_that_was_wrong_removes_nothing_but_by_count():
    early, late = "20000101T000000Z", "20361231T235959Z"
    stay = kept([early, *hourly(5), late], KeepOptions(hourly=6, daily=0, weekly=0, monthly=0))
    assert list(stay) == [*hourly(5), late]


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


def test_what_goes_takes_only_the_objects_that_nothing_else_needs(store, tmp_path):
    names = hourly(14)
    for name in names:
        keep_backup(
            store, tmp_path, name, {"config/config.yaml": b"same", "journal/1.z": name.encode()}
        )
    (store.folder / "part-1").write_bytes(b"half")
    policy = KeepOptions(hourly=2, daily=0, weekly=0, monthly=0)
    done = rotate(store, policy, LATER)
    assert done.removed == tuple(names[:-2])
    assert done.kept == tuple(names[-2:]) == tuple(store.ids())
    assert done.freed > 0
    needed = {name for each in store.ids() for name in store.manifest(each).objects}
    assert set(store.sizes("")) == needed
    assert not (store.folder / "part-1").exists()
    assert rotate(store, policy, LATER).freed == 0


def test_the_rehearsed_one_and_the_last_with_grafana_stay_and_it_is_told_why(store, tmp_path):
    names = hourly(5)
    for name in names:
        files = {"config/config.yaml": name.encode()}
        keep_backup(
            store,
            tmp_path,
            name,
            files | ({"grafana/grafana.db": b"g"} if name == names[1] else {}),
        )
    state.record(store.folder, "rehearsal", Run("2025-12-27T07:00:00+00:00", names[0]))
    policy = KeepOptions(hourly=1, daily=0, weekly=0, monthly=0)
    assert plan(store, policy, LATER) == {
        names[0]: ("newest proved",),
        names[1]: ("newest with grafana",),
        names[4]: ("hourly",),
    }


ONE = KeepOptions(hourly=1, daily=0, weekly=0, monthly=0)


def test_a_damaged_manifest_stops_no_rotation_and_what_it_names_stays(store, tmp_path):
    names = hourly(4)
    for name in names:
        keep_backup(store, tmp_path, name, {"config/config.yaml": name.encode()})
    file = store.folder / f"manifests/{names[3]}.json"
    file.write_bytes(file.read_bytes().replace(b'"site": "home"', b'"site": "hole"'))
    (damaged,) = {name for name in store.sizes("") if name in file.read_text()}
    done = rotate(store, ONE, LATER)
    assert done.kept == (names[2], names[3])
    (whole,) = store.manifest(names[2]).objects
    assert set(store.sizes("")) == {whole, damaged}


@pytest.mark.parametrize("lost", [1, 2, 4])
def test_the_newest_backup_that_is_whole_stays_whatever_was_lost(store, tmp_path, lost):
    names = hourly(5)
    for name in names:
        manifest = keep_backup(store, tmp_path, name, {"config/config.yaml": name.encode()})
        if name in names[-lost:]:
            (only,) = manifest.objects
            (store.folder / "objects" / only).unlink()
    rotate(store, ONE, LATER)
    last = names[-lost - 1]
    assert last in store.ids()
    assert store.manifest(last).objects.keys() <= store.sizes("").keys()


def test_a_backup_of_the_future_stays_and_takes_no_other_ones_place(store, tmp_path):
    names, future = hourly(3), "20361231T235959Z"
    for name in (*names, future):
        keep_backup(store, tmp_path, name, {"config/config.yaml": name.encode()})
    assert plan(store, ONE, LATER) == {names[2]: ("hourly",), future: ("dated later than now",)}


def test_two_commands_at_once_do_not_change_the_folder(store):
    with store.alone(), pytest.raises(BackupFault, match="another backup command is running"):
        rotate(store, KEEP, LATER)
