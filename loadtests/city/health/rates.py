"""Every figure of the health model, and where it is from.

DOMAIN: the project as it is stated. KNHANES: about the means of adults in the yearly reports of the
Korea National Health and Nutrition Examination Survey (국민건강영양조사), rounded. NEWS2: the
score's bounds, Royal College of Physicians 2017. ASSUMPTION: chosen, for the reason given. All
values are computed, nobody's.
"""

from dataclasses import dataclass
from enum import StrEnum

# ASSUMPTION: people of the two zones who use the kiosks.
PEOPLE = 400
# ASSUMPTION: ages of who comes, youngest, oldest, most frequent: older people first.
AGES = (19, 92, 68)


class Code(StrEnum):
    """What is measured, as in kiosk.proto, in the units there."""

    BLOOD_PRESSURE = "BLOOD_PRESSURE"
    OXYGEN_SATURATION = "OXYGEN_SATURATION"
    BODY_TEMPERATURE = "BODY_TEMPERATURE"
    HEART_RATE = "HEART_RATE"
    BODY_MASS_INDEX = "BODY_MASS_INDEX"
    GLUCOSE = "GLUCOSE"


class Group(StrEnum):
    """취약계층, as in person.proto."""

    ELDERLY_ALONE = "ELDERLY_ALONE"
    DISABLED = "DISABLED"
    CHRONIC = "CHRONIC"
    LOW_INCOME = "LOW_INCOME"


class Purpose(StrEnum):
    """What people consent to beside that their measurements are kept, as in person.proto."""

    EMERGENCY = "EMERGENCY"
    REMINDER = "REMINDER"


# ASSUMPTION: shares of the people; of who is 65 or older and lives alone about as in Korea.
OLD = 65
ALONE_SHARE = 0.22
GROUPS = {Group.DISABLED: 0.08, Group.CHRONIC: 0.35, Group.LOW_INCOME: 0.07}
# ASSUMPTION: most consent to both, some to one or none.
PURPOSES = {Purpose.EMERGENCY: 0.85, Purpose.REMINDER: 0.75}
CONSENT_VERSION = "2026-1"


@dataclass(frozen=True, slots=True)
class Spread:
    """A normal distribution cut at `least` and `most`; `digits` after the point."""

    mean: float
    deviation: float
    least: float
    most: float
    digits: int = 0


# KNHANES: means of pressures, body mass index and fasting glucose. ASSUMPTION: the others (of
# healthy adults), all deviations and all bounds. The bounds of what NEWS2 scores allow at most 1
# point each, so that nobody is acute who is not meant to be.
SYSTOLIC = Spread(121, 14, 101, 189)
DIASTOLIC = Spread(76, 9, 50, 118)
SATURATION = Spread(97.3, 1.1, 94, 100)
TEMPERATURE = Spread(36.6, 0.35, 35.5, 38.6, digits=1)
PULSE = Spread(72, 10, 45, 109)
MASS_INDEX = Spread(24.0, 3.5, 15, 42, digits=1)
GLUCOSE_FASTING = Spread(101, 17, 60, 260)
# ASSUMPTION: what a meal adds to a glucose, and years of age to pressures above 40; how much the
# same person differs from one visit to the next, as a share of the deviation between people.
MEAL = Spread(25, 20, 0, 160)
SYSTOLIC_PER_YEAR, DIASTOLIC_PER_YEAR = 0.35, 0.05
FASTING_SHARE = 0.4
WITHIN = 0.5
# What the chronically ill have more of. ASSUMPTION: so that about a half of them have findings.
CHRONIC_SYSTOLIC, CHRONIC_GLUCOSE = 14.0, 25.0
# A blood pressure's two values are so far apart at least. ASSUMPTION.
PULSE_PRESSURE = 15


class Acute(StrEnum):
    """Why a session is acute: one parameter of 3, or a total of 5 and more."""

    LOW_SATURATION = "LOW_SATURATION"
    HIGH_PRESSURE = "HIGH_PRESSURE"
    FAST_PULSE = "FAST_PULSE"
    SLOW_PULSE = "SLOW_PULSE"
    TOGETHER = "TOGETHER"


# ASSUMPTION: shares.
ACUTE = {
    Acute.LOW_SATURATION: 0.35,
    Acute.HIGH_PRESSURE: 0.15,
    Acute.FAST_PULSE: 0.2,
    Acute.SLOW_PULSE: 0.1,
    Acute.TOGETHER: 0.2,
}
# NEWS2: the bands of 3 points of each, and of 2; inside what a device can show.
THREES = {
    Acute.LOW_SATURATION: {Code.OXYGEN_SATURATION: (84.0, 91.0)},
    Acute.HIGH_PRESSURE: {Code.BLOOD_PRESSURE: (220.0, 245.0)},
    Acute.FAST_PULSE: {Code.HEART_RATE: (131.0, 168.0)},
    Acute.SLOW_PULSE: {Code.HEART_RATE: (32.0, 40.0)},
    Acute.TOGETHER: {
        Code.OXYGEN_SATURATION: (92.0, 93.0),
        Code.BODY_TEMPERATURE: (39.1, 40.2),
        Code.HEART_RATE: (111.0, 130.0),
    },
}

# ASSUMPTION: how often a device is used in a session, in the order people use them.
USED = {
    Code.BLOOD_PRESSURE: 1.0,
    Code.HEART_RATE: 0.9,
    Code.OXYGEN_SATURATION: 0.8,
    Code.BODY_TEMPERATURE: 0.7,
    Code.BODY_MASS_INDEX: 0.6,
    Code.GLUCOSE: 0.5,
}
# ASSUMPTION: seconds that one measurement takes, shortened (a cuff alone takes a minute).
MEASURE_SECONDS = (3.0, 20.0)

# ASSUMPTION: the course of sessions over the day, a value for each hour of Seoul time; mean 1. By
# night few come: some kiosks stand where it is open.
# fmt: off
ARRIVALS = (
    0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.5, 0.8, 1.2, 1.9, 2.1, 1.9,
    1.3, 1.5, 2.0, 1.9, 1.6, 1.3, 1.0, 0.8, 0.7, 0.6, 0.5, 0.4,
)
# fmt: on

# ASSUMPTION, shares of the sessions: the stream breaks and is opened again; a kiosk that was
# offline delivers the whole session a second time; the person looks at the trend afterwards; the
# person withdraws.
CUT_SHARE = 0.06
AGAIN_SHARE = 0.3
LOOKS_SHARE = 0.15
WITHDRAWS_SHARE = 0.01
# ASSUMPTION: in so many of a kiosk's spells, each an hour, it is offline once, for so many minutes,
# shortest, longest, most frequent. What is acute and delivered later than 30 minutes calls nobody.
OFFLINE_SHARE = 0.15
SPELL_SECONDS = 3_600
OFFLINE_MINUTES = (1.0, 45.0, 3.0)
