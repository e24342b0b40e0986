"""When somebody should measure again, or see a doctor. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from health.assessment.rules import Level
from health.measuring.measurement import Code


class Kind(StrEnum):
    """What to remind of."""

    MEASURE_AGAIN = "MEASURE_AGAIN"
    SEE_DOCTOR = "SEE_DOCTOR"


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """What one measurement advised, and its points after NEWS2. Newer is greater; of two of one
    time the worse."""

    taken_at: datetime
    level: Level
    score: int


def renewed(
    known: Mapping[Code, Reading], taken: Iterable[tuple[Code, Reading]]
) -> dict[Code, Reading]:
    """The newest of each code, in whatever order they come and however often."""
    newest = dict(known)
    for code, reading in taken:
        newest[code] = max(reading, newest.get(code, reading))
    return newest


@dataclass(frozen=True, slots=True)
class Rule:
    """`measure_again` is after no findings, half of it after any; `see_doctor` is after advice to
    see one, half of it after advice to see one soon.

    Readings within `visit` of the newest are of one visit: their points together may be acute,
    which is `acute_total` or more, where each alone is not. 119 is told of that by others, and
    not when it comes late.
    """

    measure_again: timedelta
    see_doctor: timedelta
    visit: timedelta
    acute_total: int

    def due(self, newest: Mapping[Code, Reading]) -> dict[Kind, datetime]:
        """By the newest reading of each code, at least one; a kind that is not due is absent.

        To measure again is due after the last visit, as soon as the worst of all codes asks;
        a doctor as soon as any code asks.
        """
        last = max(reading.taken_at for reading in newest.values())
        findings = any(reading.level is not Level.NORMAL for reading in newest.values())
        due = {Kind.MEASURE_AGAIN: last + self.measure_again / (2 if findings else 1)}
        doctor = [
            reading.taken_at + self.see_doctor / (2 if reading.level is Level.CONSULT_SOON else 1)
            for reading in newest.values()
            if reading.level >= Level.CONSULT
        ]
        points = sum(
            reading.score for reading in newest.values() if last - reading.taken_at <= self.visit
        )
        if points >= self.acute_total:
            doctor.append(last + self.see_doctor / 2)
        if doctor:
            due[Kind.SEE_DOCTOR] = min(doctor)
        return due
