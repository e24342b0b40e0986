"""The operations of the city's departments, by name."""

import importlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from loadtests.driver.operation import Department, Operation, World

MODULES = tuple(
    f"{__name__}.{name}"
    for name in (
        "cameras",
        "sensors",
        "parking",
        "health",
        "emergency",
        "reconnecting",
        "kafka",
        "grpc",
    )
)


class UnknownOperationError(ValueError):
    """No module offers an operation of that name."""


def find(
    names: Collection[str], modules: Sequence[str] = ()
) -> Iterator[tuple[Department, list[str]]]:
    """The modules that offer `names`, each with its own; `modules` are asked first.

    Raises UnknownOperationError.
    """
    left = list(names)
    for name in (*modules, *MODULES):
        if not left:
            return
        department = cast(Department, importlib.import_module(name))
        own = [one for one in left if department.offers(one)]
        left = [one for one in left if one not in own]
        if own:
            yield department, own
    if left:
        raise UnknownOperationError(f"{', '.join(left)}: no such operation")


async def prepare(world: World, names: Collection[str], modules: Sequence[str] = ()) -> None:
    """Once per run."""
    for department, own in list(find(names, modules)):
        await department.prepare(world, own)


@asynccontextmanager
async def opened(
    world: World, names: Collection[str], modules: Sequence[str] = ()
) -> AsyncIterator[Mapping[str, Operation]]:
    """All operations of `names`, closed in the end."""
    found: dict[str, Operation] = {}
    async with AsyncExitStack() as stack:
        for department, own in list(find(names, modules)):
            found |= await stack.enter_async_context(department.open(world, own))
        yield found
