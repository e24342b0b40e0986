"""The scenes of parking: what drivers, owners and sensors do, and what must come of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from city.parking.v1 import booking_pb2 as pb

from loadtests.city.calls import reason
from loadtests.city.errors import RefusedError
from loadtests.city.parking import wire
from loadtests.city.parking.office import Office
from loadtests.city.parking.street import Reading
from meshctl.demo.parking_plan import Claim, Contest, Doubt, PlayedScene, Span
from meshctl.demo.parking_stage import LATER_BAY, Stage, from_now, sensor_of
from meshctl.errors import MeshctlError

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_POLL_SECONDS = 0.2
_RUSHERS = 6
_UNTIL_SECONDS = 90
# 삼정3호: the first 30 minutes 300 won, then 200 for each begun ten.
_PUBLIC_MINUTES, _PUBLIC_WON = 55, 300 + 3 * 200
_HELD = ("HELD",)
_BOOKED = ("HELD", "CONFIRMED")
_PARKED = (*_BOOKED, "OCCUPIED")
_LEFT = (*_PARKED, "SETTLED")
Disputed = Callable[[Doubt], Awaitable[None]]


class Scenes:
    """Plays all of them at once, each on bays of its own.

    `later`: when LATER_BAY is lent. `margin`: how many seconds before its end a booking of one
    minute is made; what is done before then must fit. `disputed` waits for a dispute.
    """

    def __init__(
        self, office: Office, stage: Stage, later: Span, margin: int, disputed: Disputed
    ) -> None:
        self._office = office
        self._stage = stage
        self._later = later
        self._margin = margin
        self._disputed = disputed

    async def play(self) -> Sequence[PlayedScene]:
        """Raises RefusedError for a refusal that no scene foresees."""
        return await asyncio.gather(
            self._rush(),
            self._split(),
            self._refund(),
            self._expiry(),
            self._owner(),
            self._overstay(),
            self._no_show(),
            self._sensors(),
            self._terms(),
        )

    async def _rush(self) -> PlayedScene:
        scene = PlayedScene("rush", f"네 자리에 운전자 {4 * _RUSHERS}명이 한꺼번에")
        span = from_now(_HOUR, 60)
        after = Span(span.end, span.end + 30 * _MINUTE)

        async def wanted(bay_id: str, driver: int) -> str | None:
            try:
                held = await self._hold(bay_id, driver, span)
            except RefusedError as error:
                scene.told[reason(error)] += 1
                return None
            return held.booking_id

        async def contest(number: int) -> None:
            bay_id = f"rush-{number}"
            drivers = range((number - 1) * _RUSHERS, number * _RUSHERS)
            tries = await asyncio.gather(*(wanted(bay_id, driver) for driver in drivers))
            winners = [booking_id for booking_id in tries if booking_id is not None]
            scene.contests.append(Contest(bay_id, len(drivers), len(winners)))
            scene.must_tell["BAY_TAKEN"] += len(drivers) - 1
            for booking_id in winners:
                await self._office.confirm(booking_id)
                scene.claims.append(self._claim(booking_id, bay_id, span, _BOOKED))
            # Half-open: who wants it from the other's end on gets it.
            touching = await self._book(bay_id, number, after)
            scene.claims.append(self._claim(touching, bay_id, after, _BOOKED))
            scene.stands[bay_id] = "FREE"

        await asyncio.gather(*(contest(number) for number in (1, 2, 3, 4)))
        return scene

    async def _split(self) -> PlayedScene:
        scene = PlayedScene("split", "주차하고 떠난다: 원 단위 분배")

        async def park(bay_id: str, driver: int, span: Span, price_won: int) -> None:
            booking_id = await self._book(bay_id, driver, span)
            await self._twice(self._office.check_in, booking_id)
            await self._twice(self._office.check_out, booking_id)
            scene.claims.append(Claim(booking_id, bay_id, span, _LEFT, price_won, "CHECKED_OUT"))
            scene.stands[bay_id] = "FREE"

        spans = {f"split-{number}": from_now(1, 7 + 11 * number) for number in range(1, 7)}
        await asyncio.gather(
            *(
                park(bay_id, driver, span, self._stage.price(bay_id, span))
                for driver, (bay_id, span) in enumerate(spans.items())
            ),
            park(self._stage.public_bay, 7, from_now(1, _PUBLIC_MINUTES), _PUBLIC_WON),
        )
        return scene

    async def _refund(self) -> PlayedScene:
        scene = PlayedScene("refund", "취소와 환불: 이틀 전, 30분 전, 결제 전")
        for number, ahead in ((1, 2 * _DAY), (2, 30 * _MINUTE)):
            bay_id, span = f"refund-{number}", from_now(ahead, 37)
            booking_id = await self._book(bay_id, number, span)
            await self._twice(self._office.cancel, booking_id)
            # A little less than `ahead` has passed since then, and no step lies between.
            notice = ahead // _MINUTE - 5
            life = (*_BOOKED, "REFUNDED")
            price = self._stage.price(bay_id, span)
            scene.claims.append(
                Claim(booking_id, bay_id, span, life, price, "CANCELLED", notice_minutes=notice)
            )
            scene.stands[bay_id] = "FREE"
        span = from_now(_HOUR, 10)
        held = await self._hold("refund-3", 3, span)
        await self._office.cancel(held.booking_id)
        let_go = (*_HELD, "RELEASED")
        scene.claims.append(self._claim(held.booking_id, "refund-3", span, let_go, "CANCELLED"))
        scene.stands["refund-3"] = "FREE"
        return scene

    async def _expiry(self) -> PlayedScene:
        scene = PlayedScene("expiry", "결제하지 않은 선점은 풀리고 다음 사람이 잡는다")

        async def expire(bay_id: str) -> None:
            span = from_now(_HOUR, 20)
            held = await self._hold(bay_id, 1, span)
            await self._until(held.booking_id, "EXPIRED")
            life = (*_HELD, "EXPIRED")
            scene.claims.append(self._claim(held.booking_id, bay_id, span, life, "HOLD_EXPIRED"))
            await self._refused(scene, self._office.confirm(held.booking_id), "HOLD_EXPIRED")
            booking_id = await self._book(bay_id, 2, span)
            scene.claims.append(self._claim(booking_id, bay_id, span, _BOOKED))
            scene.stands[bay_id] = "FREE"

        await asyncio.gather(expire("expiry-1"), expire("expiry-2"))
        return scene

    async def _owner(self) -> PlayedScene:
        scene = PlayedScene("owner", "집주인이 먼저다, 그러나 결제된 예약은 남는다")
        span, bay_id, kept = from_now(_HOUR, 45), "owner-1", "owner-2"
        owner_id, other_id = self._stage.owners[bay_id], self._stage.owners[kept]
        held = await self._hold(bay_id, 1, span)
        own = await self._block(bay_id, owner_id, span)
        life = (*_HELD, "RELEASED")
        scene.claims.append(self._claim(held.booking_id, bay_id, span, life, "OWNER_PRIORITY"))
        await self._refused(scene, self._office.confirm(held.booking_id), "LIFE_CYCLE")
        await self._refused(scene, self._hold(bay_id, 2, span), "BAY_TAKEN")
        await self._refused(scene, self._block(bay_id, other_id, span), "NOT_THE_OWNER")
        await self._office.cancel(own)
        life = ("CONFIRMED", "RELEASED")
        scene.claims.append(Claim(own, bay_id, span, life, 0, "CANCELLED", owners=True))
        booking_id = await self._book(bay_id, 3, span)
        scene.claims.append(self._claim(booking_id, bay_id, span, _BOOKED))
        stands = await self._book(kept, 4, span)
        await self._refused(scene, self._block(kept, other_id, span), "BAY_TAKEN")
        scene.claims.append(self._claim(stands, kept, span, _BOOKED))
        scene.stands |= {bay_id: "FREE", kept: "FREE"}
        return scene

    async def _overstay(self) -> PlayedScene:
        scene = PlayedScene("overstay", "끝나도 떠나지 않아 다음 예약을 막는다")
        bay_id = "overstay-1"
        span = from_now(self._margin - _MINUTE, 1)
        late = await self._book(bay_id, 1, span)
        await self._office.check_in(late)
        after = Span(span.end, span.end + 30 * _MINUTE)
        following = await self._book(bay_id, 2, after)
        await self._until(late, "OVERSTAYED")
        await self._disputed(Doubt("BLOCKED_BY_OVERSTAY", bay_id, following))
        evening = Span(after.end, after.end + 20 * _MINUTE)
        await self._refused(scene, self._hold(bay_id, 3, evening), "BAY_OCCUPIED")
        await self._twice(self._office.check_out, late)
        await self._office.check_in(following)
        await self._office.check_out(following)
        price, fee = self._stage.price(bay_id, span), self._stage.fees[bay_id]
        life = (*_PARKED, "OVERSTAYED", "SETTLED")
        scene.claims += [
            # Left within the first minute after its end.
            Claim(late, bay_id, span, life, price, "CHECKED_OUT", overstay_fee_won=fee),
            self._claim(following, bay_id, after, _LEFT, "CHECKED_OUT"),
        ]
        scene.doubts.append(Doubt("BLOCKED_BY_OVERSTAY", bay_id, following))
        scene.stands[bay_id] = "FREE"
        return scene

    async def _no_show(self) -> PlayedScene:
        scene = PlayedScene("no-show", "예약하고 오지 않는다: 요금은 남는다")
        bay_id, span = "no-show-1", from_now(self._margin - _MINUTE, 1)
        booking_id = await self._book(bay_id, 1, span)
        await self._until(booking_id, "SETTLED")
        life = (*_BOOKED, "SETTLED")
        scene.claims.append(self._claim(booking_id, bay_id, span, life, "NO_SHOW"))
        scene.stands[bay_id] = "FREE"
        return scene

    async def _sensors(self) -> PlayedScene:
        scene = PlayedScene("sensors", "센서와 예약이 다르면 분쟁이 된다")
        stray, away, stays_on, agrees = (f"sensor-{number}" for number in (1, 2, 3, 4))
        await self._seen(stray, True)
        scene.doubts.append(Doubt("OCCUPIED_WITHOUT_BOOKING", stray, None))
        scene.stands[stray] = "OCCUPIED"
        for number, bay_id in enumerate((away, stays_on, agrees)):
            span = from_now(1, 60)
            booking_id = await self._book(bay_id, number, span)
            await self._office.check_in(booking_id)
            await self._seen(bay_id, bay_id != away)
            scene.stands[bay_id] = "RESERVED" if bay_id == away else "OCCUPIED"
            if bay_id == away:
                scene.doubts.append(Doubt("EMPTY_THOUGH_CHECKED_IN", bay_id, booking_id))
            if bay_id != stays_on:
                scene.claims.append(self._claim(booking_id, bay_id, span, _PARKED))
                continue
            await self._office.check_out(booking_id)
            scene.doubts.append(Doubt("OCCUPIED_AFTER_CHECK_OUT", bay_id, booking_id))
            scene.claims.append(self._claim(booking_id, bay_id, span, _LEFT, "CHECKED_OUT"))
        return scene

    async def _terms(self) -> PlayedScene:
        scene = PlayedScene("terms", "내놓지 않은 시간, 계약자 전용, 지난 시간")
        hold, contract = self._hold, self._stage.contract_bay
        await self._refused(scene, hold(LATER_BAY, 1, from_now(_HOUR, 30)), "NOT_OFFERED")
        await self._refused(scene, hold(contract, 1, from_now(_HOUR, 30)), "CONTRACT_ONLY")
        for wrong in (from_now(-_HOUR, 90), from_now(_HOUR, 0, 30), from_now(99 * _DAY, 30)):
            await self._refused(scene, hold(LATER_BAY, 1, wrong), "INVALID_ARGUMENT")
        booking_id = await self._book(LATER_BAY, 1, self._later)
        scene.claims.append(self._claim(booking_id, LATER_BAY, self._later, _BOOKED))
        scene.stands |= {LATER_BAY: "FREE", contract: "FREE"}
        return scene

    async def _hold(self, bay_id: str, driver: int, span: Span) -> pb.Booking:
        interval = wire.interval(span.start, span.end)
        return await self._office.hold(bay_id, self._stage.vehicles[driver], interval)

    async def _block(self, bay_id: str, owner_id: str, span: Span) -> str:
        interval = wire.interval(span.start, span.end)
        return (await self._office.block(bay_id, owner_id, interval)).booking_id

    async def _book(self, bay_id: str, driver: int, span: Span) -> str:
        """Held and paid, each asked for twice."""
        held = await self._hold(bay_id, driver, span)
        again = await self._hold(bay_id, driver, span)
        if again != held:
            raise MeshctlError(f"{bay_id}: the same hold was another the second time")
        await self._twice(self._office.confirm, held.booking_id)
        return held.booking_id

    async def _twice(self, act: Callable[[str], Awaitable[pb.Booking]], booking_id: str) -> None:
        """The second time changes nothing, and says the same. Raises MeshctlError."""
        first = await act(booking_id)
        if await act(booking_id) != first:
            raise MeshctlError(f"booking {booking_id}: the same act was another the second time")

    async def _refused(self, scene: PlayedScene, act: Awaitable[object], word: str) -> None:
        scene.must_tell[word] += 1
        try:
            await act
        except RefusedError as error:
            scene.told[reason(error)] += 1
        else:
            scene.told["NOT_REFUSED"] += 1

    async def _until(self, booking_id: str, status: str) -> None:
        """Raises MeshctlError when it does not become so in time."""
        deadline = time.monotonic() + _UNTIL_SECONDS
        wanted = pb.BookingStatus.Value(f"BOOKING_STATUS_{status}")
        while (await self._office.booking(booking_id)).status != wanted:
            if time.monotonic() > deadline:
                raise MeshctlError(f"booking {booking_id}: not {status} in {_UNTIL_SECONDS} s")
            await asyncio.sleep(_POLL_SECONDS)

    async def _seen(self, bay_id: str, occupied: bool) -> None:
        await self._office.report(
            [Reading(sensor_of(bay_id), occupied, round(time.time() * 1_000_000))]
        )

    def _claim(
        self,
        booking_id: str,
        bay_id: str,
        span: Span,
        statuses: tuple[str, ...],
        reason: str = "",
    ) -> Claim:
        return Claim(booking_id, bay_id, span, statuses, self._stage.price(bay_id, span), reason)
