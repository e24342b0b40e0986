"""What health's scenes must leave behind against what is there; nothing here asks a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from meshctl.demo.account import Stage
from meshctl.demo.health_evidence import HealthEvidence, Record, Row
from meshctl.demo.health_keys import content, holds, readable
from meshctl.demo.health_plan import PlayedScene, Somebody
from meshctl.demo.matching import Matching

_OPEN = frozenset({"OCCURRED", "CHANGED"})


@dataclass(frozen=True, slots=True)
class Account:
    """All stages, in words what does not fit, and how much of who withdrew still opens."""

    stages: tuple[Stage, ...]
    problems: tuple[str, ...]
    tombstones: int
    readable_after: int

    @property
    def lost(self) -> int:
        return sum(stage.lost for stage in self.stages)

    @property
    def duplicates(self) -> int:
        return sum(stage.duplicates for stage in self.stages)

    @property
    def right(self) -> bool:
        """Nothing lost or doubled, and nothing readable that must not be."""
        return not (self.lost or self.duplicates or self.readable_after)


def account(scenes: Sequence[PlayedScene], found: HealthEvidence) -> Account:
    """Every row, event and message there is must be one that a scene foresees."""
    everybody = [somebody for scene in scenes for somebody in scene.people]
    living = [one for one in everybody if one.certificate is None]
    gone = [one for one in everybody if one.certificate is not None]
    matching = Matching()
    matching.add(
        "answers",
        _all(scene.must_tell for scene in scenes),
        _all(scene.told for scene in scenes),
    )
    _people(matching, living, found)
    _measurements(matching, living, gone, found)
    _acute(matching, living, found)
    _follow_ups(matching, living, found)
    _forgotten(matching, gone, found)
    return Account(
        tuple(matching.stages),
        tuple(matching.problems),
        sum(records[-1].tombstone for records in _by_key(found.records).values()),
        sum(_readable(one, found) for one in gone),
    )


def _people(matching: Matching, living: Sequence[Somebody], found: HealthEvidence) -> None:
    """Each is one pseudonym, with a key while enrolled."""
    owner = {row["measurement_id"]: row["person_id"] for row in found.measurements}
    pseudonyms = {
        (one.name, owner[given.measurement_id])
        for one in living
        for given in one.given
        if given.measurement_id in owner
    }
    matching.add("people", (one.name for one in living), (name for name, _ in pseudonyms))
    enrolled = [row["person_id"] for row in found.people if row["status"] == "ENROLLED"]
    matching.add("enrolled", range(len(living)), range(len(enrolled)))
    # An enrolment that was cut off leaves a key with which nothing is sealed.
    known = {row["person_id"] for row in found.people}
    matching.add("keys", enrolled, (one for one in found.keys if one in known))
    matching.add("in the clear", (), found.in_clear)


def _measurements(
    matching: Matching,
    living: Sequence[Somebody],
    gone: Sequence[Somebody],
    found: HealthEvidence,
) -> None:
    """In sessions and rows, on the topic, and as what they open to."""
    matching.add(
        "sessions",
        (
            (one.session_id, one.kiosk_id, one.measurements, True)
            for somebody in living
            for one in somebody.sittings
        ),
        (
            (row["session_id"], row["kiosk_id"], row["stored_sequence"], row["ended"])
            for row in found.sessions
        ),
    )
    given = [one for somebody in living for one in somebody.given]
    forgotten = [one.measurement_id for somebody in gone for one in somebody.given]
    matching.add(
        "measurements",
        ((one.measurement_id, one.session_id, one.sequence) for one in given),
        ((row["measurement_id"], row["session_id"], row["sequence"]) for row in found.measurements),
    )
    matching.add(
        "measurement events",
        [
            *((one.measurement_id, "told") for one in given),
            *((one, "tombstone") for one in forgotten),
        ],
        (
            (key, what)
            for key, records in _by_key(found.records).items()
            for what in (["tombstone"] if records[-1].tombstone else ["told"] * len(records))
        ),
    )
    must = [(one.measurement_id, one.content) for one in given]
    matching.add(
        "values on the topic",
        must,
        (
            (one.measurement_id, content(one.person_id, found.keys.get(one.person_id), one.sealed))
            for one in found.records
            if not one.tombstone and one.measurement_id not in set(forgotten)
        ),
    )
    matching.add(
        "values in rows",
        must,
        ((row["measurement_id"], _content(row, found.keys)) for row in found.measurements),
    )


def _acute(matching: Matching, living: Sequence[Somebody], found: HealthEvidence) -> None:
    """From the case to what the 119 room is told of it, and told when it asks."""
    cases = [one for somebody in living for one in somebody.cases]
    known = {row["incident_id"]: row["source_reference"] for row in found.incidents}
    matching.add(
        "cases",
        ((one.case_id, one.kiosk_id, one.score) for one in cases),
        ((row["case_id"], row["kiosk_id"], row["score"]) for row in found.cases),
    )
    names = ("case_id", "kiosk_id", "score", "severity")
    matching.add(
        "acute events",
        ((one.case_id, one.kiosk_id, one.score, one.severity) for one in cases),
        (tuple(event[name] for name in names) for event in found.acute_events),
    )
    matching.add(
        "incidents",
        ((one.case_id, ("119",), True) for one in cases),
        (
            (row["source_reference"], tuple(row["desks"]), row["status"] in _OPEN)
            for row in found.incidents
        ),
    )
    matching.add(
        "119 room",
        (
            (row["source_reference"], number)
            for row in found.incidents
            for number in range(1, row["revision"] + 1)
        ),
        (
            (known[incident_id], number)
            for incident_id, revisions in found.told.items()
            if incident_id in known
            for number in revisions.elements()
        ),
    )
    matching.add(
        "119 answers",
        ((one.case_id, item) for one in cases for item in one.answer),
        (
            (one.case_id, item)
            for one in cases
            for item, words in one.answer.items()
            if words in found.answers.get(one.number, {}).get(item, "")
        ),
    )


def _follow_ups(matching: Matching, living: Sequence[Somebody], found: HealthEvidence) -> None:
    owner = {row["measurement_id"]: row["person_id"] for row in found.measurements}
    kinds = {row["follow_up_id"]: row["kind"] for row in found.follow_ups}
    names = {
        owner[given.measurement_id]: one.name
        for one in living
        for given in one.given
        if given.measurement_id in owner
    }
    matching.add(
        "follow-ups",
        ((one.name, kind) for one in living for kind in one.open),
        ((names.get(row["person_id"], ""), row["kind"]) for row in found.follow_ups),
    )
    matching.add(
        "follow-ups told",
        (kind for one in living for kind in one.due),
        (
            event["kind"] if kinds.get(event["follow_up_id"]) == event["kind"] else "unknown"
            for event in found.due_events
        ),
    )


def _forgotten(matching: Matching, gone: Sequence[Somebody], found: HealthEvidence) -> None:
    """What the certificate says holds, and nothing is left."""
    certificates = [one.certificate for one in gone if one.certificate is not None]
    matching.add(
        "certificates",
        (
            frozenset(
                {
                    "profile": 1,
                    "measurements": len(one.given),
                    "sessions": len(one.sittings),
                    "cases": len(one.cases),
                    "follow_ups": len(one.open),
                }.items()
            )
            for one in gone
        ),
        (
            frozenset(one.forgotten.items())
            for one in certificates
            if holds(one, found.certificate) and one.key_fingerprint
        ),
    )
    ids = {one.person_id for one in certificates}
    tables = (found.measurements, found.sessions, found.cases, found.follow_ups, found.bases)
    left = [row["person_id"] for rows in tables for row in rows if row["person_id"] in ids]
    matching.add("left of who withdrew", (), left)
    matching.add(
        "forgotten",
        ((one, "FORGOTTEN", True) for one in ids),
        (
            (row["person_id"], row["status"], row["profile"] is None)
            for row in found.people
            if row["person_id"] in ids or row["status"] != "ENROLLED"
        ),
    )


def _readable(somebody: Somebody, found: HealthEvidence) -> int:
    """What of them still opens with any key there is, wherever it lies."""
    assert somebody.certificate is not None
    person_id = somebody.certificate.person_id
    theirs = {one.measurement_id for one in somebody.given}
    sealed = [one.sealed for one in found.records if one.person_id == person_id]
    sealed += [
        bytes(row["sealed"])
        for row in (*found.measurements, *found.bases)
        if row["person_id"] == person_id or row.get("measurement_id") in theirs
    ]
    sealed += [
        bytes(row["profile"])
        for row in found.people
        if row["person_id"] == person_id and row["profile"] is not None
    ]
    return readable(person_id, tuple(found.keys.values()), sealed)


def _content(row: Row, keys: Mapping[str, bytes]) -> Hashable:
    return content(row["person_id"], keys.get(row["person_id"]), bytes(row["sealed"]))


def _by_key(records: Sequence[Record]) -> Mapping[str, Sequence[Record]]:
    found: dict[str, list[Record]] = {}
    for one in records:
        found.setdefault(one.measurement_id, []).append(one)
    return found


def _all(counts: Iterable[Counter[str]]) -> Iterable[str]:
    return (word for count in counts for word in count.elements())
