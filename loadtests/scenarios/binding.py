"""Which resource binds: what the processes used of the cores while a rate was not held. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from loadtests.driver.resources import OTHERS
from loadtests.driver.result import ResourceSample

# Of what there is, from which on it counts as used up.
_ALL = 0.9
# From which on it is told of: the kernel's own work is less.
_SOME = 0.1
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


def binds(used: Mapping[str, float], cores: int, most: Mapping[str, int]) -> str:
    """In words. `most` is how many cores a process can use where that is not all of them, as one
    interpreter's lock is for one."""
    if not used:
        return "nobody knows what: no process was seen"
    if sum(used.values()) >= _ALL * cores:
        return f"the machine: {usage(used, cores)}"
    can = {name: min(cores, most.get(name, cores)) for name in used}
    name = max(used, key=lambda one: used[one] / can[one])
    if used[name] >= _ALL * can[name]:
        return f"{name}, which can use {can[name]}: {usage(used, cores)}"
    return f"no processor, but what is waited for: {usage(used, cores)}"


def others(used: Mapping[str, float], cores: int) -> Sequence[str]:
    """A remark, if what is neither the stack's nor the driver's used so much that it shows."""
    share = used.get(OTHERS, 0.0)
    if share < _SOME * cores:
        return ()
    return (f"Others used {share:.2f} of this machine's {cores} cores: each figure has it in it.",)


def usage(used: Mapping[str, float], cores: int) -> str:
    """How much of the machine was in use, and by whom most of it."""
    first = sorted(used.items(), key=lambda one: -one[1])[:_NAMED]
    by = ", ".join(f"{name} {share:.2f}" for name, share in first)
    return f"{sum(used.values()):.2f} of {cores} cores in use" + (f", most by {by}" if by else "")
