"""Which resource binds: what the processes used of the cores while a rate was not held. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from loadtests.driver.result import ResourceSample

# Of what there is, from which on it counts as used up.
_ALL = 0.9
_NAMED = 3


def cores_used(samples: Iterable[ResourceSample]) -> dict[str, float]:
    """By process, the mean from its first to its last sample; one that was started again counts
    from its new beginning."""
    by_process: dict[str, list[ResourceSample]] = defaultdict(list)
    for one in samples:
        known = by_process[one.process]
        if known and one.cpu_seconds < known[-1].cpu_seconds:
            known.clear()
        known.append(one)
    return {
        name: (found[-1].cpu_seconds - found[0].cpu_seconds) / (found[-1].at - found[0].at)
        for name, found in by_process.items()
        if found[-1].at > found[0].at
    }


def binds(used: dict[str, float], cores: int) -> str:
    """In words."""
    if not used:
        return "no process was seen"
    first = sorted(used.items(), key=lambda one: -one[1])[:_NAMED]
    most = ", ".join(f"{name} {share:.2f}" for name, share in first)
    total = sum(used.values())
    if total >= _ALL * cores:
        return f"the machine's {cores} cores: {total:.2f} in use, most by {most}"
    name, share = first[0]
    if share >= _ALL:
        return f"{name}: {share:.2f} cores of the one it can use; {total:.2f} of {cores} in all"
    return f"no processor ({total:.2f} of {cores} cores, most by {most}): what is waited for"
