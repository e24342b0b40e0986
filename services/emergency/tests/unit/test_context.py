"""Context in words."""

from datetime import UTC, datetime

import pytest
from emergency.domain.context import (
    Air,
    LeasedCamera,
    Missing,
    NearCamera,
    air_text,
    cameras_text,
    ground,
    video_items,
)
from emergency.domain.incident import Grade, Position
from emergency.rooms.backoff import half_jitter
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HERE = Position(37.7389, 127.0459)
NEAR = [NearCamera("living-0001-1", 12.4), NearCamera("park-0003-2", 40.0)]


def test_cameras_in_words() -> None:
    assert cameras_text(NEAR, 300) == "living-0001-1 (12 m), park-0003-2 (40 m)"
    assert cameras_text([], 300) == "반경 300 m 안에 없음"
    assert cameras_text(Missing("시간 초과"), 300) == "확인 불가: 시간 초과"


def test_air_in_words() -> None:
    air = Air("보람동", HERE, AT, 112, "나쁨", "PM10 132 µg/m³")
    assert air_text(air, 2000) == "보람동 CAI 112 나쁨 (PM10 132 µg/m³)"
    assert air_text(Air("보람동", HERE, AT, None, "", ""), 2000) == "보람동 CAI 없음"
    assert air_text(None, 2000) == "반경 2000 m 안에 최근 측정값 없음"
    assert air_text(Missing("응답 없음"), 2000) == "확인 불가: 응답 없음"


def test_the_video_a_room_gets() -> None:
    leased = LeasedCamera(NEAR[0], HERE, True, "token-1", AT)
    assert video_items([leased], 150) == {
        "카메라": "living-0001-1 (12 m)",
        "카메라 1": "living-0001-1 (12 m, 지점을 비춤)",
        "카메라 1 위치": "37.738900,127.045900",
        "카메라 1 토큰": "token-1",
        "카메라 1 시한": "20261122120000",
    }
    assert video_items([], 150) == {"카메라": "반경 150 m 안에 없음"}


def test_a_token_is_not_shown() -> None:
    assert "token-1" not in repr(LeasedCamera(NEAR[0], HERE, True, "token-1", AT))


@pytest.mark.parametrize(
    ("kind", "grade", "expected"),
    [
        ("112UC001", Grade.URGENT, "LIFE_OR_BODY"),
        ("112UC001", Grade.NORMAL, "CRIME_INVESTIGATION"),
        ("119UC001", Grade.URGENT, "RESCUE"),
        ("119UC001", Grade.NORMAL, "RESCUE"),
    ],
)
def test_the_legal_ground(kind: str, grade: Grade, expected: str) -> None:
    assert ground(kind, grade) == expected


@given(st.integers(0, 10_000), st.floats(0.01, 1), st.floats(1, 60))
def test_few_attempts_are_not_wasted(attempts: int, base: float, cap: float) -> None:
    longest = min(cap, base * 2 ** min(attempts, 32))
    assert longest / 2 <= half_jitter(attempts, base, cap) <= longest
