"""What is watched of one kind at one site: which tracks persist, and what alarm they belong to.

The result does not depend on the order in which detections come, as long as none comes later than
the rules' lateness; nor on how often one comes. Decision 0010 has the proof. Times and durations
are microseconds, times since 1970.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from cameras.alarms.rulebook import Terms

CAUSES = 20
"""Of the detections that caused an alarm so many are named, the first ones."""


class Detection(NamedTuple):
    """One that its rule, `terms`, takes for sure enough."""

    id: str
    camera_id: str
    track_id: str
    purpose: str
    at: int
    terms: Terms


class Run(msgspec.Struct, array_like=True):
    """Detections of a track with no gap between them larger than their rules'.

    What it needs is decided by the rule of its first detection.
    """

    start: int
    end: int
    until: int
    """Up to when a detection belongs to it."""
    known_until: int
    """Up to when one of this track is not a new appearance."""
    persisted_at: int
    settled_at: int
    """Nothing before it can still come once the run has persisted."""
    witness: int
    version: int
    rule_id: str
    purpose: str
    first: list[tuple[int, str]]
    """Times and ids of the first CAUSES detections, oldest first."""

    def extend(self, at: int, identity: str, terms: Terms) -> None:
        """By a detection within it or its gap; not before its start."""
        if at > self.end:
            self.end = at
        self.until = max(self.until, at + terms.gap)
        self.known_until = max(self.known_until, at + terms.forget)
        first = self.first
        if len(first) < CAUSES or at < first[-1][0]:
            entry = (at, identity)
            if at > first[-1][0]:
                first.append(entry)
            elif all(known[0] != at for known in first):
                first.append(entry)
                first.sort()
                del first[CAUSES:]

    def absorb(self, later: "Run") -> None:
        """A run that starts after this one and is, by a detection between, the same."""
        self.end = max(self.end, later.end)
        self.until = max(self.until, later.until)
        self.known_until = max(self.known_until, later.known_until)
        self.first = sorted({*self.first, *later.first})[:CAUSES]

    def causes(self) -> tuple[str, ...]:
        return tuple(
            identity for at, identity in self.first if at < self.settled_at or at == self.start
        )


class Track(msgspec.Struct, array_like=True):
    """One object of one camera: the appearance that was confirmed, and runs that may yet be."""

    since: int = 0
    known_until: int = -1
    """The confirmed appearance is from `since` to here; none when `known_until` is before it."""
    runs: list[Run] = msgspec.field(default_factory=list)

    def knows(self, at: int) -> bool:
        """Whether a detection at this time changes nothing."""
        return self.since <= at <= self.known_until or any(
            run.start <= at <= run.end for run in self.runs
        )

    def add(self, detection: Detection) -> Run | None:
        """The run that has now persisted; once per appearance."""
        at, terms = detection.at, detection.terms
        if at <= self.known_until:
            self._know(at + terms.forget)
            return None
        run = self._run(detection)
        if run.end < run.persisted_at:
            return None
        self.since = run.start
        self.runs.remove(run)
        self._know(run.known_until)
        return run

    def prune(self, floor: int) -> bool:
        """Drop what no detection from `floor` on can touch; whether anything is left."""
        if self.runs:
            self.runs = [run for run in self.runs if run.until >= floor]
        return bool(self.runs) or self.known_until >= floor

    def _know(self, until: int) -> None:
        self.known_until = max(self.known_until, until)
        for run in self.runs:
            if run.start <= self.known_until:
                self.known_until = max(self.known_until, run.known_until)
        if self.runs:
            self.runs = [run for run in self.runs if run.start > self.known_until]

    def _run(self, detection: Detection) -> Run:
        at, terms, runs = detection.at, detection.terms, self.runs
        if len(runs) == 1 and runs[0].start <= at <= runs[0].until:
            runs[0].extend(at, detection.id, terms)
            return runs[0]
        touching = [run for run in runs if run.start - terms.gap <= at <= run.until]
        if touching and touching[0].start <= at:
            joined = touching.pop(0)
            joined.extend(at, detection.id, terms)
        else:
            joined = _started(detection)
            runs.append(joined)
        for later in touching:
            joined.absorb(later)
            runs.remove(later)
        runs.sort(key=_start)
        return joined


class Anchor(msgspec.Struct, array_like=True):
    """A raised alarm that may still get witnesses: its first witness in the order of this key."""

    persisted_at: int
    since: int
    camera_id: str
    track_id: str
    witness: int
    number: int

    def key(self) -> tuple[int, int, str, str]:
        return self.persisted_at, self.since, self.camera_id, self.track_id


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A track that persisted, and the alarm of its site and kind that it belongs to."""

    number: int
    """Running number of the alarm, from 1."""
    raised: bool
    """It is the alarm's first witness in time; false for one who joins."""
    anchors: bool
    """The alarm is told by this witness: when it occurred, its rule, what caused it."""
    camera_id: str
    track_id: str
    since: int
    persisted_at: int
    version: int
    rule_id: str
    purpose: str
    detection_ids: tuple[str, ...]


