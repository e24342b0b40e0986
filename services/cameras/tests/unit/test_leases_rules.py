"""The lease rules as a table of cases: each rule, and what it must come to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from uuid import UUID

import pytest
from cameras.leases.incident import Incident
from cameras.leases.lease import (
    IN_FORCE,
    INCIDENT_ENDED,
    NOT_APPROVED,
    OPEN,
    TIME_IS_UP,
    TRANSITIONS,
    Act,
    Ground,
    Lease,
    Limits,
    Status,
    request,
    request_automatically,
)
from city_backbone.errors import FailedPrecondition, InvalidArgument

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
LIMITS = Limits(duration=timedelta(minutes=60), approval=timedelta(minutes=10))
ID = UUID(int=1)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def at(number: float) -> datetime:
    return NOW + minutes(number)


def incident(live: bool = True, police_code: int | None = 1) -> Incident:
    return Incident(UUID(int=2), 1, live, police_code)


def asked(police_code: int | None = 1, duration: float = 30, live: bool = True) -> Lease:
    return request(
        ID,
        "park-0001-1",
        incident(live, police_code),
        Ground.RESCUE,
        "kim",
        "operator",
        minutes(duration),
        LIMITS,
        NOW,
    )


def scene(duration: float = 30, police_code: int | None = None, live: bool = True) -> Lease:
    return request_automatically(
        ID,
        "park-0001-1",
        incident(live, police_code),
        Ground.RESCUE,
        "room-119",
        "emergency",
        minutes(duration),
        LIMITS,
        NOW,
    )


def approved(at_minute: float = 5, **how: float) -> Lease:
    return asked(**how).approve("lee", at(at_minute))  # type: ignore[arg-type]


Case = tuple[str, Callable[[], Lease], Status, dict[str, object]]

WAITING: list[Case] = [
    (
        f"112 code {code} waits like any other",
        partial(asked, police_code=code),
        Status.REQUESTED,
        {"approved_afterwards": False},
    )
    for code in (1, 2, 3, 4, None)
]
LIVES: list[Case] = [
    # what happens, how, status, what else must hold
    ("a request waits", asked, Status.REQUESTED, {"starts_at": None, "approve_by": at(10)}),
    *WAITING,
    (
        "112 code 0 is in force at once, and marked",
        lambda: asked(police_code=0),
        Status.PROVISIONAL,
        {
            "starts_at": NOW,
            "ends_at": at(30),
            "approve_by": at(10),
            "approved_afterwards": True,
            "automatic": False,
        },
    ),
    (
        "nothing is left to approve after the end of a short one",
        lambda: asked(police_code=0, duration=3),
        Status.PROVISIONAL,
        {"ends_at": at(3), "approve_by": at(3)},
    ),
    (
        "a room's scene is in force at once, whatever its code, and marked",
        scene,
        Status.PROVISIONAL,
        {
            "starts_at": NOW,
            "approved_afterwards": True,
            "automatic": True,
            "approver": "",
            "approve_by": at(10),
        },
    ),
    (
        "approved: in force from then, for its whole duration",
        approved,
        Status.ACTIVE,
        {
            "starts_at": at(5),
            "ends_at": at(35),
            "approver": "lee",
            "approved_afterwards": False,
        },
    ),
    (
        "the longest",
        lambda: asked(duration=60).approve("lee", at(9)),
        Status.ACTIVE,
        {"ends_at": at(69)},
    ),
    (
        "approved in the last moment",
        lambda: asked().approve("lee", at(10) - timedelta(microseconds=1)),
        Status.ACTIVE,
        {},
    ),
    (
        "not approved in time",
        lambda: asked().at(at(10)),
        Status.ENDED,
        {"reason": NOT_APPROVED, "ends_at": None, "approved_afterwards": False},
    ),
    (
        "refused",
        lambda: asked().refuse("lee", "no ground", at(5)),
        Status.REFUSED,
        {"approver": "lee", "reason": "no ground", "starts_at": None, "ends_at": None},
    ),
    (
        "code 0 approved afterwards: still marked, not longer",
        lambda: asked(police_code=0).approve("lee", at(9)),
        Status.ACTIVE,
        {"approved_afterwards": True, "starts_at": NOW, "ends_at": at(30), "approver": "lee"},
    ),
    (
        "code 0 not approved in time",
        lambda: asked(police_code=0).at(at(10)),
        Status.ENDED,
        {"reason": NOT_APPROVED, "approved_afterwards": True, "ends_at": at(10)},
    ),
    (
        "code 0 refused afterwards",
        lambda: asked(police_code=0).refuse("lee", "no ground", at(5)),
        Status.REVOKED,
        {"approver": "lee", "approved_afterwards": True, "ends_at": at(5)},
    ),
    (
        "a scene approved afterwards",
        lambda: scene().approve("lee", at(5)),
        Status.ACTIVE,
        {"automatic": True, "approved_afterwards": True, "ends_at": at(30)},
    ),
    (
        "a scene nobody approved",
        lambda: scene().at(at(10)),
        Status.ENDED,
        {"reason": NOT_APPROVED, "automatic": True, "approved_afterwards": True},
    ),
    (
        "in force until just before its end",
        lambda: approved().at(at(35) - timedelta(microseconds=1)),
        Status.ACTIVE,
        {},
    ),
    ("its time is up", lambda: approved().at(at(35)), Status.ENDED, {"reason": TIME_IS_UP}),
    (
        "revoked",
        lambda: approved().revoke("found", at(7)),
        Status.REVOKED,
        {"reason": "found", "ends_at": at(7), "approver": "lee"},
    ),
    (
        "code 0 revoked before anybody approved",
        lambda: asked(police_code=0).revoke("found", at(7)),
        Status.REVOKED,
        {"approved_afterwards": True},
    ),
    (
        "a request ends with its incident",
        lambda: asked().end_with_incident(at(5)),
        Status.ENDED,
        {"reason": INCIDENT_ENDED, "ends_at": None},
    ),
    (
        "a lease ends with its incident",
        lambda: approved().end_with_incident(at(7)),
        Status.ENDED,
        {"reason": INCIDENT_ENDED, "ends_at": at(7)},
    ),
    (
        "one not approved ends with its incident, and says so",
        lambda: asked(police_code=0).end_with_incident(at(5)),
        Status.ENDED,
        {"reason": f"{INCIDENT_ENDED}; {NOT_APPROVED}", "approved_afterwards": True},
    ),
    (
        "what was over before its incident ended for its own reason",
        lambda: approved().end_with_incident(at(40)),
        Status.ENDED,
        {"reason": TIME_IS_UP, "ends_at": at(35)},
    ),
]


@pytest.mark.parametrize(
    ("how", "status", "also"), [case[1:] for case in LIVES], ids=[case[0] for case in LIVES]
)
def test_a_life(how: Callable[[], Lease], status: Status, also: dict[str, object]) -> None:
    lease = how()
    assert lease.status is status
    assert {name: getattr(lease, name) for name in also} == also


REFUSED: list[tuple[str, Callable[[], Lease], str]] = [
    # what is tried, how, reason
    ("the incident has ended", lambda: asked(live=False), "INCIDENT_NOT_LIVE"),
    ("the incident of a scene has ended", lambda: scene(live=False), "INCIDENT_NOT_LIVE"),
    ("own request", lambda: asked().approve("kim", at(5)), "OWN_REQUEST"),
    ("own request, other capitals", lambda: asked().approve(" KIM ", at(5)), "OWN_REQUEST"),
    ("own code 0", lambda: asked(police_code=0).approve("Kim", at(5)), "OWN_REQUEST"),
    ("own refusal", lambda: asked().refuse("kim", "no", at(5)), "OWN_REQUEST"),
    ("a room's own scene", lambda: scene().approve("Room-119", at(5)), "OWN_REQUEST"),
    ("approved too late", lambda: asked().approve("lee", at(10)), "LIFE_CYCLE"),
    (
        "code 0 approved too late",
        lambda: asked(police_code=0).approve("lee", at(10)),
        "LIFE_CYCLE",
    ),
    ("refused too late", lambda: asked().refuse("lee", "no", at(10)), "LIFE_CYCLE"),
    ("approved twice", lambda: approved().approve("park", at(6)), "LIFE_CYCLE"),
    ("refused when in force", lambda: approved().refuse("park", "no", at(6)), "LIFE_CYCLE"),
    ("revoked before in force", lambda: asked().revoke("no", at(5)), "LIFE_CYCLE"),
    ("revoked after its end", lambda: approved().revoke("no", at(35)), "LIFE_CYCLE"),
    (
        "approved after a refusal",
        lambda: asked().refuse("lee", "no", at(5)).approve("park", at(6)),
        "LIFE_CYCLE",
    ),
    (
        "approved after its incident",
        lambda: asked().end_with_incident(at(5)).approve("lee", at(6)),
        "LIFE_CYCLE",
    ),
    (
        "revoked twice",
        lambda: approved().revoke("no", at(6)).revoke("no", at(7)),
        "LIFE_CYCLE",
    ),
]


@pytest.mark.parametrize(
    ("how", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_refusal(how: Callable[[], Lease], reason: str) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        how()
    assert raised.value.reason == reason


@pytest.mark.parametrize("duration", [-1, 0, 60.001, 1e6])
def test_a_duration_outside_the_limits(duration: float) -> None:
    with pytest.raises(InvalidArgument) as raised:
        asked(duration=duration)
    assert raised.value.field == "duration"


def test_every_pair_of_status_and_act_is_decided_by_the_table() -> None:
    """What is not in the table is refused, and nothing that is over comes back."""
    acts: dict[Act, Callable[[Lease], Lease]] = {
        Act.APPROVE: lambda lease: lease.approve("lee", at(1)),
        Act.REFUSE: lambda lease: lease.refuse("lee", "no", at(1)),
        Act.REVOKE: lambda lease: lease.revoke("no", at(1)),
    }
    for status, (act, run) in product(Status, acts.items()):
        lease = replace(asked(police_code=0), status=status)
        expected = TRANSITIONS.get((status, act))
        if expected is None:
            with pytest.raises(FailedPrecondition):
                run(lease)
        else:
            assert run(lease).status is expected
    assert {status for status, _ in TRANSITIONS} == OPEN
    assert IN_FORCE < OPEN


@pytest.mark.parametrize("minute", [0, 5, 9.9, 10, 29, 30, 35, 100])
@pytest.mark.parametrize(
    "lease",
    [asked(), asked(police_code=0), scene(), approved(), scene().approve("lee", NOW)],
    ids=["asked", "code 0", "scene", "approved", "scene approved"],
)
def test_in_force_only_between_start_and_end(lease: Lease, minute: float) -> None:
    if lease.in_force(at(minute)):
        assert lease.starts_at is not None
        assert lease.ends_at is not None
        assert at(minute) < lease.ends_at <= lease.starts_at + LIMITS.duration
    else:
        assert lease.at(at(minute)).status in {Status.REQUESTED, Status.ENDED}
