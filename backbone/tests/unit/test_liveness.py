"""A backlog that does not move is a stall; an empty one, or a slow one, is not."""

from collections.abc import Hashable

from city_backbone.stream.liveness import Progress


class Trial:
    """A watch whose clock and backlog are set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.backlog: dict[Hashable, tuple[int, int]] = {}
        self.progress = Progress(lambda: self.backlog, 60.0, lambda: self.now)

    def after(self, seconds: float, backlog: dict[Hashable, tuple[int, int]]) -> list[str]:
        self.now += seconds
        self.backlog = backlog
        return self.progress.stalled()


def test_a_backlog_without_progress_is_a_stall_after_its_time() -> None:
    trial = Trial()
    assert trial.after(0, {"a": (5, 10)}) == []
    assert trial.after(59.9, {"a": (5, 10)}) == []
    assert trial.after(0.1, {"a": (5, 12)}) == ["a"]


def test_progress_however_slow_is_no_stall() -> None:
    trial = Trial()
    for done in range(10):
        assert trial.after(59, {"a": (done, 1000)}) == []


def test_nothing_to_do_is_no_stall() -> None:
    trial = Trial()
    for _ in range(10):
        assert trial.after(59, {"a": (7, 7)}) == []
    assert trial.after(59, {"a": (7, 8)}) == []
    assert trial.after(60, {"a": (7, 8)}) == ["a"]


def test_one_partition_stalls_while_another_moves() -> None:
    trial = Trial()
    trial.after(0, {"a": (0, 9), "b": (0, 9)})
    assert trial.after(60, {"a": (0, 9), "b": (1, 9)}) == ["a"]


def test_a_partition_given_back_starts_anew() -> None:
    trial = Trial()
    trial.after(0, {"a": (0, 9)})
    trial.after(59, {})
    assert trial.after(1, {"a": (0, 9)}) == []
    assert trial.after(60, {"a": (0, 9)}) == ["a"]


def test_what_is_excused_is_counted_from_there() -> None:
    trial = Trial()
    trial.after(0, {"a": (0, 9)})
    assert trial.after(60, {"a": (0, 9)}) == ["a"]
    trial.progress.excuse()
    assert trial.after(59, {"a": (0, 9)}) == []
    assert trial.after(60, {"a": (0, 9)}) == ["a"]
