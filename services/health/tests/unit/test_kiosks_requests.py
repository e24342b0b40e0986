"""Kiosks as they are registered, each wrong field by its name."""

from collections.abc import Callable

import pytest
from city.health.v1 import kiosk_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from health.errors import Invalid
from health.kiosks import answers, requests
from health.kiosks.kiosk import Device, Kiosk
from health.measuring.measurement import Code

from .kiosks_parts import reading


def message(kiosk_id: str = "jochiwon-1") -> pb.Kiosk:
    return pb.Kiosk(
        kiosk_id=kiosk_id,
        place=" 조치원읍 행정복지센터 1층 ",
        zone="조치원",
        position=Position(latitude=36.6011, longitude=127.2986),
        devices=[
            pb.Device(
                device_id="cuff-1",
                codes=[pb.MEASUREMENT_CODE_BLOOD_PRESSURE, pb.MEASUREMENT_CODE_HEART_RATE],
                model="BP-170",
            )
        ],
    )


KIOSK = Kiosk(
    "jochiwon-1",
    "조치원읍 행정복지센터 1층",
    "조치원",
    Point(36.6011, 127.2986),
    (Device("cuff-1", (Code.BLOOD_PRESSURE, Code.HEART_RATE), "BP-170"),),
)


def test_there_and_back() -> None:
    assert requests.kiosks([message()]) == [KIOSK]
    assert requests.kiosks([answers.kiosk(KIOSK)]) == [KIOSK]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda one: one.ClearField("kiosk_id"), "kiosks[1].kiosk_id"),
        (lambda one: setattr(one, "kiosk_id", "Jochiwon"), "kiosks[1].kiosk_id"),
        (lambda one: setattr(one, "kiosk_id", "jochiwon-1"), "kiosks[1].kiosk_id"),
        (lambda one: setattr(one, "place", " "), "kiosks[1].place"),
        (lambda one: setattr(one, "zone", "가" * 41), "kiosks[1].zone"),
        (lambda one: one.ClearField("position"), "kiosks[1].position"),
        (lambda one: setattr(one.position, "latitude", 91), "kiosks[1].position.latitude"),
        (lambda one: one.devices.extend(one.devices[:1] * 20), "kiosks[1].devices"),
        (lambda one: one.devices.extend(one.devices[:1]), "kiosks[1].devices[1].device_id"),
        (lambda one: setattr(one.devices[0], "device_id", ""), "kiosks[1].devices[0].device_id"),
        (lambda one: one.devices[0].ClearField("codes"), "kiosks[1].devices[0].codes"),
        (lambda one: one.devices[0].codes.append(0), "kiosks[1].devices[0].codes[2]"),
        (lambda one: one.devices[0].codes.append(99), "kiosks[1].devices[0].codes[2]"),
        (lambda one: one.devices[0].codes.append(1), "kiosks[1].devices[0].codes[2]"),
        (lambda one: setattr(one.devices[0], "model", ""), "kiosks[1].devices[0].model"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[pb.Kiosk], object], field: str) -> None:
    wrong = message("kiosk-2")
    change(wrong)
    with pytest.raises(InvalidArgument) as refused:
        requests.kiosks([message(), wrong])
    assert refused.value.field == field


@pytest.mark.parametrize("count", [0, 501])
def test_their_number_is_bounded(count: int) -> None:
    with pytest.raises(InvalidArgument, match="kiosks: expected 1 to 500"):
        requests.kiosks([message(f"kiosk-{number}") for number in range(count)])


def test_only_its_devices_measure_and_only_what_they_can() -> None:
    KIOSK.must_measure(reading(Code.HEART_RATE, 70, device_id="cuff-1"))
    for wrong, field in (
        (reading(Code.HEART_RATE, 70, device_id="cuff-2"), "device_id"),
        (reading(Code.HEART_RATE, 70, device_id=""), "device_id"),
        (reading(Code.GLUCOSE, 70, device_id="cuff-1"), "code"),
    ):
        with pytest.raises(Invalid) as refused:
            KIOSK.must_measure(wrong)
        assert refused.value.field == field
