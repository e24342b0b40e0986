"""The check itself; nothing here reads from anywhere but its arguments.

Everything becomes rows, grouped on disk (spill.py): by id, by event, by cause, by entity, and then
by topic and key. Memory is that of a group file, see there, whatever the length of the run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

from loadtests.checker import expected, facts
from loadtests.checker.facts import Seen
from loadtests.checker.findings import Findings
from loadtests.checker.history import Call, Status
from loadtests.checker.rows import ROOM, Dispatch, Head, Stored, Tally, Told, World
from loadtests.checker.spill import Groups, Row
from loadtests.driver.result import Check

Evidence = Seen | Stored | Head | Tally | Dispatch | Told

T = TypeVar("T")
_DISPATCHES = "emergency.room_message"


class Checking:
    """Give it calls and rows, the events of a partition in their order, say what was read wholly,
    then ask for the result, once."""

    def __init__(self, world: World, folder: Path, parts: int = 64) -> None:
        self._world = world
        self._groups = Groups(folder / "ids", parts)
        self._keys = Groups(folder / "keys", parts)
        self._read: set[str] = set()
        self._missing: list[str] = []
        self._found = Findings()
        self._checked: Counter[str] = Counter()
        self._topics: Counter[str] = Counter()
        self._unchecked: Counter[str] = Counter()
        self._unnamed: set[tuple[str, str | int | None]] = set()
        self._direct: set[str] = set()
        self._dispatched: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._files = ExitStack()
        self._files.enter_context(self._groups)
        self._files.enter_context(self._keys)
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def was_read(self, *places: str) -> None:
        """Topics and tables, from the beginning of the run to their end."""
        self._read.update(places)

    def missing(self, detail: str) -> None:
        """Something could not be read."""
        self._missing.append(detail)

    def directly_written(self) -> Sequence[str]:
        """Topics that calls up to now wrote without a department."""
        return sorted(self._direct)

    def call(self, call: Call) -> None:
        self._checked["calls"] += 1
        if call.op.startswith(expected.DIRECT):
            self._direct.add(call.op.removeprefix(expected.DIRECT))
        for identity in call.acknowledged:
            self._claim(call, *expected.places(call.op, identity), "ok")
        for identity in set(call.attempted).difference(call.acknowledged):
            self._claim(call, *expected.places(call.op, identity), call.status)
        if call.status == "unknown" and not call.attempted:
            self._unnamed_call(call)

    def _claim(self, call: Call, places: Sequence[str], name: str, status: Status) -> None:
        row = ("call", call.op, status, call.sent, call.done, tuple(places))
        self._groups.add(f"id {name}", row)

    def _unnamed_call(self, call: Call) -> None:
        """What it may have caused has no name: such an event is not taken for somebody else's."""
        for place in expected.of(call.op):
            if facts.of(place).single:
                self._unnamed.add((place, call.intended))
                self._unnamed.add((place, call.key))
        guess = expected.guessed(call.op, call.key, call.intended)
        if guess is None:
            self._checked["unknown: no way to tell"] += 1
        else:
            self._claim(call, *guess, "unknown")

    def row(self, row: Evidence) -> None:
        if isinstance(row, Seen):
            self._seen(row)
        elif isinstance(row, Dispatch):
            self._dispatch(row)
        elif isinstance(row, Told):
            self._told(row)
        elif isinstance(row, Stored):
            self._checked["rows of databases"] += 1
            self._groups.add(f"id {row.id}", ("at", row.place, "", "", True))
            if row.cause:
                self._groups.add(f"cause {row.place} {row.cause}", (row.id,))
            if row.due:
                self._groups.add(f"id {row.id}", ("due", row.place, row.due))
        elif isinstance(row, Head):
            head = ("head", row.revision, row.new)
            self._groups.add(f"entity {row.topic} {row.entity}", head)
        elif row.topic in self._direct:
            pass
        elif row.found < row.expected:
            if not self._world.alone:
                return  # of what others send some is always under way
            times = row.expected - row.found
            detail = f"{row.found} of {row.expected}"
            self._found.add("lost", row.subject, row.id, detail, times)
        elif row.found > row.expected:
            times = row.found - row.expected
            detail = f"{row.found}, expected {row.expected}"
            self._found.add("doubled", row.subject, row.id, detail, times)

    def _seen(self, one: Seen) -> None:
        topic, groups, keys = one.topic, self._groups, self._keys
        self._topics[topic] += 1
        if one.id:
            groups.add(f"event {topic} {one.id}", (one.digest, f"{one.partition}/{one.offset}"))
        else:
            self._checked["events without an id"] += 1
        for name, exact in one.names:
            groups.add(f"id {name}", ("at", topic, one.key, one.id, exact))
        keys.add(f"{topic} {one.key}", ("seen", one.partition, one.offset, one.id, self._may(one)))
        if topic in self._direct:
            return  # the driver made it up: it need not fit what departments tell
        for cause in one.causes:
            groups.add(f"cause {topic} {cause}", (one.id,))
        if one.entity and one.revision is not None:
            come = ("seen", one.revision, one.partition, one.offset)
            groups.add(f"entity {topic} {one.entity}", come)
        if one.since is None or one.since >= self._world.began:
            for places, identity in one.needs:
                groups.add(f"id {identity}", ("need", topic, one.id, places))
        for place in one.due:
            groups.add(f"id {one.entity}", ("due", topic, place))

    def _dispatch(self, one: Dispatch) -> None:
        name = f"id {one.room} {one.id}"
        self._groups.add(name, ("at", _DISPATCHES, "", "", True))
        self._waiting[one.room] += one.waiting
        if one.taken:
            self._dispatched[one.room] += 1
            self._groups.add(name, ("taken", one.room, one.id))

    def _told(self, one: Told) -> None:
        name = f"id {one.room} {one.id}"
        self._checked["messages in rooms"] += one.new
        self._groups.add(name, ("at", one.room, "", "", True))
        if one.new:
            self._groups.add(name, ("need", one.room, one.id, (_DISPATCHES,)))
        if not one.repeat:
            told = (one.line, one.number, one.id, one.new)
            self._groups.add(f"room {one.room} {one.about}", told)
        elif one.new:
            self._checked["repeats in rooms"] += 1

    def _may(self, one: Seen) -> bool:
        """Whether it may be of a call that names nothing."""
        return not self._unnamed.isdisjoint({(one.topic, one.about), (one.topic, one.at)})

    def _identity(self, identity: str, group: Sequence[Row]) -> None:
        """Whatever calls, events and rows say of one id."""
        calls = [row[1:] for row in group if row[0] == "call"]
        found = _distinct(row[1:] for row in group if row[0] == "at")
        places = {place for place, *_ in found}
        if calls:
            self._acknowledged(identity, calls, places)
            self._named(calls, found)
        for _, topic, event, needed in _distinct(row for row in group if row[0] == "need"):
            if not places & set(needed) and self._read.issuperset(needed):
                detail = f"tells of {identity}, which is not at {' or '.join(needed)}"
                self._found.add("unseen", topic, event, detail)
        for _, origin, due in _distinct(row for row in group if row[0] == "due"):
            if due not in places and due in self._read:
                self._found.add("lost", due, identity, f"it is at {origin}")
        for _, room, message in _distinct(row for row in group if row[0] == "taken"):
            if room not in places and room in self._read:
                self._found.add("lost", room, message, "acknowledged, and not in its record")

    def _acknowledged(
        self, identity: str, calls: Sequence[tuple[Any, ...]], places: set[str]
    ) -> None:
        by_status: dict[str, dict[str, tuple[str, ...]]] = {}
        for op, status, _, _, expected_at in calls:
            by_status.setdefault(status, {})[op] = expected_at
        for op, at in by_status.get("ok", {}).items():
            if not places.isdisjoint(at):
                self._checked["acknowledged ids"] += 1
            elif at and self._read.issuperset(at):
                self._checked["acknowledged ids"] += 1
                detail = f"acknowledged, and not at {' or '.join(at)}"
                self._found.add("lost", op, identity, detail)
            else:
                self._unchecked[op] += 1
        if "ok" in by_status:
            return
        if "unknown" in by_status:
            anywhere = {place for one in by_status["unknown"].values() for place in one}
            if not places.isdisjoint(anywhere):
                self._checked["unknown: happened"] += 1
            elif anywhere and self._read.issuperset(anywhere):
                self._checked["unknown: did not happen"] += 1
            else:
                self._unchecked[min(by_status["unknown"])] += 1
            return
        for op, at in by_status["failed"].items():
            if not places.isdisjoint(at):
                where = min(places.intersection(at))
                self._found.add(
                    "unseen", op, identity, f"the call failed, and yet it is at {where}"
                )

    def _named(
        self,
        calls: Sequence[tuple[Any, ...]],
        found: Sequence[tuple[Any, ...]],
    ) -> None:
        """Events that calls name, for the look at their keys."""
        for topic, key, event, exact in found:
            own = [call for call in calls if topic in call[4]]
            if event and own:
                sent = min(call[2] for call in own)
                done = min((call[3] for call in own if call[1] == "ok"), default=None)
                self._keys.add(f"{topic} {key}", ("named", event, sent, done, exact))

    def _event(self, topic: str, identity: str, group: Sequence[Row]) -> None:
        """All that came with one event's id."""
        contents = len({digest for digest, _ in group})
        if contents > 1:
            at = ", ".join(_distinct(place for _, place in group)[:4])
            detail = f"one id, {contents} contents, at {at}"
            self._found.add("doubled", topic, identity, detail)
        self._checked["repetitions of the same event"] += len(group) - contents

    def _cause(self, place: str, cause: str, group: Sequence[Row]) -> None:
        """All that came of one cause."""
        effects = sorted({row[0] for row in group})
        if len(effects) > 1:
            shown = ", ".join(effects[:3])
            detail = f"one cause, {len(effects)} effects: {shown}"
            self._found.add("doubled", place, cause, detail)

    def _entity(self, topic: str, entity: str, group: Sequence[Row]) -> None:
        """The revisions of one entity, in the order of its topic."""
        known = facts.of(topic)
        events = sorted(row[1:] for row in group if row[0] == "seen")
        events.sort(key=lambda row: (row[1], row[2]))
        come: set[int] = set()
        newest: dict[int, int] = {}
        for revision, partition, offset in events:
            if revision in come:
                continue
            come.add(revision)
            if revision < newest.setdefault(partition, revision):
                detail = f"at {partition}/{offset} after {newest[partition]}"
                self._found.add("reordered", topic, f"{entity}#{revision}", detail)
            newest[partition] = max(newest[partition], revision)
        if not known.whole or topic not in self._read:
            return
        heads = [row[1:] for row in group if row[0] == "head"]
        new = any(head[1] for head in heads)
        first = known.first if new else min(come, default=max((h[0] for h in heads), default=0))
        last = max([*come, *(head[0] for head in heads)])
        for revision in range(first, last + 1):
            if revision not in come:
                detail = f"its department is at {last}" if last not in come else f"{last} is there"
                self._found.add("lost", topic, f"{entity}#{revision}", detail)

    def _room(self, room: str, group: Sequence[Row]) -> None:
        """What took effect in a room of one incident, in the order of its record."""
        lines: dict[str, int] = {}
        newest, last = -1, ""
        for line, number, message, new in sorted(group):
            if message in lines:
                if new:
                    detail = f"in effect at line {line} and at {lines[message]}"
                    self._found.add("doubled", room, message, detail)
                continue
            lines[message] = line
            if number < newest and new:
                detail = f"at line {line} after {last}"
                self._found.add("reordered", room, message, detail)
            if number > newest:
                newest, last = number, message

    def _key(self, topic: str, group: Sequence[Row]) -> None:
        """The events of one key: which calls they are of, and whether in the order of the calls."""
        events: dict[str, tuple[int, int]] = {}
        excused: set[str] = set()
        for kind, *row in group:
            if kind == "seen" and row[2]:
                partition, offset, event, may = row
                events[event] = min((partition, offset), events.get(event, (partition, offset)))
                if may:
                    excused.add(event)
        calls = [row[1:] for row in group if row[0] == "named"]
        self._in_order(topic, events, calls)
        if facts.of(topic).single and self._world.alone:
            named = {row[0] for row in calls}
            for event in events.keys() - named - excused:
                partition, offset = events[event]
                detail = f"at {partition}/{offset}, and no call named it"
                self._found.add("unseen", topic, event, detail)

    def _in_order(
        self, topic: str, events: dict[str, tuple[int, int]], named: Sequence[tuple[Any, ...]]
    ) -> None:
        """A call that was over before another began has its event before the other's."""
        spans: dict[str, tuple[int, int | None]] = {}
        for event, sent, done, exact in named:
            if exact:
                before, over = spans.get(event, (sent, done))
                ends = [end for end in (over, done) if end is not None]
                spans[event] = min(before, sent), min(ends, default=None)
        # Of those that stand before, the one sent last; per partition.
        latest: dict[int, tuple[int, str]] = {}
        for event in sorted(spans, key=lambda one: events[one]):
            (partition, offset), (sent, done) = events[event], spans[event]
            late, other = latest.get(partition, (sent, event))
            if done is not None and done + self._world.margin < late:
                detail = f"at {partition}/{offset} after {other}, whose call came later"
                self._found.add("reordered", topic, event, detail)
            latest[partition] = max((late, other), (sent, event))

    def result(self) -> Check:
        for name, group in self._groups.read():
            kind, _, rest = name.partition(" ")
            place, _, identity = rest.partition(" ")
            if kind == "id":
                self._identity(rest, group)
            elif kind == "event":
                self._event(place, identity, group)
            elif kind == "cause":
                self._cause(place, identity, group)
            elif kind == "room":
                self._room(place, group)
            else:
                self._entity(place, identity, group)
        for name, group in self._keys.read():
            self._key(name.partition(" ")[0], group)
        details = list(self._missing)
        details += [
            f"{room}: {count} messages are still on their way"
            for room, count in sorted(self._waiting.items())
            if count and room in self._read
        ]
        details += [f"{op}: {n} ids not checked" for op, n in sorted(self._unchecked.items())]
        names = (
            "calls",
            "acknowledged ids",
            "unknown: happened",
            "unknown: did not happen",
            "unknown: no way to tell",
            "repetitions of the same event",
            "events without an id",
            "rows of databases",
            "messages in rooms",
            "repeats in rooms",
        )
        return Check(
            complete=not details,
            detail="; ".join([*details, *self._not_looked_at()]),
            checked={
                **{name: self._checked[name] for name in names},
                **{topic: self._topics[topic] for topic in sorted(self._topics)},
            },
            counts=self._found.counts,
            findings=self._found.first,
        )

    def _not_looked_at(self) -> Iterator[str]:
        """Rooms whose record nobody gave: they may be real ones, which keep theirs. And events
        that no call named, where others call too."""
        if not self._world.alone:
            yield "others send too: not looked for what no call named, and what a count lacks"
        if not any(place.startswith(ROOM) for place in self._read):
            yield "no room's record was looked at"
        for room, count in sorted(self._dispatched.items()):
            if room not in self._read:
                yield f"{room}: {count} acknowledged messages not looked at"


def _distinct(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
