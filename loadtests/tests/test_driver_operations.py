"""Operations without a mesh: skew, sizes, templates, names."""

import json
from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from loadtests.driver.operation import World
from loadtests.driver.operations import UnknownOperationError, find
from loadtests.driver.operations.calling import SettingError, Skew, size
from loadtests.driver.operations.grpc import method_of
from loadtests.driver.operations.kafka import owner, topic_of
from loadtests.driver.operations.sensors import estate
from loadtests.driver.operations.template import Filling, fill

_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)


def test_a_skew_prefers_the_first_by_zipfs_law_and_none_is_even() -> None:
    draw = Random(1)
    skewed = Counter(Skew(100, 1.0)(draw) for _ in range(20_000))
    even = Counter(Skew(100, 0)(draw) for _ in range(20_000))
    assert set(skewed) <= set(range(100))
    assert skewed[0] / skewed[9] == pytest.approx(10, rel=0.3)
    assert max(even.values()) < 2 * min(even.values())
    with pytest.raises(SettingError):
        Skew(0, 1)


def test_sizes_are_around_their_mean_with_few_large_ones() -> None:
    draw = Random(1)
    found = [size(draw, 5, 1_000) for _ in range(20_000)]
    assert min(found) == 1
    assert sum(found) / len(found) == pytest.approx(5, rel=0.05)
    assert max(found) > 25
    assert {size(draw, 1, 10) for _ in range(10)} == {1}
    assert max(size(draw, 500, 10) for _ in range(100)) == 10


def test_holes_are_filled_with_numbers_where_they_are_alone() -> None:
    filling = Filling.of(Random(1), Skew(1, 0), _AT, 12)
    body = {
        "a": "{number}",
        "b": ["x-{number}-{key}", 3, None],
        "at": "{micros}",
        "t": "{intended}",
    }
    assert fill(body, filling) == {
        "a": 12,
        "b": ["x-12-0", 3, None],
        "at": round(_AT.timestamp() * 1_000_000),
        "t": "2026-03-01T12:00:00.250000Z",
    }
    assert filling == Filling.of(Random(1), Skew(1, 0), _AT, 12)
    with pytest.raises(SettingError, match="nothing"):
        fill({"a": "{nothing}"}, filling)


def test_every_method_of_the_city_has_a_name() -> None:
    for name in (
        "grpc:city.parking.v1.LotService/ListLots",
        "grpc:city.cameras.v1.DetectionService/PublishDetections",
        "grpc:city.health.v1.KioskService/Session",
        "grpc:city.emergency.v1.EmergencyService/WatchIncidents",
        "grpc:city.sensors.v1.SensorsService/GetMap",
    ):
        assert method_of(name).name == name.rpartition("/")[2]
    for wrong in ("grpc:", "grpc:city.parking.v1.LotService", "grpc:none.v1.X/Y"):
        with pytest.raises(SettingError):
            method_of(wrong)


def test_names_are_found_in_their_modules() -> None:
    names = ("cameras.Arson", "kafka:a.b.v1", "health.Session", "cameras.SendHeartbeats")
    found = [own for _, own in find(names)]
    assert found == [["cameras.Arson", "cameras.SendHeartbeats"], ["health.Session"], [names[1]]]
    with pytest.raises(UnknownOperationError, match=r"cameras\.Nothing"):
        list(find(["cameras.Arson", "cameras.Nothing"]))


def test_a_topic_is_written_by_its_owner_and_needs_its_template() -> None:
    assert owner("kafka:sensors.reading-taken.v1") == "SENSORS"
    settings = json.loads('{"kafka": {"a.b.v1": {"key": "{key}", "data": {}, "pads": "x"}}}')
    with pytest.raises(SettingError, match=r"a\.b\.v1\.pads"):
        topic_of(World({}, 1, settings=settings), "a.b.v1")
    with pytest.raises(SettingError, match=r"c\.d\.v1"):
        topic_of(World({}, 1, settings=settings), "c.d.v1")


def test_there_are_as_many_stations_as_are_asked_for_each_once() -> None:
    found = estate(1, 250)
    assert len({one.station_id for one in found}) == 250
    assert estate(1, 90) == found[:90]


def test_a_setting_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match=r"settings\.zipf"):
        World({}, 1, settings={"zipf": "much"}).number("zipf", 0)
