"""Context in words."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from emergency.context.scene import Scene
from emergency.domain.cases import AcuteCase, Answer, Measured, case_items
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
from emergency.domain.vehicles import ParkedCar, vehicle_items
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


CAR = ParkedCar("98바7654", "010-5555-0199", "alley-1-7", 14.4, HERE)
UNREADABLE = ParkedCar("", "", "alley-1-8", 31, HERE)


def test_the_cars_the_119_room_is_told_of() -> None:
    assert vehicle_items([CAR, UNREADABLE], 100, 2) == {
        "차량": "98바7654 (14 m), 번호 확인 불가 (31 m)",
        "차량 1": "98바7654 (14 m, alley-1-7)",
        "차량 1 연락처": "010-5555-0199",
        "차량 1 위치": "37.738900,127.045900",
        "차량 2": "번호 확인 불가 (31 m, alley-1-8)",
        "차량 2 연락처": "확인 불가",
        "차량 2 위치": "37.738900,127.045900",
    }
    assert vehicle_items([CAR, CAR, CAR], 100, 1)["차량"] == "98바7654 (14 m) 외 2대"
    assert "차량 2" not in vehicle_items([CAR, CAR], 100, 1)
    assert vehicle_items([], 100, 5) == {"차량": "반경 100 m 안에 없음"}
    assert vehicle_items(Missing("응답 없음"), 100, 5) == {"차량": "확인 불가: 응답 없음"}


SPO2 = Measured("산소포화도 88 %", AT)
NAMED = AcuteCase(
    "k-1", "조치원읍 행정복지센터", 6, [SPO2], 78, "김복순", "010-1234-5678", "와파린"
)
UNNAMED = AcuteCase("k-2", "장군면 복지회관", 3, [SPO2] * 21, 66, "", "", "")
AWAY = Answer(UUID(int=3), "20261122120000002", Missing("응답 없음"))


def test_whom_at_a_kiosk_the_119_room_is_told_of() -> None:
    answers = [
        Answer(UUID(int=1), "20261122120000000", NAMED),
        Answer(UUID(int=2), "20261122120000001", UNNAMED),
        AWAY,
    ]
    assert case_items(answers) == {
        "건강 이상": "조치원읍 행정복지센터 (k-1), NEWS2 6점, 장군면 복지회관 (k-2), NEWS2 3점,"
        " 확인 불가: 응답 없음",
        "건강 이상 1": "조치원읍 행정복지센터 (k-1), NEWS2 6점",
        "건강 이상 1 사건": "20261122120000000",
        "건강 이상 1 측정": "산소포화도 88 % (12:00:00)",
        "건강 이상 1 나이": "만 78세",
        "건강 이상 1 이름": "김복순",
        "건강 이상 1 연락처": "010-1234-5678",
        "건강 이상 1 의료 정보": "와파린",
        "건강 이상 2": "장군면 복지회관 (k-2), NEWS2 3점",
        "건강 이상 2 사건": "20261122120000001",
        "건강 이상 2 측정": ", ".join(["산소포화도 88 % (12:00:00)"] * 20) + " 외 1건",
        "건강 이상 2 나이": "만 66세",
        "건강 이상 2 이름": "동의 없음",
        "건강 이상 3": "확인 불가: 응답 없음",
        "건강 이상 3 사건": "20261122120000002",
    }
    assert case_items([]) == {}


def test_what_is_secret_is_not_shown() -> None:
    leased = LeasedCamera(NEAR[0], HERE, True, "token-1", AT)
    assert "token-1" not in repr(leased)
    shown = repr(Scene([leased], None, [CAR], [Answer(UUID(int=1), "1", NAMED)]))
    secrets = ("token-1", CAR.plate, CAR.contact, NAMED.name, NAMED.contact, "와파린", "88", "78")
    assert not [secret for secret in secrets if secret in shown]


def test_each_case_is_worth_another_try_by_itself() -> None:
    found = Answer(UUID(int=1), "1", NAMED)
    scene = Scene([], None, [], [found, AWAY])
    assert scene.again
    assert scene.found == {"카메라", "차량", f"건강 이상 {found.incident_id}"}
    assert not Scene([], None, [], [found]).again
    refused = Answer(UUID(int=3), "1", Missing("오류 FAILED_PRECONDITION", again=False))
    assert not Scene([], None, [], [found, refused]).again


@pytest.mark.parametrize(
    ("cameras", "cars", "again", "found"),
    [
        ([], None, False, {"카메라"}),
        ([], [], False, {"카메라", "차량"}),
        ([], Missing("x"), True, {"카메라"}),
        ([], Missing("x", again=False), False, {"카메라"}),
        (Missing("x"), [CAR], True, {"차량"}),
        (Missing("x", again=False), Missing("x"), True, set()),
        (Missing("x", again=False), None, False, set()),
    ],
)
def test_what_is_worth_another_try(cameras: Any, cars: Any, again: bool, found: set[str]) -> None:
    scene = Scene(cameras, Missing("the air is not"), cars)
    assert (scene.again, scene.found) == (again, found)


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
