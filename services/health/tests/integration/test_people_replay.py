"""Read again from its start, the topic of measurements changes nothing."""

import pytest
from city_backbone.testing import Mesh
from health.measuring.facts import MEASUREMENT_TAKEN

from .people_forgotten import known_with_all_there_is, must_be_forgotten, of, snapshot
from .people_topics import read_again
from .people_world import opened

DEAD = f"{MEASUREMENT_TAKEN}.health.dlt"


async def test_read_again_it_changes_nothing(
    mesh: Mesh, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("people")
    async with opened(mesh, folder) as world:
        gone, there = [await known_with_all_there_is(world) for _ in range(2)]
        await world.withdraw(gone)
        await world.taken_in()
        before = [await snapshot(world, who) for who in (gone, there)]
    await read_again(mesh)
    async with opened(mesh, folder) as world:
        await world.taken_in()
        assert [await snapshot(world, who) for who in (gone, there)] == before
        assert await of(world, "follow_up", there) == 2
        dead = b"".join(record.value or b"" for record in await world.topic(DEAD, "health"))
        assert not any(str(who.person_id).encode() in dead for who in (gone, there))
        await must_be_forgotten(world, gone)
