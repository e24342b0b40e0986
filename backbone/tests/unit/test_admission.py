"""Bulk calls that are worked on at once are bounded, and one that waits for its caller is none."""

import pytest
from city_backbone.errors import Overloaded
from city_backbone.rpc import admission as module
from city_backbone.rpc.admission import Admission
from city_backbone.testing import eventually


async def test_more_than_the_bound_are_refused_until_one_ends() -> None:
    admission = Admission(2)
    with admission.call():
        admission.check()
        with admission.call():
            admission.check()
            with admission.call(), pytest.raises(Overloaded, match=r"3 calls at once.*at most 2"):
                admission.check()
            admission.check()
        with admission.call():
            admission.check()
    assert admission.busy == 0


async def test_a_call_that_is_silent_between_messages_takes_no_place() -> None:
    admission = Admission(1)
    with admission.call() as silent:
        silent.begin()
        silent.end()
        with admission.call() as other:
            admission.check()
            silent.begin()
            silent.begin()
            with pytest.raises(Overloaded):
                admission.check()
            other.end()
            admission.check()
    assert admission.busy == 0


async def test_a_call_that_sends_nothing_gives_its_place_back_and_one_at_work_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FIRST_SECONDS", 0.05)
    admission = Admission(1)

    async def one_left() -> bool:
        return admission.busy == 1

    with admission.call() as at_work, admission.call():
        at_work.begin()
        assert admission.busy == 2
        await eventually(one_left)
        at_work.end()
        assert admission.busy == 0


async def test_a_call_that_fails_gives_its_place_back() -> None:
    admission = Admission(1)
    with pytest.raises(ZeroDivisionError), admission.call():
        raise ZeroDivisionError
    with admission.call():
        admission.check()
