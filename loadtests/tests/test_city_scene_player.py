"""The scene player against a control centre and a sensors of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from city.cameras.v1 import alarm_pb2
from city.cameras.v1.alarm_pb2_grpc import add_AlarmServiceServicer_to_server
from city.cameras.v1.camera_pb2_grpc import add_CameraServiceServicer_to_server
from city.cameras.v1.detection_pb2_grpc import add_DetectionServiceServicer_to_server
from city.sensors.v1 import sensors_pb2
from city.sensors.v1.sensors_pb2_grpc import add_SensorsServiceServicer_to_server
from city_backbone.settings import TlsSettings
from pydantic import ValidationError

from loadtests.city.departments import Departments
from loadtests.city.errors import SceneError, SettingsError
from loadtests.city.scenes import smoke
from loadtests.city.scenes.catalogue import SCENES
from loadtests.city.scenes.outcome import Played
from loadtests.city.scenes.player import ScenePlayer
from loadtests.city.scenes.run import play_scenes
from loadtests.city.settings import CitySettings
from loadtests.tests.control_centre import ControlCentre

NOW = 1_795_000_000.0
NOWHERE = Path("unused.pem")


def _settings(file: Path, **changes: Any) -> CitySettings:
    given = {
        "tls": TlsSettings(cert_file=NOWHERE, key_file=NOWHERE, ca_file=NOWHERE),
        "scenes": "all",
        "played": file,
        "background": 0,
    }
    return CitySettings.model_validate(given | changes)


@dataclass
class World:
    """A control centre, a sensors, and a clock that runs while somebody rests."""

    centre: ControlCentre
    sensors: Any
    channel: grpc.aio.Channel
    played: Path
    elapsed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + self.elapsed

    async def rest(self, seconds: float) -> None:
        self.elapsed += seconds
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def departments(self, **changes: Any) -> "Insecure":
        return Insecure(self, self.settings(**changes))

    def settings(self, **changes: Any) -> CitySettings:
        return _settings(self.played, **changes)

    def player(self, **changes: Any) -> ScenePlayer:
        return self.departments(**changes).scenes()

    async def register(self) -> None:
        await self.departments().cameras(0.0).register()


class Insecure(Departments):
    """The same players over the test's channel, on the test's clock."""

    def __init__(self, world: World, settings: CitySettings) -> None:
        super().__init__(settings)
        self._world = world

    def _channel(self, department: str) -> grpc.aio.Channel:
        return self._world.channel

    def scenes(self) -> ScenePlayer:
        player = super().scenes()
        player._now, player._rest = self._world.now, self._world.rest
        return player


@pytest_asyncio.fixture
async def world(sensors: Any, tmp_path: Path) -> AsyncIterator[World]:
    centre = ControlCentre()
    centre.raises = True
    server = grpc.aio.server()
    add_CameraServiceServicer_to_server(centre, server)
    add_DetectionServiceServicer_to_server(centre, server)
    add_AlarmServiceServicer_to_server(centre, server)
    add_SensorsServiceServicer_to_server(sensors, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sensors.map = _assessed()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield World(centre, sensors, channel, tmp_path / "played.json")
    await server.stop(None)


def _assessed() -> list[sensors_pb2.AirQuality]:
    found = []
    for station in smoke.STATIONS:
        one = sensors_pb2.AirQuality(station_id=station.station_id, grade=sensors_pb2.GRADE_BAD)
        one.hour_end.FromSeconds(smoke.newest_hour(NOW))
        found.append(one)
    return found


@pytest.mark.parametrize("name", SCENES)
async def test_it_sends_all_and_does_what_the_operator_must(world: World, name: str) -> None:
    await world.register()
    scene = await world.player().play(name, "run")
    assert set(world.centre.taken) == set(scene.sent.keys)
    assert len(scene.sent.keys) == scene.sent.detections
    first, last = scene.window.first_micros, scene.window.last_micros
    assert {micros for *_, micros in scene.sent.keys} >= {first, last}
    assert scene.site_ids == tuple(stage.site_id for stage in SCENES[name].stages)
    acts = [(act, alarm_id) for act, alarm_id, _, _ in world.centre.acts]
    assert acts == [(one.act, one.alarm_id) for one in scene.acts]
    assert all(one.done for one in scene.acts)
    expected = {
        "fight": ["acknowledge", "escalate"],
        "loitering": ["acknowledge", "dismiss"],
        "bag": ["acknowledge", "escalate"],
        "fire": ["escalate"],
    }
    assert [act for act, _ in acts] == expected.get(name, [])


async def test_a_scene_as_it_happens_goes_out_as_it_is_seen(world: World) -> None:
    await world.register()
    await world.player().play("fall", "run")
    assert 12.0 < world.elapsed < 15.0
    assert len(world.centre.calls) > 60


async def test_the_operator_of_the_fight_waits_for_both_witnesses(world: World) -> None:
    await world.register()
    world.centre.one_witness_for = 60
    left: list[int] = []
    world.centre.before_act = lambda alarm: left.append(world.centre.one_witness_for)
    await world.player().play("fight", "run")
    at_acknowledging, at_escalating = left
    assert at_acknowledging > 0
    assert at_escalating == 0


async def test_sending_survives_a_service_that_comes_and_goes(world: World) -> None:
    await world.register()
    world.centre.fail_before = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    world.centre.fail_after = [grpc.StatusCode.UNAVAILABLE]
    scene = await world.player().play("arson", "run")
    assert world.centre.calls[:4] == [world.centre.calls[0]] * 4
    assert set(world.centre.taken) == set(scene.sent.keys)


async def test_it_waits_until_cameras_knows_its_cameras(world: World) -> None:
    playing = asyncio.create_task(world.player().play("arson", "run"))
    async with asyncio.timeout(30):
        while not world.centre.calls:
            await asyncio.wait({playing}, timeout=0)
    await world.register()
    scene = await playing
    assert set(world.centre.taken) == set(scene.sent.keys)


async def test_an_alarm_that_went_by_itself_is_right_where_it_may(world: World) -> None:
    await world.register()
    world.centre.alarms["living-0002/FIGHT"] = alarm_pb2.Alarm(
        alarm_id="living-0002/FIGHT", status=alarm_pb2.ALARM_STATUS_ESCALATED
    )
    scene = await world.player().play("fight", "run")
    assert [one.done for one in scene.acts] == [False, True]


async def test_an_alarm_that_went_by_itself_spoils_the_loitering(world: World) -> None:
    await world.register()
    world.centre.alarms["child-0001/LOITERING"] = alarm_pb2.Alarm(
        alarm_id="child-0001/LOITERING", status=alarm_pb2.ALARM_STATUS_ESCALATED
    )
    with pytest.raises(SceneError, match=r"^loitering: alarm child-0001/LOITERING: too late to ac"):
        await world.player().play("loitering", "run")


async def test_without_its_alarm_a_scene_could_not_be_played(world: World) -> None:
    await world.register()
    world.centre.raises = False
    with pytest.raises(SceneError, match=r"^bag: not played within 3 s: ") as failure:
        await world.player(scene_seconds=3).play("bag", "run")
    said = str(failure.value)
    assert said.endswith("65 of 65 calls sent; waiting for its alarm ABANDONMENT at park-0001")


async def test_a_refusal_is_told_by_name(world: World) -> None:
    await world.register()
    world.centre.fail_before = [grpc.StatusCode.PERMISSION_DENIED]
    with pytest.raises(SceneError, match=r"^arson: cameras: PublishDetections: PERMISSION_DENIED"):
        await world.player().play("arson", "run")


async def test_smoke_is_told_before_the_fire_and_must_be_assessed(world: World) -> None:
    await world.register()
    scene = await world.player().play("fire", "run")
    assert len(world.sensors.taken) == 3 * smoke.HOURS
    assert set(world.sensors.stations) == {one.station_id for one in smoke.STATIONS}
    (incident,) = scene.expected.incidents
    assert incident.context["대기질"].all_of == ("신곡동", "나쁨")
    world.sensors.map = []
    with pytest.raises(SceneError, match=r"^fire: not played within 1 s: waiting for sensors"):
        await world.player(scene_seconds=1).play("fire", "again")


async def test_a_stage_is_given_time_since_its_last_alarm(world: World) -> None:
    await world.register()
    player = world.player()
    first = await player.play("arson", "one")
    second = await player.play("arson", "two")
    assert second.window.first_micros - first.window.first_micros >= 200_000_000
    assert not set(first.sent.keys) & set(second.sent.keys)
    assert max(world.slept) > 100


async def test_all_scenes_at_once_are_written_to_the_file(world: World) -> None:
    settings = world.settings(scenes="noise,arson,fire", background=0.02)
    city = Insecure(world, settings)
    played = await play_scenes(city, settings)
    assert Played.model_validate_json(world.played.read_text("utf-8")) == played
    assert [scene.name for scene in played.scenes] == ["fire", "arson", "noise"]
    assert played.began < played.ended
    keys = {key for scene in played.scenes for key in scene.sent.keys}
    assert keys <= set(world.centre.taken)
    assert len(world.centre.cameras) == 3038


async def test_a_scene_that_fails_is_named_and_no_file_is_written(world: World) -> None:
    world.centre.raises = False
    settings = world.settings(scenes="bag,noise,fight", scene_seconds=5)
    with pytest.raises(SceneError, match=r"^fight: not played.*; bag: not played"):
        await play_scenes(Insecure(world, settings), settings)
    assert not world.played.exists()


async def test_the_folder_of_the_file_must_be_there(world: World) -> None:
    for played in (world.played / "deeper" / "played.json", None):
        settings = world.settings(played=played)
        with pytest.raises(SettingsError, match="--played"):
            await play_scenes(Insecure(world, settings), settings)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"scenes": "fall,flood"}, "no scene 'flood'; expected all, or some of fall, fight"),
        ({"background": -1}, "background"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        _settings(tmp_path / "played.json", **changes)
