"""The parking players against a department of the test's own, over real sockets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import grpc
import pytest
import pytest_asyncio
from city_backbone.errors import Aborted, FailedPrecondition, PermissionDenied
from city_backbone.testing import eventually
from tenacity import wait_none

from loadtests.city.calls import Calls, reason
from loadtests.city.errors import RefusedError
from loadtests.city.parking.alley import alley
from loadtests.city.parking.drivers import Town
from loadtests.city.parking.office import Office
from loadtests.city.parking.player import LATE_SECONDS, ParkingPlayer
from loadtests.city.parking.rates import Habit
from loadtests.city.parking.street import Street
from loadtests.city.parking.trips import Load, Stray, Trip, Visit, beginning
from loadtests.tests.parking_office import ParkingOffice

NOW = 1_795_489_200
LOAD = Load(1, 60.0)
TRIP = Trip(
    trip_id="t",
    vehicle=0,
    goal=(37.527, 126.769),
    walk_metres=400.0,
    by_price=False,
    minutes=10,
    habit=Habit.PARKS,
    ahead=0.0,
    decide=2.0,
    come=3.0,
    stay=60.0,
    linger=0.0,
)


@dataclass
class World:
    """A department, and the clock of one player, which runs only while somebody rests."""

    office: ParkingOffice
    channel: grpc.aio.Channel
    elapsed: float = 0.0
    rests: list[float] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    street: Street = field(default_factory=lambda: Street(alley(1)))

    def now(self) -> float:
        return NOW + self.elapsed

    async def pass_by(self, seconds: float) -> None:
        self.elapsed += seconds

    async def rest(self, seconds: float) -> None:
        """Time passes as `rests` tells; then the player is stopped as by SIGTERM."""
        if not self.rests:
            raise asyncio.CancelledError
        self.elapsed += self.rests.pop(0)

    def desk(self) -> Office:
        return Office(self.channel, Calls("parking", 10.0, wait_none()))

    def player(self, load: Load = LOAD) -> ParkingPlayer:
        return ParkingPlayer(self.desk(), load, now=self.now, rest=self.rest)

    def town(self) -> Town:
        def told(word: str) -> None:
            self.told[word] += 1

        return Town(self.desk(), self.street, told, now=self.now, rest=self.pass_by)

    async def drive(self, trip: Trip) -> list[str]:
        """The bookings' methods the trip calls, in order."""
        async with asyncio.timeout(60):
            await self.town().drive(trip, "v")
        return [method for method, _ in self.office.acts if method != "RegisterOwner"]

    def seen(self) -> list[tuple[str, bool, float]]:
        """What the sensors told: bay, occupied, seconds from the beginning."""
        return [
            (one.sensor_id.removesuffix("-s"), one.occupied, one.micros / 1_000_000 - NOW)
            for one in self.street.changes()
        ]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    office = ParkingOffice()
    server = grpc.aio.server()
    office.serve(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield World(office, channel)
    await server.stop(None)


@pytest.fixture
def lent(world: World) -> World:
    """With bays that can be found, without the hundreds of calls that make them known."""
    world.office.bays = {bay.bay_id: bay for bay in alley(1)}
    return world


FIRST = alley(1)[0].bay_id
SECOND = alley(1)[1].bay_id
FOUND = ["SearchBays", "HoldBay"]
PAID = [*FOUND, "ConfirmBooking"]


@pytest.mark.parametrize(
    ("habit", "changes", "acts", "last", "seen"),
    [
        (
            Habit.PARKS,
            {},
            [*PAID, "CheckIn", "CheckOut"],
            "checked_out",
            [(FIRST, True, 5.0), (FIRST, False, 65.0)],
        ),
        (Habit.RELEASES, {}, [*FOUND, "CancelBooking"], "released", []),
        (Habit.FORGETS, {}, FOUND, "held", []),
        (Habit.CANCELS, {"ahead": 7200.0}, [*PAID, "CancelBooking"], "cancelled", []),
        (Habit.STAYS_AWAY, {}, PAID, "confirmed", []),
        (
            Habit.SLIPS_AWAY,
            {},
            [*PAID, "CheckIn"],
            "checked_in",
            [(FIRST, True, 5.0), (FIRST, False, 65.0)],
        ),
        (
            Habit.LINGERS,
            {"linger": 400.0},
            [*PAID, "CheckIn", "CheckOut"],
            "checked_out",
            [(FIRST, True, 5.0), (FIRST, False, 465.0)],
        ),
        (
            Habit.OVERSTAYS,
            {"stay": 1000.0},
            [*PAID, "CheckIn", "CheckOut"],
            "checked_out",
            [(FIRST, True, 5.0), (FIRST, False, 1005.0)],
        ),
    ],
)
async def test_a_driver_does_what_the_habit_says(
    lent: World,
    habit: Habit,
    changes: dict[str, float],
    acts: list[str],
    last: str,
    seen: list[tuple[str, bool, float]],
) -> None:
    trip = replace(TRIP, habit=habit, **changes)  # type: ignore[arg-type]
    assert await lent.drive(trip) == acts
    assert lent.told[last] == 1
    assert lent.seen() == seen


async def test_a_booking_begins_soon_after_now_or_when_it_is_wanted(lent: World) -> None:
    await lent.town().drive(TRIP, "v")
    await lent.town().drive(replace(TRIP, habit=Habit.FORGETS, ahead=3600.0, trip_id="u"), "v")
    (booking,) = lent.office.held.values()
    start = booking.interval.starts_at.seconds
    assert start - NOW == 65 + 3600 + 1
    assert booking.interval.ends_at.seconds - start == 600


async def test_who_comes_too_late_for_a_bay_takes_the_next(lent: World) -> None:
    lent.office.refuse["HoldBay"] = [Aborted("BAY_TAKEN", "taken")]
    assert await lent.drive(TRIP) == [*FOUND, *PAID, "CheckIn", "CheckOut"]
    assert [bay for _, bay in lent.office.of("HoldBay")] == [FIRST, SECOND]
    assert lent.told["bay_taken"] == 1
    assert len(set(lent.office.keys)) == len(lent.office.keys)


async def test_a_full_alley_sends_drivers_away(world: World) -> None:
    assert await world.drive(TRIP) == ["SearchBays"]
    assert world.told == {"full": 1}


async def test_a_driver_who_finds_another_car_in_the_bay_cancels(lent: World) -> None:
    assert lent.street.arrive(FIRST, 0)
    assert await lent.drive(TRIP) == [*PAID, "CancelBooking"]
    assert lent.told["found_taken"] == 1


async def test_a_refused_check_in_does_not_leave_a_car_behind(lent: World) -> None:
    lent.office.refuse["CheckIn"] = [FailedPrecondition("TOO_LATE", "ended")]
    await lent.drive(TRIP)
    assert lent.told["too_late"] == 1
    assert lent.seen() == [(FIRST, True, 5.0), (FIRST, False, 5.0)]


@pytest.mark.parametrize("method", ["HoldBay", "ConfirmBooking", "CheckIn", "CheckOut"])
async def test_an_act_whose_answer_is_lost_is_asked_again_and_is_the_same(
    lent: World, method: str
) -> None:
    lent.office.lose[method] = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    acts = await lent.drive(TRIP)
    assert acts.count(method) == 3
    assert len(lent.office.keys) - len(set(lent.office.keys)) == 2
    assert lent.told["checked_out"] == 1


async def test_what_no_driver_can_be_the_reason_of_ends_the_playing(lent: World) -> None:
    lent.office.refuse["HoldBay"] = [PermissionDenied("NOT_REGISTERED", "not in the policy")]
    with pytest.raises(RefusedError, match="parking: HoldBay: PERMISSION_DENIED") as refused:
        await lent.drive(TRIP)
    assert reason(refused.value) == "NOT_REGISTERED"


async def test_a_stray_car_asks_nobody(lent: World) -> None:
    await lent.town().stand(Stray("s", 1, 90.0), FIRST)
    assert not lent.office.acts
    assert lent.seen() == [(FIRST, True, 0.0), (FIRST, False, 90.0)]


async def test_an_owner_takes_the_bay_for_a_while_and_gives_it_back(lent: World) -> None:
    await lent.town().visit(Visit("w", 1, 30, 60.0), FIRST, "o")
    assert lent.office.acts == [("BlockBay", FIRST), ("CancelBooking", FIRST)]
    assert lent.seen() == [(FIRST, True, 0.0), (FIRST, False, 60.0)]
    lent.office.refuse["BlockBay"] = [Aborted("BAY_TAKEN", "a confirmed booking stands")]
    await lent.town().visit(Visit("x", 1, 30, 60.0), FIRST, "o")
    assert lent.told == {"blocked": 1, "given_back": 1, "bay_taken": 1}


async def test_all_is_registered_and_again_is_the_same_change(world: World) -> None:
    player = world.player()
    await player.register()
    keys = Counter(world.office.keys)
    await player.register()
    assert set(world.office.keys) == set(keys)
    assert max(keys.values()) == 1
    office = world.office
    assert (len(office.owners), len(office.bays), len(office.vehicles)) == (280, 280, 400)
    assert set(office.sensors.values()) == set(office.bays)
    assert {"samjeong", "000-2-000035"} <= set(office.lots)
    assert {bay.owner_id for bay in office.bays.values()} == set(office.owners)


async def test_a_bay_that_stands_under_an_older_registration_stays_as_it_is(world: World) -> None:
    world.office.refuse["OfferBay"] = [PermissionDenied("OTHER_OWNER", "another owner's")]
    player = world.player()
    await player.register()
    assert player.outcome["kept"] == 1
    for refusal, code in (
        (PermissionDenied("NOT_REGISTERED", "not in the policy"), "PERMISSION_DENIED"),
        (FailedPrecondition("NOT_SHARED", "a lot of the city"), "FAILED_PRECONDITION"),
    ):
        # As many as there are bays: calls that the last failure ended may be answered yet.
        world.office.refuse["OfferBay"] = [refusal] * 280
        with pytest.raises(RefusedError, match=f"OfferBay: {code}"):
            await player.register()


async def test_sensors_tell_and_are_registered_again_when_they_are_forgotten(world: World) -> None:
    world.rests = [1.0] * 60
    player = world.player()
    world.office.lose["ReportOccupancy"] = [grpc.StatusCode.UNAVAILABLE]
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await player.sense()
    assert len(world.office.of("RegisterSharedLot")) == 1
    assert {bay for bay, _, _ in world.office.readings} == set(world.office.bays)
    assert not any(occupied for _, occupied, _ in world.office.readings)


async def test_what_began_long_ago_is_left_out_and_each_second_begins_once(world: World) -> None:
    world.rests = [100.0, 3.0]
    player = world.player()
    await player.register()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await player.drive()
    old = [beginning(LOAD, NOW + at).trips for at in range(100 - LATE_SECONDS)]
    assert player.outcome["left_out"] >= sum(map(len, old)) > 50


@dataclass
class Days:
    """A player whose loop ticks `ticks` times while everybody who drives waits for ever."""

    world: World
    start: int
    ticks: int
    waiting: int = 0
    wanted: int = 0

    async def rest(self, seconds: float) -> None:
        if seconds > 1.0:
            self.waiting += 1
            await asyncio.Event().wait()
        if self.ticks:
            self.ticks -= 1
            self.start += 1
            return

        async def all_wait() -> bool:
            return self.waiting >= self.wanted

        await eventually(all_wait)
        raise asyncio.CancelledError

    async def play(self, load: Load) -> ParkingPlayer:
        player = ParkingPlayer(self.world.desk(), load, now=lambda: self.start, rest=self.rest)
        await player.register()
        self.world.office.bays |= {f"more-{number}": None for number in range(500)}
        async with asyncio.timeout(60):
            with pytest.raises(asyncio.CancelledError):
                await player.drive()
        return player


async def test_no_car_is_on_two_trips_at_once(world: World) -> None:
    load = Load(1, 600.0)

    def twice(start: int) -> list[Trip]:
        """Trips whose car is on another one, of those that do not end at once."""
        trips = beginning(load, start).trips
        cars = Counter(trip.vehicle for trip in trips)
        return [t for t in trips if cars[t.vehicle] > 1 and t.habit is not Habit.FORGETS]

    start = next(start for start in range(NOW, NOW + 600) if len(twice(start)) == 2)
    found = beginning(load, start)
    rests = [trip for trip in found.trips if trip.habit is not Habit.FORGETS]
    days = Days(world, start, ticks=1, wanted=len(rests) - 1 + len(found.strays))
    player = await days.play(load)
    assert player.outcome["left_out"] == 1
    assert len(world.office.of("HoldBay")) == len(found.trips) - 1


async def test_no_more_are_under_way_than_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.city.parking.player.MAX_AT_ONCE", 5)
    load = Load(1, 600.0)
    begins = [beginning(load, NOW + tick) for tick in range(3)]
    player = await Days(world, NOW, ticks=3, wanted=4).play(load)
    total = sum(len(one.trips) + len(one.strays) + len(one.visits) for one in begins)
    assert total - 7 <= player.outcome["left_out"] <= total - 5
