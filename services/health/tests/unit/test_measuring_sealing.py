"""What is kept of a measurement: all of it, only for its person, and of one length."""

import os
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from city_backbone.errors import Unreadable
from health.measuring.measurement import Code, Measurement
from health.measuring.sealing import open_sealed, seal
from health.people.sealing import PersonalBox
from hypothesis import given
from hypothesis import strategies as st

KEY = os.urandom(32)
BOX = PersonalBox(uuid4(), KEY)
LONG = "a" * 64

measurements = st.builds(
    Measurement,
    code=st.sampled_from(Code),
    value=st.floats(0, 1000),
    diastolic=st.none() | st.floats(0, 1000),
    fasting=st.none() | st.booleans(),
    taken_at=st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),
    device_id=st.sampled_from(["", "d", LONG]),
)


@given(measurements, st.sampled_from([None, "k", LONG]))
def test_it_opens_as_it_was_and_its_length_tells_nothing(
    measurement: Measurement, kiosk_id: str | None
) -> None:
    sealed = seal(BOX, measurement, kiosk_id)
    assert open_sealed(BOX, sealed) == measurement
    assert len(sealed) == 512 + 12 + 16


def test_it_opens_for_nobody_else() -> None:
    measurement = Measurement(Code.HEART_RATE, 70, None, None, datetime.now(UTC), "d")
    sealed = seal(BOX, measurement, None)
    for other in (PersonalBox(uuid4(), KEY), PersonalBox(BOX.person_id, os.urandom(32))):
        with pytest.raises(Unreadable):
            open_sealed(other, sealed)
