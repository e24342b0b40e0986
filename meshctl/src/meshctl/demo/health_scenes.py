"""The scenes of health: what people, kiosks, a hospital and the 119 room do, and what must come
of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from city_backbone.events import event_id

from loadtests.city.calls import reason
from loadtests.city.errors import RefusedError
from loadtests.city.health import wire
from loadtests.city.health.office import Office
from loadtests.city.health.rates import Code, Purpose
from loadtests.city.health.values import Value
from meshctl.demo import health_stage as stage
from meshctl.demo.health_fhir import Hospital, in_fahrenheit, observation
from meshctl.demo.health_plan import Case, Given, PlayedScene
from meshctl.demo.health_room import CASES, FireRoom, own_number
from meshctl.demo.health_stage import NOTE, Enrolled, kiosk, pressure
from meshctl.errors import MeshctlError

_HOUR = 3_600
_DAY = 24 * _HOUR
_DOCTOR = frozenset({"MEASURE_AGAIN", "SEE_DOCTOR"})
_UNNAMED = "동의 없음"

# What a device shows, and what is advised.
Shown = Sequence[tuple[Value, str]]
_WELL: Shown = (
    (pressure(118, 76), "NORMAL"),
    (Value(Code.HEART_RATE, 72), "NORMAL"),
    (Value(Code.OXYGEN_SATURATION, 98), "NORMAL"),
    (Value(Code.BODY_TEMPERATURE, 36.6), "NORMAL"),
    (Value(Code.BODY_MASS_INDEX, 22.1), "NORMAL"),
    (Value(Code.GLUCOSE, 92, fasting=True), "NORMAL"),
)
_FINDINGS: Shown = (
    (pressure(165, 102), "CONSULT_SOON"),
    (Value(Code.BODY_MASS_INDEX, 27.5), "ATTENTION"),
    (Value(Code.GLUCOSE, 212, fasting=False), "CONSULT"),
)
_FOUR: Shown = (_WELL[0], _WELL[1], _WELL[2], (Value(Code.BODY_TEMPERATURE, 38.4), "ATTENTION"))


class Scenes:
    """Plays all of them at once, each with people of its own."""

    def __init__(self, office: Office, hospital: Hospital, room: FireRoom) -> None:
        self._office = office
        self._hospital = hospital
        self._room = room

    async def play(self) -> Sequence[PlayedScene]:
        """Raises RefusedError for a refusal that no scene foresees."""
        return await asyncio.gather(
            self._session(),
            self._cut(),
            self._offline(),
            self._acute(),
            self._together(),
            self._old(),
            self._fhir(),
            self._withdrawn(),
            self._refused(),
        )

    async def _session(self) -> PlayedScene:
        scene = PlayedScene("session", "키오스크에서 잰다: 정상, 그리고 소견")
        for shown, open in ((_WELL, None), (_FINDINGS, _DOCTOR)):
            who = await self._enrolled(scene, open)
            steps = stage.session(who, kiosk("boram"), [value for value, _ in shown])
            await stage.play(self._office, steps)
            await self._advised(scene, who, shown)
        return scene

    async def _cut(self) -> PlayedScene:
        scene = PlayedScene("cut", "연결이 끊기고 이어서 잰다")
        who = await self._enrolled(scene)
        steps = stage.session(who, kiosk("sodam"), [value for value, _ in _FOUR])
        line = self._office.session(steps.begin)
        await line.begin()
        await stage.measure(line, steps.measured[:2])
        line.cut()
        # Another kiosk process knows nothing of what was answered.
        line = self._office.session(steps.begin)
        scene.told[f"resumed after {(await line.begin()).stored_sequence}"] += 1
        scene.must_tell["resumed after 2"] += 1
        await stage.measure(line, steps.measured[1:3])
        line.cut()
        await stage.measure(line, steps.measured[2:])
        await stage.end(line, steps.end)
        line.cut()
        await stage.end(line, steps.end)
        line.cut()
        await self._advised(scene, who, _FOUR)
        return scene

    async def _offline(self) -> PlayedScene:
        scene = PlayedScene("offline", "통신이 끊긴 키오스크가 두 시간 뒤에, 두 번 보낸다")
        who = await self._enrolled(scene)
        values = [value for value, _ in _FOUR]
        steps = stage.session(who, kiosk("yeonseo"), values, ago=2 * _HOUR)
        await stage.play(self._office, steps)
        line = self._office.session(steps.begin)
        await line.begin()
        for one in steps.measured:
            answer = await line.measure(one)
            known = answer.ended and not answer.HasField("assessment")
            scene.told["known already" if known else "new"] += 1
        await stage.end(line, steps.end)
        line.cut()
        scene.must_tell["known already"] += len(values)
        await self._advised(scene, who, _FOUR)
        return scene

    async def _acute(self) -> PlayedScene:
        scene = PlayedScene("acute", "산소포화도 88 %: 119가 알고, 묻고, 듣는다")
        who = await self._enrolled(scene, _DOCTOR)
        shown = (
            (pressure(128, 82), "ATTENTION"),
            (Value(Code.OXYGEN_SATURATION, 88), "CONSULT_SOON"),
        )
        answer = {
            f"{CASES} 1": "NEWS2 3점",
            f"{CASES} 1 측정": "산소포화도 88 %",
            f"{CASES} 1 이름": who.somebody.name,
            f"{CASES} 1 의료 정보": NOTE,
        }
        await self._called(scene, who, "jochiwon-eup", shown, (3, "URGENT"), answer)
        return scene

    async def _together(self) -> PlayedScene:
        scene = PlayedScene("together", "함께 위급: 응급 제공에 동의하지 않은 사람")
        who = await self._enrolled(scene, _DOCTOR, (Purpose.REMINDER,))
        shown = (
            (Value(Code.HEART_RATE, 124), "CONSULT"),
            (Value(Code.BODY_TEMPERATURE, 39.4), "CONSULT"),
            (Value(Code.OXYGEN_SATURATION, 86), "CONSULT_SOON"),
        )
        answer = {
            f"{CASES} 1": "NEWS2 7점",
            f"{CASES} 1 측정": "심박수 124 /분",
            f"{CASES} 1 이름": _UNNAMED,
        }
        await self._called(scene, who, "saerom", shown, (7, "CRITICAL"), answer)
        return scene

    async def _old(self) -> PlayedScene:
        scene = PlayedScene("old", "20일 전의 위급한 측정: 119를 부르지 않고 다시 부른다")
        who = await self._enrolled(scene, _DOCTOR)
        who.somebody.due = frozenset({"SEE_DOCTOR"})
        shown = ((Value(Code.OXYGEN_SATURATION, 87), "CONSULT_SOON"),)
        values = [value for value, _ in shown]
        steps = stage.session(who, kiosk("jeonui"), values, ago=20 * _DAY)
        await stage.play(self._office, steps)
        await self._advised(scene, who, shown)
        return scene

    async def _fhir(self) -> PlayedScene:
        scene = PlayedScene("fhir", "병원이 FHIR로 보낸다: 받고, 거절한다")
        who = await self._enrolled(scene)
        value = Value(Code.BODY_TEMPERATURE, 36.9)
        for _ in range(2):
            await self._sent(scene, who, value, again=bool(who.somebody.given))
        taken = stage.content(Value(Code.BODY_TEMPERATURE, 98.6), stage.now_micros())
        wrong = in_fahrenheit(observation(who.token, "fahrenheit", taken))
        for resource, key, status in (
            (wrong, None, 422),
            ({**wrong, "status": "entered-in-error"}, None, 422),
            (wrong, "a-key-that-is-nobodys", 401),
        ):
            got, _ = await self._hospital.send(resource, key)
            scene.told[f"fhir {got}"] += 1
            scene.must_tell[f"fhir {status}"] += 1
        await self._advised(scene, who, ((value, "NORMAL"),))
        return scene

    async def _withdrawn(self) -> PlayedScene:
        scene = PlayedScene("withdrawn", "동의를 거두면 아무도 읽을 수 없다, 다른 사람 것은 남는다")
        who, other = await self._enrolled(scene), await self._enrolled(scene)
        for one in (who, other):
            steps = stage.session(one, kiosk("daepyeong"), [value for value, _ in _WELL[:5]])
            await stage.play(self._office, steps)
            await self._sent(scene, one, Value(Code.HEART_RATE, 71))
            await self._advised(scene, one, [*_WELL[:5], (Value(Code.HEART_RATE, 71), "NORMAL")])
        certificate = await self._office.withdraw(who.token)
        if await self._office.withdraw(who.token) != certificate:
            raise MeshctlError("the certificate was another the second time")
        who.somebody.certificate = certificate
        trend = self._office.trend(who.token, Code.HEART_RATE)
        await self._told_no(scene, trend, "CONSENT_WITHDRAWN")
        begin = wire.begin(wire.session_id("gone", who.token), "boram", who.token, _now())
        await self._told_no(scene, self._office.session(begin).begin(), "NO_CONSENT")
        late = observation(who.token, "late", stage.content(_WELL[1][0], _now()))
        got, _ = await self._hospital.send(late)
        scene.told[f"fhir {got}"] += 1
        scene.must_tell["fhir 403"] += 1
        await self._advised(scene, other, [*_WELL[:5], (Value(Code.HEART_RATE, 71), "NORMAL")])
        return scene

    async def _refused(self) -> PlayedScene:
        scene = PlayedScene("refused", "모르는 사람, 모르는 키오스크, 있을 수 없는 값")
        who = await self._enrolled(scene)
        token, session_id = who.token, wire.session_id("refused", who.token)
        nobody = wire.begin(session_id, "boram", "a" * 32, _now())
        await self._told_no(scene, self._office.session(nobody).begin(), "UNKNOWN_TOKEN")
        nowhere = wire.begin(session_id, "nowhere", token, _now())
        await self._told_no(scene, self._office.session(nowhere).begin(), "NOT_FOUND")
        steps = stage.session(who, kiosk("boram"), [_WELL[0][0]])
        line = self._office.session(steps.begin)
        await line.begin()
        for value in (Value(Code.HEART_RATE, 700), Value(Code.BODY_TEMPERATURE, 98.6)):
            device = kiosk("boram").device(value.code)
            assert device is not None
            wrong = wire.measured(1, value, device.device_id, _now())
            await self._told_no(scene, line.measure(wrong), "INVALID_ARGUMENT")
        await stage.measure(line, steps.measured)
        await stage.end(line, steps.end)
        line.cut()
        return scene

    async def _enrolled(
        self,
        scene: PlayedScene,
        open: frozenset[str] | None = None,
        purposes: Sequence[Purpose] = stage.BOTH,
    ) -> Enrolled:
        who = await stage.enrol(self._office, open, purposes)
        scene.people.append(who.somebody)
        return who

    async def _advised(self, scene: PlayedScene, who: Enrolled, shown: Shown) -> None:
        """The person looks at the trend of each code."""
        for code in {value.code for value, _ in shown}:
            for point in await self._office.trend(who.token, code):
                scene.told[stage.advice(point.assessment.advice)] += 1
        for _, advice in shown:
            scene.must_tell[advice] += 1

    async def _called(
        self,
        scene: PlayedScene,
        who: Enrolled,
        kiosk_id: str,
        shown: Shown,
        judged: tuple[int, str],
        answer: dict[str, str],
    ) -> None:
        """119 is told of it, asks for the place, and is told who it is."""
        at = kiosk(kiosk_id)
        steps = stage.session(who, at, [value for value, _ in shown])
        case_id = str(event_id("case", steps.begin.session_id))
        number = own_number(len(scene.name))
        score, severity = judged
        who.somebody.cases.append(Case(case_id, kiosk_id, score, severity, number, answer))
        await stage.play(self._office, steps)
        await self._advised(scene, who, shown)
        await self._room.told_of(case_id)
        await self._room.ask(number, at.place, at.point)

    async def _sent(
        self, scene: PlayedScene, who: Enrolled, value: Value, *, again: bool = False
    ) -> None:
        """As FHIR; again, the same is sent."""
        somebody = who.somebody
        content = somebody.given[-1].content if again else stage.content(value, _now())
        number = f"{value.code}-{content.taken_micros}-{somebody.name}"
        status, body = await self._hospital.send(observation(who.token, number, content))
        scene.told[f"fhir {status}"] += 1
        scene.must_tell["fhir 201"] += 1
        if not again:
            somebody.given.append(Given(body.get("id", ""), content))

    async def _told_no(self, scene: PlayedScene, act: Awaitable[object], word: str) -> None:
        scene.must_tell[word] += 1
        try:
            await act
        except RefusedError as error:
            scene.told[reason(error)] += 1
        else:
            scene.told["NOT_REFUSED"] += 1


def _now() -> int:
    return stage.now_micros()
