"""Every figure of the parking model, and where it is from.

DOMAIN: the pilot as the project states it (press reports of 2019 to 2022). DATA: the national
standard data set of public parking (loadtests/data). LAW: 주차장법 시행규칙.
ASSUMPTION: chosen, for the reason given.
"""

from dataclasses import dataclass
from enum import StrEnum

# DOMAIN: a 280-bay pilot of bays in residents' alleys.
BAYS = 280
# ASSUMPTION: how the bays lie: lanes of so many bays, so far apart, metres; about 120 m by 330 m.
BAYS_PER_LANE = 20
METRES_BETWEEN_LANES = 25.0
# LAW: a parallel bay is 6 m long.
BAY_METRES = 6.0
# ASSUMPTION: the lanes' direction, degrees clockwise from north.
LANE_BEARING = 82.0

# ASSUMPTION: what owners may ask for each begun unit, won: from a quarter of what the public lots
# around (급지 3, 200 won for ten minutes, DATA) take, to as much.
UNIT_MINUTES = 10
MIN_UNIT_FEE_WON = 50
MAX_UNIT_FEE_WON = 200
UNIT_FEE_STEP_WON = 10
# DATA: the day pass of the public lots around.
DAY_PASS_WON = 4_000


class Household(StrEnum):
    """When a resident's car is away from its bay."""

    DAY_WORKER = "DAY_WORKER"
    NIGHT_WORKER = "NIGHT_WORKER"
    WEEKENDER = "WEEKENDER"
    NO_CAR = "NO_CAR"


# ASSUMPTION: shares of the households; most go to work by day, a few bays are free at any hour.
HOUSEHOLDS = {
    Household.DAY_WORKER: 0.62,
    Household.NIGHT_WORKER: 0.14,
    Household.WEEKENDER: 0.08,
    Household.NO_CAR: 0.16,
}
# ASSUMPTION: Seoul time, minutes after midnight, earliest and latest, in steps of ten minutes.
WINDOW_STEP_MINUTES = 10
LEAVE_BY_DAY = (7 * 60, 9 * 60)
RETURN_BY_DAY = (17 * 60 + 30, 20 * 60 + 30)
LEAVE_BY_NIGHT = (19 * 60, 21 * 60)
RETURN_BY_NIGHT = (6 * 60, 8 * 60)
# ASSUMPTION: for how many weeks ahead exceptions are told, and shares of the bays that have one in
# a week: a day at home in which the bay is not lent, a weekend away in which it is.
EXCEPTION_WEEKS = 6
AT_HOME_SHARE = 0.05
AWAY_SHARE = 0.03

# ASSUMPTION: drivers known to the company.
VEHICLES = 400
# ASSUMPTION: the course of arrivals over the day, a value for each hour of Seoul time; mean 1.
# fmt: off
ARRIVALS = (
    0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.6, 0.9, 1.3, 1.4, 1.4, 1.3,
    1.5, 1.4, 1.3, 1.3, 1.3, 1.4, 1.5, 1.5, 1.3, 1.0, 0.7, 0.4,
)
# fmt: on


class Habit(StrEnum):
    """What a driver does; see loadtests/city/parking/drivers.py."""

    PARKS = "PARKS"
    RELEASES = "RELEASES"
    FORGETS = "FORGETS"
    CANCELS = "CANCELS"
    STAYS_AWAY = "STAYS_AWAY"
    OVERSTAYS = "OVERSTAYS"
    SLIPS_AWAY = "SLIPS_AWAY"
    LINGERS = "LINGERS"


# ASSUMPTION: shares of the drivers; three of four do as agreed.
HABITS = {
    Habit.PARKS: 0.75,
    Habit.RELEASES: 0.04,
    Habit.FORGETS: 0.05,
    Habit.CANCELS: 0.07,
    Habit.STAYS_AWAY: 0.03,
    Habit.OVERSTAYS: 0.02,
    Habit.SLIPS_AWAY: 0.02,
    Habit.LINGERS: 0.02,
}
# ASSUMPTION: booked minutes and their shares. `parking` takes no less than ten.
BOOKED_MINUTES = {10: 0.15, 20: 0.15, 30: 0.2, 60: 0.25, 90: 0.1, 120: 0.1, 180: 0.05}
SHORTEST_MINUTES = 10
# ASSUMPTION: seconds from now to the start of a booking that is wanted at once.
LEAD_SECONDS = 5
# ASSUMPTION: who cancels had booked so many minutes ahead: refund steps differ by notice.
AHEAD_MINUTES = (20, 40 * 60)
# ASSUMPTION: share that takes the cheapest of the found bays, not the nearest.
BY_PRICE_SHARE = 0.3
# ASSUMPTION: how far drivers walk, metres.
WALK_METRES = 400.0

# ASSUMPTION, all in seconds and shortened (people stay for hours, a demonstration does not), lowest
# and highest: until a driver has paid, has come, has left again; until one cancels; how much longer
# than booked an overstayer stays (grace is 5 minutes); how long a car stands after its check-out
# (a dispute opens after 5 minutes).
DECIDE_SECONDS = (1.0, 8.0)
COME_SECONDS = (1.0, 15.0)
STAY_SECONDS = (10.0, 150.0)
CANCEL_SECONDS = (5.0, 60.0)
OVERSTAY_SECONDS = (360.0, 720.0)
LINGER_SECONDS = (330.0, 480.0)


@dataclass(frozen=True, slots=True)
class Besides:
    """What else happens, as a share of the drivers' rate, and for how long, seconds."""

    share: float
    seconds: tuple[float, float]


# ASSUMPTION: cars without a booking, of which some stand long enough (5 minutes) for a dispute;
# owners who come home before time and take their bay for a while.
STRAYS = Besides(share=0.03, seconds=(30.0, 600.0))
OWNERS_VISITS = Besides(share=0.03, seconds=(20.0, 180.0))
# ASSUMPTION: for how long an owner claims the bay at most, minutes.
VISIT_MINUTES = (10, 60)

# ASSUMPTION: so often a sensor repeats what it says, seconds; common LoRaWAN bay sensors do so
# hourly, which a demonstration cannot wait for.
REPEAT_SECONDS = 60
