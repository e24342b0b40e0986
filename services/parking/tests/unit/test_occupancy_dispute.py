"""The evidence of a dispute."""

from dataclasses import fields

from parking.bookings.booking import Status
from parking.occupancy.dispute import Evidence, evidence

from .occupancy_cases import OWNER, VEHICLE, at, booking, name, owners, reading


def said(*bookings: object) -> list[tuple[float, str, str]]:
    found = evidence([], bookings)  # type: ignore[arg-type]
    return [((one.at - at(0)).total_seconds() / 60, one.source, one.said) for one in found]


def test_readings_and_bookings_in_order_of_time() -> None:
    here = booking(Status.OCCUPIED, 10, 60)
    readings = [reading(5, False), reading(9, True), reading(20, False)]
    source = f"booking:{name('a')}"
    assert list(evidence(readings, [here])) == [
        Evidence(at(-20), source, "HELD"),
        Evidence(at(-18), source, "CONFIRMED"),
        Evidence(at(5), "sensor:sensor-1", "free"),
        Evidence(at(9), "sensor:sensor-1", "occupied"),
        Evidence(at(10), source, "OCCUPIED"),
        Evidence(at(20), "sensor:sensor-1", "free"),
    ]


def test_each_state_of_a_booking_with_its_time() -> None:
    source = f"booking:{name('a')}"
    settled = booking(Status.SETTLED, 0, 60)
    assert said(settled) == [
        (-30, source, "HELD"),
        (-28, source, "CONFIRMED"),
        (0, source, "OCCUPIED"),
        (60, source, "SETTLED"),
    ]
    over = booking(Status.OVERSTAYED, 0, 60, changed_at=at(65))
    assert said(over)[-1] == (65, source, "OVERSTAYED")
    held = booking(Status.HELD, 0, 60)
    assert said(held) == [(-30, source, "HELD")]


def test_the_owners_claim_was_never_held() -> None:
    kept = owners(Status.CONFIRMED, 0, 60)
    assert [one for _, _, one in said(kept)] == ["CONFIRMED"]


def test_nothing_of_vehicles_and_owners() -> None:
    text = repr(evidence([reading(0, True)], [booking(Status.OCCUPIED, 0, 60)]))
    assert str(VEHICLE) not in text
    assert str(OWNER) not in text
    assert [one.name for one in fields(Evidence)] == ["at", "source", "said"]
