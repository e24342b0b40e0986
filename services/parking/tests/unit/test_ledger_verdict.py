"""What is wrong with a ledger is named by its first bad day, whatever was done to it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from parking.ledger.entries import Content
from parking.ledger.seal import GENESIS, Seal, seal
from parking.ledger.tree import EMPTY_ROOT
from parking.ledger.verdict import Day, Given, Verdict, judge

SEALED_AT = datetime(2024, 3, 6, 15, 1, tzinfo=UTC)
OPEN = "2024-03-05"


class Ledger:
    """Four sealed days, the second without entries, and an open one."""

    def __init__(self) -> None:
        self.contents = {
            "2024-03-01": Content(4, root("1")),
            "2024-03-03": Content(2, root("3")),
            "2024-03-04": Content(6, root("4")),
            OPEN: Content(2, root("5")),
        }
        self.days: dict[str, Day] = {OPEN: Day(OPEN, None, None, None, None, None)}
        self.reseal("2024-03-01", GENESIS)
        self.published = [given(day) for day in self.days.values() if day.sealed]

    def reseal(self, first: str, previous: str, last: str = "2024-03-04") -> None:
        """From `first` to `last` on what they hold now."""
        for number in range(int(first[-2:]), int(last[-2:]) + 1):
            name = f"2024-03-{number:02}"
            held = self.contents.get(name, Content())
            made = seal(name, held.entries, held.root, previous, SEALED_AT)
            self.days[name] = row(made)
            previous = made.seal_hash

    def change(self, day: str, **parts: object) -> None:
        self.days[day] = replace(self.days[day], **parts)  # type: ignore[arg-type]

    def verdict(self, *given: Given) -> Verdict:
        return judge(list(self.days.values()), self.contents, given)


def root(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def row(made: Seal) -> Day:
    return Day(made.day, made.entries, made.root, made.previous, made.seal_hash, made.sealed_at)


def given(day: Day) -> Given:
    assert day.seal_hash
    return Given(day.day, day.seal_hash, day.sealed_at)


def test_an_untouched_ledger() -> None:
    ledger = Ledger()
    for verdict in (ledger.verdict(), ledger.verdict(*ledger.published)):
        assert (verdict.intact, verdict.first_bad_day, verdict.problem) == (True, "", "")
        assert verdict.head
        assert verdict.head.day == "2024-03-04"


def test_an_empty_ledger() -> None:
    assert judge([], {}, []) == Verdict(True, "", "", None)


def altered(ledger: Ledger) -> None:
    ledger.contents["2024-03-03"] = Content(2, root("x"))


def added(ledger: Ledger) -> None:
    ledger.contents["2024-03-03"] = Content(3, root("x"))


def added_to_an_empty_day(ledger: Ledger) -> None:
    ledger.contents["2024-03-02"] = Content(2, root("x"))


def removed(ledger: Ledger) -> None:
    ledger.contents["2024-03-03"] = Content(1, root("x"))


def emptied(ledger: Ledger) -> None:
    del ledger.contents["2024-03-03"]


def flawed(ledger: Ledger) -> None:
    ledger.contents["2024-03-03"] = Content(2, root("3"), 0, "removed: entry 7 has no posting")


def row_and_entries_dropped(ledger: Ledger) -> None:
    del ledger.days["2024-03-03"], ledger.contents["2024-03-03"]


def row_dropped(ledger: Ledger) -> None:
    del ledger.days["2024-03-03"]


def empty_day_dropped(ledger: Ledger) -> None:
    del ledger.days["2024-03-02"]


def first_day_dropped(ledger: Ledger) -> None:
    del ledger.days["2024-03-01"], ledger.contents["2024-03-01"]


def seal_removed(ledger: Ledger) -> None:
    ledger.days["2024-03-03"] = Day("2024-03-03", None, None, None, None, None)


def half_a_seal(ledger: Ledger) -> None:
    ledger.change("2024-03-04", seal_hash=None)


def no_time_of_sealing(ledger: Ledger) -> None:
    ledger.change("2024-03-03", sealed_at=None)


def unbalanced_open_day(ledger: Ledger) -> None:
    ledger.contents[OPEN] = Content(2, root("5"), balance_won=500)


def before_the_first_day(ledger: Ledger) -> None:
    ledger.contents["2024-02-28"] = Content(2, root("x"))


def on_a_day_that_never_was(ledger: Ledger) -> None:
    ledger.contents["2024-12-24"] = Content(2, root("x"))


def on_no_day_at_all(ledger: Ledger) -> None:
    ledger.contents["infinity"] = Content(2, root("x"))


def a_day_out_of_the_calendar(ledger: Ledger) -> None:
    ledger.days["infinity"] = replace(ledger.days.pop("2024-03-04"), day="infinity")
    del ledger.contents["2024-03-04"]


def sealed_anew_alone(ledger: Ledger) -> None:
    altered(ledger)
    ledger.reseal("2024-03-03", str(ledger.days["2024-03-03"].previous), "2024-03-03")


@pytest.mark.parametrize(
    ("tamper", "day", "problem"),
    [
        (altered, "2024-03-03", "altered"),
        (added, "2024-03-03", "added"),
        (added_to_an_empty_day, "2024-03-02", "added"),
        (removed, "2024-03-03", "removed"),
        (emptied, "2024-03-03", "removed"),
        (flawed, "2024-03-03", "removed: entry 7 has no posting"),
        (row_and_entries_dropped, "2024-03-03", "removed: the ledger has no such day"),
        (row_dropped, "2024-03-03", "removed: it has entries"),
        (empty_day_dropped, "2024-03-02", "removed: the ledger has no such day"),
        (first_day_dropped, "2024-03-01", "removed: the day after it follows a seal"),
        (seal_removed, "2024-03-03", "removed: it has no seal"),
        (half_a_seal, "2024-03-04", "altered: its seal is not of what it says"),
        (no_time_of_sealing, "2024-03-03", "altered: its seal is not of what it says"),
        (unbalanced_open_day, OPEN, "altered: its entries add up to 500 won"),
        (before_the_first_day, "2024-02-28", "removed: it has entries"),
        (on_a_day_that_never_was, "2024-12-24", "removed: it has entries"),
        (on_no_day_at_all, "infinity", "removed: it has entries"),
        (a_day_out_of_the_calendar, "2024-03-04", "removed: the ledger has no such day"),
        (sealed_anew_alone, "2024-03-03", "altered: the day after it follows another seal"),
    ],
)
def test_named_without_any_seal_from_elsewhere(
    tamper: Callable[[Ledger], None], day: str, problem: str
) -> None:
    ledger = Ledger()
    tamper(ledger)
    for verdict in (ledger.verdict(), ledger.verdict(*ledger.published)):
        assert (verdict.intact, verdict.first_bad_day) == (False, day)
        assert verdict.head is None or verdict.head.day < day
    assert ledger.verdict().problem.startswith(problem)


@pytest.mark.parametrize("column", ["entries", "root", "previous", "seal_hash"])
def test_a_seal_whose_parts_do_not_fit(column: str) -> None:
    ledger = Ledger()
    ledger.change("2024-03-03", **{column: 2**60 if column == "entries" else root("x")})
    verdict = ledger.verdict()
    assert (verdict.intact, verdict.first_bad_day) == (False, "2024-03-03")
    assert verdict.head
    assert verdict.head.day == "2024-03-02"


def test_all_sealed_anew_shows_only_by_seals_from_elsewhere() -> None:
    ledger = Ledger()
    altered(ledger)
    ledger.reseal("2024-03-03", str(ledger.days["2024-03-03"].previous))
    assert ledger.verdict().intact
    verdict = ledger.verdict(*ledger.published)
    assert (verdict.intact, verdict.first_bad_day) == (False, "2024-03-03")
    assert verdict.problem == "altered: the seal given for it is another"
    assert verdict.head
    assert verdict.head.day == "2024-03-02"
    newest = ledger.verdict(ledger.published[-1])
    assert (newest.intact, newest.first_bad_day) == (False, "2024-03-04")


def test_a_tail_cut_off_shows_only_by_seals_from_elsewhere() -> None:
    ledger = Ledger()
    for day in ("2024-03-03", "2024-03-04"):
        del ledger.days[day], ledger.contents[day]
    assert ledger.verdict().intact
    verdict = ledger.verdict(ledger.published[-1])
    assert (verdict.intact, verdict.first_bad_day) == (False, "2024-03-03")
    assert verdict.problem == "removed: a seal is given, but the ledger has no such day"


def test_first_days_cut_off_and_the_rest_sealed_anew() -> None:
    ledger = Ledger()
    for day in ("2024-03-01", "2024-03-02"):
        del ledger.days[day]
        ledger.contents.pop(day, None)
    ledger.reseal("2024-03-03", GENESIS)
    assert ledger.verdict().intact
    verdict = ledger.verdict(*ledger.published)
    assert (verdict.intact, verdict.first_bad_day, verdict.head) == (False, "2024-03-01", None)


def test_whose_link_is_broken_is_told_by_a_seal_from_elsewhere() -> None:
    ledger = Ledger()
    ledger.reseal("2024-03-04", root("x"))
    assert ledger.verdict().first_bad_day == "2024-03-03"
    third = next(one for one in ledger.published if one.day == "2024-03-03")
    assert ledger.verdict(third).first_bad_day == "2024-03-04"


def test_a_seal_of_another_time() -> None:
    ledger = Ledger()
    ledger.change("2024-03-03", sealed_at=SEALED_AT + timedelta(microseconds=1))
    verdict = ledger.verdict(*ledger.published)
    assert (verdict.intact, verdict.first_bad_day) == (False, "2024-03-03")
    without = [replace(one, sealed_at=None) for one in ledger.published]
    assert ledger.verdict(*without).intact


def test_a_seal_for_a_day_that_is_open() -> None:
    verdict = Ledger().verdict(Given(OPEN, root("x")))
    assert (verdict.intact, verdict.first_bad_day) == (False, OPEN)
    assert verdict.problem == "removed: it has no seal"


def test_two_seals_for_one_day() -> None:
    ledger = Ledger()
    verdict = ledger.verdict(*ledger.published, Given("2024-03-02", root("x")))
    assert (verdict.intact, verdict.first_bad_day) == (False, "2024-03-02")


def test_an_empty_days_root_is_the_hash_of_nothing() -> None:
    assert Ledger().days["2024-03-02"].root == EMPTY_ROOT == root("")