class Watch(msgspec.Struct, array_like=True):
    """The state of one site and kind."""

    raised: int = 0
    """Alarms up to now; the last one's number."""
    newest: int = -(2**62)
    floor: int = -(2**62)
    """What is older comes too late."""
    tracks: dict[tuple[str, str], Track] = msgspec.field(default_factory=dict)
    anchors: list[Anchor] = msgspec.field(default_factory=list)

    def late(self, at: int) -> bool:
        return at < self.floor

    def known(self, detection: Detection) -> bool:
        """Whether a late detection would have changed nothing."""
        track = self.tracks.get((detection.camera_id, detection.track_id))
        return track is not None and track.knows(detection.at)

    def add(self, detection: Detection) -> Confirmed | None:
        """A detection that is not late; what became of its track, if anything did now."""
        at = detection.at
        if at > self.newest:
            self.newest = at
        self.floor = max(self.floor, at - detection.terms.lateness)
        key = (detection.camera_id, detection.track_id)
        track = self.tracks.get(key)
        if track is None:
            track = self.tracks[key] = Track()
        run = track.add(detection)
        return None if run is None else self._confirm(detection, run)

    def prune(self) -> None:
        """Drop what no detection that may still come can touch."""
        floor = self.floor
        gone = [key for key, track in self.tracks.items() if not track.prune(floor)]
        for key in gone:
            del self.tracks[key]
        # A track that persists from now on did so after floor − gap, and a gap is less than
        # what makes a witness.
        self.anchors = [one for one in self.anchors if one.persisted_at + 2 * one.witness >= floor]

    def _confirm(self, detection: Detection, run: Run) -> Confirmed:
        camera_id, track_id = detection.camera_id, detection.track_id
        mine = Anchor(run.persisted_at, run.start, camera_id, track_id, run.witness, 0)
        near = [
            one for one in self.anchors if abs(one.persisted_at - mine.persisted_at) <= one.witness
        ]
        raised = not near
        if near:
            earliest = min(near, key=Anchor.key)
            mine.number = earliest.number
            anchors = mine.key() < earliest.key()
            if anchors:
                self.anchors.remove(earliest)
        else:
            self.raised += 1
            mine.number = self.raised
            anchors = True
        if anchors:
            self.anchors.append(mine)
        return Confirmed(
            number=mine.number,
            raised=raised,
            anchors=anchors,
            camera_id=camera_id,
            track_id=track_id,
            since=run.start,
            persisted_at=run.persisted_at,
            version=run.version,
            rule_id=run.rule_id,
            purpose=run.purpose,
            detection_ids=run.causes(),
        )


def _started(detection: Detection) -> Run:
    at, terms = detection.at, detection.terms
    return Run(
        start=at,
        end=at,
        until=at + terms.gap,
        known_until=at + terms.forget,
        persisted_at=at + terms.dwell,
        settled_at=at + terms.dwell - terms.lateness,
        witness=terms.witness,
        version=terms.version,
        rule_id=terms.rule_id,
        purpose=detection.purpose,
        first=[(at, detection.id)],
    )


def _start(run: Run) -> int:
    return run.start
