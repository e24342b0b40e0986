"""Latency at a fixed rate is counted from the intended instants, of all that events lead to."""

from collections import Counter
from collections.abc import Hashable
from itertools import islice

import pytest

from loadtests.city.cameras.background import Load
from loadtests.peers import latency, wire
from loadtests.peers.jobs import city, stage
from loadtests.peers.jobs.alarms_city import SEED, seen
from loadtests.peers.jobs.stage import Memory
from loadtests.peers.latency import LAG_BUDGET_MS, UnseenError, intended, paced

RATE = 1000.0
NUMBER = 200
DUE = [intended(0, RATE, number) for number in range(NUMBER)]
CAUSED = {f"effect {number}": number for number in range(NUMBER)}
TAKES = 5_000
"""Microseconds from an event to its effect."""


def _seen(sent: list[int]) -> dict[str, int]:
    return {effect: sent[number] + TAKES for effect, number in CAUSED.items()}


def test_a_stall_of_the_sender_is_in_the_latency_and_makes_the_run_invalid() -> None:
    stalled = [max(at, 100_000) for at in DUE]
    found = paced(CAUSED, _seen(stalled), DUE, stalled, 0, 1.0)
    assert found.p99 == pytest.approx((100_000 + TAKES) / 1000, rel=0.03)
    assert found.lag > LAG_BUDGET_MS
    assert not found.valid


def test_a_sender_in_time_makes_a_valid_run() -> None:
    found = paced(CAUSED, _seen(DUE), DUE, DUE, 0, 1.0)
    assert (found.p50, found.p99, found.lag) == pytest.approx((5, 5, 0), rel=0.01)
    assert found.valid
    assert found.cpu == 1.0 / NUMBER


def test_the_warm_up_does_not_count() -> None:
    warm = NUMBER // 2
    slow = {
        effect: DUE[number] + TAKES * (100 if number < warm else 1)
        for effect, number in CAUSED.items()
    }
    found = paced(CAUSED, slow, DUE, DUE, warm, 1.0)
    assert found.p99 == pytest.approx(TAKES / 1000, rel=0.01)
    assert found.seen == NUMBER - warm


def test_what_is_not_told_is_an_error_also_in_the_warm_up() -> None:
    told = _seen(DUE)
    del told["effect 0"]
    with pytest.raises(UnseenError, match="1 of 200"):
        paced(CAUSED, told, DUE, DUE, 100, 1.0)


def test_the_cause_is_the_event_with_which_an_effect_is_told_first() -> None:
    of = city.of("alarms")
    values = [wire.encoded(one) for one in islice(seen(Load(SEED, 0.1, 7_200.0)), 4_000)]

    def effects(number: int) -> list[Hashable]:
        memory = Memory(stage.create("alarms", bytes(stage.places_json(of.places()))))
        told = [wire.told(wire.headers(e), wire.encoded(e)) for e in memory.take(values[:number])]
        return [effect for one in told for effect in of.effects(one)]

    memory = Memory(stage.create("alarms", bytes(stage.places_json(of.places()))))
    causes = latency.causes(of, memory, values)
    again = [effect for effect, times in Counter(effects(len(values))).items() if times > 1]
    for effect in again[:3]:
        assert effect not in effects(causes[effect])
        assert effect in effects(causes[effect] + 1)
    assert again
