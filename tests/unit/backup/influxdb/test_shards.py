from datetime import UTC, datetime, timedelta

import pytest

from backup.influxdb.buckets import Shard, listed, without
from backup.influxdb.influxdb_2 import Hints
from backup.influxdb.shard import stored_as
from backup.influxdb.tsm import Summary
from backup.influxdb.unchanged import last_sweep, unchanged
from backup.manifest import File, Manifest

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAME = "influxdb/shards/b/1/{:09}-{:09}.tsm"


def shard(start=NOW - 36 * HOUR, end=NOW - 12 * HOUR):
    return Shard("b", "energy", 1, start, end)


def manifest(server="now", swept_at=NOW - HOUR, **shards):
    hints = {"server": server, "swept_at": swept_at.isoformat(), "shards": shards}
    return Manifest("20261118T110000Z", None, "", "", "", hints=hints)


def stored(*hours):
    """Files of an hour each, by generation."""
    return {NAME.format(each, 1): File(1, "a", "a", 1, hour(each)) for each in hours}


def hour(each, points=3600):
    return Summary(points, points * 11, each * 3600, each * 3600 + 3599)


def compacted(first, last):
    points = 3600 * (last - first + 1)
    return Summary(points, points * 11, first * 3600, last * 3600 + 3599)


def test_a_compacted_file_is_stored_as_the_files_it_was_made_of():
    old = stored(1, 2, 3, 4, 5)
    assert stored_as(compacted(2, 4), 1, 4, old, over=False) == stored(2, 3, 4)
    assert stored_as(compacted(1, 5), -1, 5, old, over=False) == old


@pytest.mark.parametrize(
    ("new", "before", "generation"),
    [
        (compacted(2, 4), -1, 4),
        (compacted(1, 3), -1, 4),
        (compacted(2, 4), 4, 5),
        (hour(4), 4, 5),
    ],
    ids=["something was left out", "something was deleted", "other files", "another hour"],
)
def test_what_is_not_the_sum_of_stored_files_is_stored(new, before, generation):
    assert stored_as(new, before, generation, stored(1, 2, 3, 4, 5), over=False) == {}


def test_of_a_shard_that_is_over_one_file_is_stored_for_many():
    eight, seven = stored(*range(8)), stored(*range(1, 8))
    assert stored_as(compacted(0, 7), -1, 7, eight, over=False) == eight
    assert stored_as(compacted(0, 7), -1, 7, eight, over=True) == {}
    assert stored_as(compacted(1, 7), -1, 7, seven, over=True) == seven
    assert stored_as(compacted(1, 8), 0, 8, stored(*range(9)), over=True) == stored(*range(1, 9))


def test_what_a_newer_file_went_into_is_stored_whatever_it_sums_up_to():
    assert stored_as(compacted(1, 5), -1, 6, stored(1, 2, 3, 4, 5), over=False) == {}
    assert stored_as(hour(1), -1, 1, {}, over=False) == {}


def test_every_shard_is_read_at_first_daily_after_a_restart_and_a_step_of_the_clock():
    seen = Hints("now", {})
    assert last_sweep(manifest(), seen, NOW) == NOW - HOUR
    assert last_sweep(None, seen, NOW) is None
    assert last_sweep(manifest(), None, NOW) is None
    assert last_sweep(manifest(server="before"), seen, NOW) is None
    assert last_sweep(manifest(), seen, NOW + 23 * HOUR) is None
    assert last_sweep(manifest(swept_at=NOW + HOUR), seen, NOW) is None
    assert last_sweep(Manifest("20261118T110000Z", None, "", "", ""), seen, NOW) is None


def test_a_shard_is_as_it_was_only_by_its_hint_and_when_it_is_not_the_one_of_now():
    same, other = {"1": [1.0, 2.0]}, {"1": [1.0, 3.0]}
    assert unchanged(shard(), manifest(**same), Hints("now", same), NOW)
    assert not unchanged(shard(), manifest(**same), Hints("now", other), NOW)
    assert not unchanged(shard(), manifest(), Hints("now", same), NOW)
    assert not unchanged(shard(), manifest(**same), Hints("now", {}), NOW)
    assert not unchanged(shard(end=NOW + HOUR), manifest(**same), Hints("now", same), NOW)


def test_a_shard_knows_its_days():
    assert shard(NOW - 36 * HOUR, NOW - 12 * HOUR).days == ["2026-11-17"]
    assert shard(NOW - 12 * HOUR, NOW + 36 * HOUR).days == ["2026-11-18", "2026-11-19"]
    hour_long = shard(NOW, NOW + HOUR)
    assert hour_long.days == ["2026-11-18"]
    assert hour_long.shares_days
    assert not shard(NOW - 36 * HOUR, NOW - 12 * HOUR).shares_days


def buckets():
    def group(number, *shards, **more):
        times = {"startTime": "2026-11-17T00:00:00Z", "endTime": "2026-11-18T00:00:00Z"}
        return {"id": number, **times, "shards": [{"id": each} for each in shards], **more}

    groups = [group(1, 1), group(2, 2), group(3, 3, deletedAt="2026-11-18T00:00:00Z"), group(4)]
    policy = {"name": "autogen", "shardGroups": groups}
    return [{"bucketID": "b", "bucketName": "energy", "retentionPolicies": [policy]}]


def test_shards_about_to_be_dropped_are_not_listed():
    assert [each.id for each in listed(buckets())] == [1, 2]
    assert listed(buckets())[0].start == datetime(2026, 11, 17, tzinfo=UTC)


def test_no_group_is_left_without_shards():
    ((policy,),) = (each["retentionPolicies"] for each in without(buckets(), {2}))
    assert [each["id"] for each in policy["shardGroups"]] == [1]
