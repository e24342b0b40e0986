"""Every example resource over HTTP: what its manifest says comes of it, and nothing in the logs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from city_backbone.testing import Mesh
from health.clock import utc_now

from ..fhir.examples import Example, examples
from .fhir_world import Answer, Enrolled, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Scene:
    world: World
    person: Enrolled
    kiosk_id: str
    run: str

    def body(self, example: Example) -> bytes:
        return example.body(
            token=self.person.token,
            kiosk=self.kiosk_id,
            now=utc_now().isoformat(),
            run=self.run,
        )

    async def stored(self) -> int:
        rows = await self.world.rows(
            "select count(*)::int as many from measurement where person_id = %s",
            self.person.person_id,
        )
        return int(rows[0]["many"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(mesh: Mesh) -> AsyncIterator[Scene]:
    async with opened(mesh) as world:
        yield Scene(world, await world.enrol(), await world.kiosk(), uuid4().hex)


@pytest.mark.parametrize("example", examples("valid"), ids=lambda one: one.name)
async def test_valid(scene: Scene, example: Example) -> None:
    before, body = await scene.stored(), scene.body(example)
    answer = await scene.world.send(body)
    assert answer.status == example.outcome["status"], answer.resource
    observations = observations_in(answer)
    assert len(observations) == example.outcome["observations"]
    assert await scene.stored() == before + len(observations)
    for one in observations:
        [row] = await scene.world.stored(one["id"])
        assert row["person_id"] == scene.person.person_id
    if "interpretation" in example.outcome:
        coding = observations[0]["interpretation"][0]["coding"][0]
        assert coding["code"] == example.outcome["interpretation"]
    again = await scene.world.send(body)
    assert (again.status, again.resource) == (answer.status, answer.resource)
    assert await scene.stored() == before + len(observations)


def observations_in(answer: Answer) -> list[dict[str, Any]]:
    if answer.resource["resourceType"] == "Observation":
        return [answer.resource]
    return [entry["resource"] for entry in answer.resource["entry"]]


@pytest.mark.parametrize("example", examples("invalid"), ids=lambda one: one.name)
async def test_invalid(
    scene: Scene,
    example: Example,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = await scene.world.everything()
    capfd.readouterr()
    answer = await scene.world.send(scene.body(example))
    status, code, expression = answer.refusal
    assert {"status": status, "code": code, "expression": expression} == example.outcome
    assert answer.issue["severity"] == "error"
    logged = "".join([*capfd.readouterr(), caplog.text])
    assert "fhir request refused" in logged
    for text in (logged, str(answer.resource)):
        for words in (scene.person.token, scene.run, "김복순", "urn:example", "degF", "kPa"):
            assert words not in text
    assert await scene.world.everything() == before
