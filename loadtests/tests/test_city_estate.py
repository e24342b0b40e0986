"""The estate: exact counts, inside the city, the same for the same seed."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.city.cameras.estate import estate
from loadtests.city.cameras.kinds import Purpose
from loadtests.city.cameras.places import OUTLINE, inside, metres_between
from loadtests.city.cameras.stages import CLEARANCE, SHOPS_BACK, SHOPS_FRONT, STAGES
from loadtests.city.cameras.wire import camera_registrations, site_registrations

BY_PURPOSE = {
    Purpose.LIVING_AREA_SECURITY: (608, 2277),
    Purpose.PARK: (171, 349),
    Purpose.VEHICLE: (22, 36),
    Purpose.CHILD_PROTECTION: (97, 376),
}


@given(seed=st.integers(-(2**31), 2**31))
@settings(max_examples=5, deadline=None)
def test_sites_and_cameras_are_exactly_those_of_the_control_centre(seed: int) -> None:
    found = estate(seed)
    sites = Counter(site.purpose for site in found.sites)
    cameras = Counter(camera.purpose for camera in found.cameras)
    assert {p: (sites[p], cameras[p]) for p in Purpose} == BY_PURPOSE
    assert (len(found.sites), len(found.cameras)) == (898, 3038)
    assert len({site.site_id for site in found.sites}) == 898
    assert len({site.name for site in found.sites}) == 898
    assert len({camera.camera_id for camera in found.cameras}) == 3038
    assert all(c.camera_id.rpartition("-")[0] == c.site_id for c in found.cameras)


@given(seed=st.integers(-(2**31), 2**31))
@settings(max_examples=5, deadline=None)
def test_every_camera_is_inside_the_city_and_can_see(seed: int) -> None:
    for site in estate(seed).sites:
        assert site.cameras
        for camera in site.cameras:
            assert inside(camera.point)
            assert camera.heading is None or 0 <= camera.heading < 360
            assert 0 < camera.view <= 360
            assert metres_between(site.point, camera.point) < camera.reach
            assert camera.retention_days == 30
            assert camera.stream_address.startswith("rtsp://")
            assert "@" not in camera.stream_address


def test_inside_is_what_the_outline_encloses() -> None:
    assert inside((37.738, 127.034))
    north, east = zip(*OUTLINE, strict=True)
    assert not inside((max(north) + 0.001, 127.05))
    assert not inside((37.738, max(east) + 0.001))
    assert not inside((37.770, 127.015))


def test_stages_stand_apart_but_for_the_two_of_the_fire() -> None:
    apart = {
        frozenset((one.site_id, other.site_id)): metres_between(one.point, other.point)
        for one, other in combinations(STAGES, 2)
    }
    assert 40 < apart.pop(frozenset((SHOPS_FRONT.site_id, SHOPS_BACK.site_id))) < 80
    assert min(apart.values()) > 2 * CLEARANCE
    for site in estate(1).background:
        assert min(metres_between(site.point, stage.point) for stage in STAGES) > CLEARANCE
    names = {stage.site_id: stage.name for stage in STAGES}
    assert names["living-0001"] == "의정부역 동부광장"
    assert {site_id: estate(1).by_id[site_id].name for site_id in names} == names


def test_the_same_seed_is_the_same_estate() -> None:
    first = estate(3)
    estate.cache_clear()
    assert estate(3) == first
    assert estate(4) != first


@pytest.mark.parametrize("registrations", [site_registrations, camera_registrations])
def test_registrations_are_small_and_have_the_same_key_every_time(registrations: object) -> None:
    found = estate(1)
    if registrations is site_registrations:
        requests = [site_registrations(found.sites) for _ in range(2)]
        sizes = [len(request.sites) for request in requests[0]]
        assert sum(sizes) == 898
    else:
        requests = [camera_registrations(found.cameras) for _ in range(2)]  # type: ignore[misc]
        sizes = [len(request.cameras) for request in requests[0]]  # type: ignore[attr-defined]
        assert sum(sizes) == 3038
    assert max(sizes) <= 1000
    keys = [[request.idempotency_key for request in made] for made in requests]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == len(keys[0])
