"""Every figure of the cameras' model, and where it is from.

DOMAIN: the estate and rules as the project states them (press reports of 2019 to 2022).
ISSUE: the load the city is built for. ASSUMPTION: chosen, for the reason given.
"""

from dataclasses import dataclass

from loadtests.city.cameras.kinds import Kind, Purpose

# DOMAIN: sites and cameras by purpose; 898 and 3,038 in all.
ESTATE = {
    Purpose.LIVING_AREA_SECURITY: (608, 2_277),
    Purpose.PARK: (171, 349),
    Purpose.VEHICLE: (22, 36),
    Purpose.CHILD_PROTECTION: (97, 376),
}
# ASSUMPTION: a pole carries no more; the means are 3.7, 2.0, 1.6 and 3.9.
MAX_CAMERAS_PER_SITE = 8
# ASSUMPTION: two poles are not closer, metres.
MIN_METRES_BETWEEN_SITES = 20.0
# ASSUMPTION: cameras stand around the place they are for and look across it, metres.
METRES_FROM_MIDDLE = 10.0
# DOMAIN: the common municipal policy.
RETENTION_DAYS = 30
# ASSUMPTION: field of view (degrees) and range (metres), lowest and highest: common 1080p bullet
# cameras at about 4 m height; those that read number plates are narrow and far.
VIEWS = {
    Purpose.LIVING_AREA_SECURITY: ((60.0, 110.0), (25.0, 60.0)),
    Purpose.PARK: ((70.0, 110.0), (30.0, 80.0)),
    Purpose.VEHICLE: ((25.0, 45.0), (40.0, 100.0)),
    Purpose.CHILD_PROTECTION: ((60.0, 100.0), (25.0, 60.0)),
}
# ASSUMPTION: cameras that turn or see all around, share of the purpose's cameras.
ALL_AROUND_SHARE = {
    Purpose.LIVING_AREA_SECURITY: 0.2,
    Purpose.PARK: 0.3,
    Purpose.VEHICLE: 0.0,
    Purpose.CHILD_PROTECTION: 0.15,
}
ALL_AROUND_VIEW = 360.0
# ASSUMPTION: cameras of the scenes' sites; they see the other site of the fire, 60 m off.
STAGE_VIEW = 90.0
STAGE_RANGE = 80.0

# ISSUE: about 300 heartbeats a second, which is one of each camera in ten seconds.
HEARTBEAT_SECONDS = 10
# The service calls a camera offline after 60 s; more seldom than this is no sign of life.
SLOWEST_HEARTBEAT_SECONDS = 20
# ASSUMPTION: hours in which a camera falls silent once, so that one does every two minutes; how
# long, seconds, lowest and highest.
OUTAGE_SHARE_OF_HOURS = 0.01
OUTAGE_SECONDS = (120.0, 900.0)

# ISSUE: 60 to 600 detections a second over the city. ASSUMPTION: their course over the day, a
# value for each hour of Seoul time; people and headlights make detections.
# fmt: off
DETECTIONS_PER_SECOND = (
    120.0, 90.0, 75.0, 70.0, 70.0, 85.0, 140.0, 260.0, 340.0, 300.0, 280.0, 290.0,
    320.0, 310.0, 300.0, 320.0, 350.0, 380.0, 400.0, 370.0, 320.0, 270.0, 210.0, 160.0,
)
# fmt: on
# ASSUMPTION: a burst in three of ten windows of five minutes, over one neighbourhood (a match
# ends, rain sets in): how long, seconds, and how much more than usual the whole city then has.
BURST_WINDOW_SECONDS = 300
BURST_CHANCE = 0.3
BURST_SECONDS = (20.0, 60.0)
BURST_FACTOR = (1.2, 1.45)
# ISSUE: the share that is malformed.
MALFORMED_SHARE = 0.001
# ASSUMPTION: detections without a box; some makes do not tell it.
BOXLESS_SHARE = 0.2

# ASSUMPTION: what analytics think they see, shares; many people, few fires.
KIND_SHARES = {
    Kind.LOITERING: 0.44,
    Kind.INTRUSION: 0.20,
    Kind.ABANDONMENT: 0.10,
    Kind.FALL: 0.08,
    Kind.FIGHT: 0.06,
    Kind.FIRE: 0.05,
    Kind.MISSING_PERSON: 0.04,
    Kind.ARSON: 0.02,
    Kind.DROWNING: 0.01,
}
# The shortest dwell of any rule for the kind, seconds (rule set 1 of `cameras`).
SHORTEST_DWELL = {
    Kind.LOITERING: 60.0,
    Kind.INTRUSION: 5.0,
    Kind.ABANDONMENT: 60.0,
    Kind.FALL: 10.0,
    Kind.FIGHT: 5.0,
    Kind.FIRE: 4.0,
    Kind.MISSING_PERSON: 3.0,
    Kind.ARSON: 3.0,
    Kind.DROWNING: 4.0,
}
# The lowest confidence that counts (rule set 1; 0.7 for a missing person).
MIN_CONFIDENCE = 0.6
# ASSUMPTION: seconds between two detections of one track: 5 a second while something happens,
# one a second of what stands still.
INTERVAL_SECONDS = dict.fromkeys(Kind, 0.2) | {Kind.LOITERING: 1.0, Kind.ABANDONMENT: 1.0}


@dataclass(frozen=True, slots=True)
class Habit:
    """A way in which analytics are wrong: its share of the tracks, and each track's confidence.

    `seconds` is how long a track lasts, `dwells` the same in shortest dwells of its kind; either is
    given, lowest and highest.
    """

    share: float
    confidence: tuple[float, float]
    seconds: tuple[float, float] | None = None
    dwells: tuple[float, float] | None = None


# ASSUMPTION, all four: seen once and gone; flickers for a moment, whatever the confidence; lasts
# but is doubtful; is sure but ends just before the dwell time. None may become an alarm.
HABITS = (
    Habit(share=0.62, confidence=(0.20, 0.75), seconds=(0.0, 0.0)),
    Habit(share=0.33, confidence=(0.30, 0.90), seconds=(0.4, 2.4)),
    Habit(share=0.03, confidence=(0.30, 0.58), dwells=(1.1, 1.6)),
    Habit(share=0.02, confidence=(0.62, 0.92), dwells=(0.60, 0.95)),
)

# ASSUMPTION: kinds that false alarms have, shares; none that goes out by itself at once.
FALSE_ALARM_SHARES = {
    Kind.FALL: 0.30,
    Kind.INTRUSION: 0.25,
    Kind.FIGHT: 0.20,
    Kind.ABANDONMENT: 0.15,
    Kind.FIRE: 0.10,
}
FALSE_ALARM_CONFIDENCE = (0.65, 0.95)
FALSE_ALARM_DWELLS = (1.25, 1.6)
# ASSUMPTION: a second camera of the site sees it too, seconds later.
SECOND_WITNESS_SHARE = 0.4
SECOND_WITNESS_SECONDS = (0.5, 2.5)

# ASSUMPTION, operators: seconds until one looks, and until one has decided; alarms nobody gets to;
# those decided that are nothing.
LOOK_SECONDS = (2.0, 12.0)
DECIDE_SECONDS = (4.0, 25.0)
MISSED_SHARE = 0.1
NOTHING_SHARE = 0.7
