"""The account of health's scenes finds what is planted: lost, doubled, changed, still readable."""

import base64
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from city.health.v1.person_pb2 import ForgettingCertificate
from city_backbone.crypto import Box, derived
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID
from meshctl.demo import health_account, health_keys, record
from meshctl.demo.health_clear import in_clear
from meshctl.demo.health_evidence import HealthEvidence, Record
from meshctl.demo.health_fhir import in_fahrenheit, observation
from meshctl.demo.health_plan import Case, Content, Given, PlayedScene, Sitting, Somebody
from meshctl.demo.health_room import answers

TAKEN = datetime(2026, 11, 25, 1, 2, 3, 456_000, tzinfo=UTC)
MICROS = round(TAKEN.timestamp() * 1_000_000)
SIGNING = ec.generate_private_key(ec.SECP256R1())
ALICE, BOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
# Bob withdrew: nobody has the second key any more.
KEYS = {ALICE: bytes(32), BOB: bytes(range(32))}


def _certificate_of(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "health")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(TAKEN)
        .not_valid_after(TAKEN + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


DEPARTMENT = _certificate_of(SIGNING)


def _signed(certificate: ForgettingCertificate) -> ForgettingCertificate:
    """As person.proto has it."""
    statement = {
        "certificate_id": certificate.certificate_id,
        "forgotten": dict(sorted(certificate.forgotten.items())),
        "key_fingerprint": certificate.key_fingerprint,
        "person_id": certificate.person_id,
        "withdrawn_at": "2026-11-25T01:02:03.456000Z",
    }
    text = json.dumps(statement, separators=(",", ":")).encode()
    r, s = utils.decode_dss_signature(SIGNING.sign(text, ec.ECDSA(hashes.SHA256())))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    certificate.signature = base64.b64encode(raw).decode()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        SIGNING.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )
    certificate.key_id = digest.finalize().hex()
    return certificate


def _forgetting() -> ForgettingCertificate:
    certificate = ForgettingCertificate(certificate_id="c", person_id=BOB, key_fingerprint="f" * 64)
    certificate.withdrawn_at.FromDatetime(TAKEN)
    counts = {"profile": 1, "measurements": 1, "sessions": 1, "cases": 0, "follow_ups": 1}
    certificate.forgotten.update(counts)
    return _signed(certificate)


def sealed(person_id: str, content: Content, field: str = "measurement") -> bytes:
    """As the department seals it, with blanks at the end."""
    said: dict[str, Any] = {**content._asdict(), "fill": "..", "taken_at": TAKEN.isoformat()}
    del said["taken_micros"]
    text = json.dumps(said).encode() + b"   "
    return Box(KEYS[person_id]).seal(text, f"city.health/1/{person_id}/{field}".encode())


PRESSURE = Content("BLOOD_PRESSURE", 121.0, 78.0, None, MICROS, "boram-cuff", "boram")
PULSE = Content("HEART_RATE", 72.0, None, None, MICROS, "", None)
CASE = Case("k1", "boram", 3, "URGENT", "n1", {"건강 이상 1 이름": "시연 주민 1"})
alice = Somebody(
    "시연 주민 1",
    given=[Given("m1", PRESSURE, "s1", 1), Given("m2", PULSE)],
    sittings=[Sitting("s1", "boram", 1)],
    cases=[CASE],
    open=frozenset({"MEASURE_AGAIN", "SEE_DOCTOR"}),
    due=frozenset({"SEE_DOCTOR"}),
)
bob = Somebody(
    "시연 주민 2",
    given=[Given("m3", PRESSURE, "s2", 1)],
    sittings=[Sitting("s2", "boram", 1)],
    certificate=_forgetting(),
)
SCENE = PlayedScene(
    "scene",
    "장면",
    people=[alice, bob],
    told=Counter({"NORMAL": 2, "fhir 201": 1}),
    must_tell=Counter({"NORMAL": 2, "fhir 201": 1}),
)
SEALED = {"m1": sealed(ALICE, PRESSURE), "m2": sealed(ALICE, PULSE), "m3": sealed(BOB, PRESSURE)}
ROWS = [
    {
        "measurement_id": one,
        "person_id": ALICE,
        "session_id": session_id,
        "sequence": sequence,
        "kiosk_id": None,
        "sealed": SEALED[one],
    }
    for one, session_id, sequence in (("m1", "s1", 1), ("m2", None, None))
]
RECORDS = [
    Record("m1", "e1", ALICE, SEALED["m1"]),
    Record("m2", "e2", ALICE, SEALED["m2"]),
    Record("m3", "e3", BOB, SEALED["m3"]),
    Record("m3", ""),
]
FOLLOW_UPS = [
    {"follow_up_id": f"f{number}", "person_id": ALICE, "kind": kind}
    for number, kind in enumerate(("MEASURE_AGAIN", "SEE_DOCTOR"))
]
SESSION = {
    "session_id": "s1",
    "kiosk_id": "boram",
    "person_id": ALICE,
    "stored_sequence": 1,
    "ended": True,
}
PEOPLE: list[dict[str, Any]] = [
    {"person_id": ALICE, "status": "ENROLLED", "profile": b"sealed"},
    {"person_id": BOB, "status": "FORGOTTEN", "profile": None},
]
ACUTE = {"case_id": "k1", "kiosk_id": "boram", "score": 3, "severity": "URGENT"}
INCIDENT = {
    "incident_id": "i1",
    "source_reference": "k1",
    "desks": ["119"],
    "status": "OCCURRED",
    "place": "보람동",
    "revision": 1,
}
RIGHT = HealthEvidence(
    people=PEOPLE,
    measurements=ROWS,
    sessions=[SESSION],
    cases=[{**ACUTE, "person_id": ALICE}],
    follow_ups=FOLLOW_UPS,
    bases=[],
    records=RECORDS,
    acute_events=[ACUTE],
    due_events=[{"follow_up_id": "f1", "kind": "SEE_DOCTOR"}],
    incidents=[INCIDENT],
    told={"i1": Counter({1: 1})},
    answers={"n1": {"건강 이상 1 이름": "시연 주민 1"}},
    keys={ALICE: KEYS[ALICE]},
    certificate=DEPARTMENT,
    in_clear=[],
    written_again=0,
    rejected=0,
)


def stages(found: HealthEvidence, scene: PlayedScene = SCENE) -> dict[str, tuple[int, int]]:
    """Lost and duplicates of each stage where there are any."""
    result = health_account.account([scene], found)
    wrong = {s.name: (s.lost, s.duplicates) for s in result.stages if s.lost or s.duplicates}
    assert result.right is not (bool(wrong) or bool(result.readable_after))
    assert bool(result.problems) is bool(wrong)
    return wrong


def test_what_is_as_it_must_be_adds_up() -> None:
    assert stages(RIGHT) == {}
    result = health_account.account([SCENE], RIGHT)
    assert (result.tombstones, result.readable_after) == (1, 0)


MOVED = {**ROWS[0], "sealed": SEALED["m2"]}
OTHER = PULSE._replace(value=73.0)


@pytest.mark.parametrize(
    ("plant", "wrong"),
    [
        # A lost row, one too many, one whose value is another or is not of its person.
        (lambda: {"measurements": ROWS[:1]}, {"measurements": (1, 0), "values in rows": (1, 0)}),
        (
            lambda: {"measurements": [*ROWS, {**ROWS[0], "measurement_id": "m9"}]},
            {"measurements": (0, 1), "values in rows": (0, 1)},
        ),
        (lambda: {"measurements": [MOVED, ROWS[1]]}, {"values in rows": (1, 1)}),
        (
            lambda: {"measurements": [ROWS[0], {**ROWS[1], "sealed": sealed(ALICE, OTHER)}]},
            {"values in rows": (1, 1)},
        ),
        # Two measurements of somebody are kept as of two people.
        (
            lambda: {"measurements": [ROWS[0], {**ROWS[1], "person_id": "x"}]},
            {"people": (0, 1), "values in rows": (1, 1)},
        ),
        # An event that is lost, that is there under another id too, or that tells another value.
        (
            lambda: {"records": RECORDS[1:]},
            {"measurement events": (1, 0), "values on the topic": (1, 0)},
        ),
        (
            lambda: {"records": [*RECORDS, replace(RECORDS[0], event_id="e9")]},
            {"measurement events": (0, 1), "values on the topic": (0, 1)},
        ),
        (
            lambda: {"records": [replace(RECORDS[0], sealed=SEALED["m2"]), *RECORDS[1:]]},
            {"values on the topic": (1, 1)},
        ),
        # No tombstone, or something after it; a tombstone of who did not withdraw.
        (lambda: {"records": RECORDS[:3]}, {"measurement events": (1, 1)}),
        (lambda: {"records": [*RECORDS, RECORDS[2]]}, {"measurement events": (1, 3)}),
        (lambda: {"records": [*RECORDS, Record("m1", "")]}, {"measurement events": (1, 1)}),
        (lambda: {"sessions": []}, {"sessions": (1, 0)}),
        (lambda: {"sessions": [{**SESSION, "ended": False}]}, {"sessions": (1, 1)}),
        (lambda: {"sessions": [{**SESSION, "stored_sequence": 0}]}, {"sessions": (1, 1)}),
        # From the case to the room.
        (lambda: {"cases": []}, {"cases": (1, 0)}),
        (lambda: {"acute_events": [ACUTE, ACUTE]}, {"acute events": (0, 1)}),
        (lambda: {"acute_events": [{**ACUTE, "severity": "CRITICAL"}]}, {"acute events": (1, 1)}),
        (lambda: {"incidents": []}, {"incidents": (1, 0)}),
        (lambda: {"incidents": [{**INCIDENT, "desks": ["112"]}]}, {"incidents": (1, 1)}),
        (lambda: {"told": {}}, {"119 room": (1, 0)}),
        (lambda: {"told": {"i1": Counter({1: 2})}}, {"119 room": (0, 1)}),
        (lambda: {"answers": {"n1": {"건강 이상 1": "확인 불가"}}}, {"119 answers": (1, 0)}),
        # Follow-ups, and what is told of them.
        (lambda: {"follow_ups": FOLLOW_UPS[1:]}, {"follow-ups": (1, 0)}),
        (lambda: {"due_events": []}, {"follow-ups told": (1, 0)}),
        (
            lambda: {"due_events": [{"follow_up_id": "f0", "kind": "SEE_DOCTOR"}]},
            {"follow-ups told": (1, 1)},
        ),
        # A key is lost, and with it what it sealed.
        (
            lambda: {"keys": {}},
            {"keys": (1, 0), "values on the topic": (2, 2), "values in rows": (2, 2)},
        ),
        (lambda: {"in_clear": [("시연 주민 1", "logs/health.log")]}, {"in the clear": (0, 1)}),
        # Something of who withdrew is left.
        (
            lambda: {"people": [PEOPLE[0], {**PEOPLE[1], "status": "WITHDRAWING"}]},
            {"forgotten": (1, 1)},
        ),
        (
            lambda: {"people": [PEOPLE[0], {**PEOPLE[1], "profile": b"sealed"}]},
            {"forgotten": (1, 1)},
        ),
        (
            lambda: {"bases": [{"person_id": BOB, "sealed": b"sealed"}]},
            {"left of who withdrew": (0, 1)},
        ),
        (
            lambda: {"sessions": [SESSION, {**SESSION, "session_id": "s2", "person_id": BOB}]},
            {"sessions": (0, 1), "left of who withdrew": (0, 1)},
        ),
        (
            lambda: {"certificate": _certificate_of(ec.generate_private_key(ec.SECP256R1()))},
            {"certificates": (1, 0)},
        ),
    ],
)
def test_what_is_planted_is_found(
    plant: Callable[[], dict[str, Any]], wrong: dict[str, tuple[int, int]]
) -> None:
    assert stages(replace(RIGHT, **plant())) == wrong


@pytest.mark.parametrize("field", ["measurement", "profile", "follow-up-basis"])
def test_what_still_opens_of_who_withdrew_is_counted(field: str) -> None:
    kept = replace(RIGHT, keys=KEYS)
    assert stages(kept) == {"keys": (0, 1)}
    assert health_account.account([SCENE], kept).readable_after == 1
    under_another = Box(KEYS[ALICE]).seal(b"{}", f"city.health/1/{BOB}/{field}".encode())
    records = [*RECORDS[:2], replace(RECORDS[2], sealed=under_another), RECORDS[3]]
    result = health_account.account([SCENE], replace(RIGHT, records=records))
    assert result.readable_after == 1
    assert not result.right


@pytest.mark.parametrize("status", ["fhir 422", "CONSENT_WITHDRAWN"])
def test_what_was_not_heard_and_what_was_heard_instead_is_found(status: str) -> None:
    told = Counter({"NORMAL": 2, status: 1})
    assert stages(RIGHT, replace(SCENE, told=told)) == {"answers": (1, 1)}


@pytest.mark.parametrize(
    "alter",
    [
        lambda certificate: certificate.forgotten.update({"measurements": 2}),
        lambda certificate: certificate.withdrawn_at.FromDatetime(TAKEN + timedelta(seconds=1)),
        lambda certificate: setattr(certificate, "person_id", ALICE),
        lambda certificate: setattr(certificate, "key_fingerprint", "0" * 64),
        lambda certificate: setattr(certificate, "key_id", "0" * 64),
        lambda certificate: setattr(certificate, "signature", ""),
    ],
)
def test_an_altered_certificate_does_not_hold(
    alter: Callable[[ForgettingCertificate], object],
) -> None:
    certificate = _forgetting()
    assert health_keys.holds(certificate, DEPARTMENT)
    alter(certificate)
    assert not health_keys.holds(certificate, DEPARTMENT)


def test_the_keyring_is_read_with_the_departments_key(tmp_path: Path) -> None:
    department, key = os.urandom(32), os.urandom(32)
    box = Box(derived(department, "city.health.keyring.v1/wrap"))
    wrapped = box.seal(key, bytes.fromhex(ALICE.replace("-", "")))
    (tmp_path / f"{ALICE}.key").write_bytes(wrapped)
    (tmp_path / f"{BOB}.key").write_bytes(wrapped)  # another's
    (tmp_path / "keyring.mark").write_bytes(b"mark")
    assert health_keys.keyring(tmp_path, department) == {ALICE: key}
    assert health_keys.keyring(tmp_path, os.urandom(32)) == {}


def test_a_key_of_nobody_opens_nothing_and_is_no_fault() -> None:
    assert stages(replace(RIGHT, keys={ALICE: KEYS[ALICE], "cut-off": os.urandom(32)})) == {}


def test_what_lies_in_the_clear_is_found_as_it_is_and_escaped(tmp_path: Path) -> None:
    for name, content in (
        ("logs/health.log", json.dumps({"name": "시연 주민 001"})),
        ("kafka/topic-0/00.log", "\0시연 주민 001\0"),
        ("kafka/topic-0/00.index", "시연 주민 001"),
        ("postgres/base/1", "시연 주민 002"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    found = in_clear(tmp_path, ["시연 주민 001", "010-0000-0000"])
    assert sorted(found) == [
        ("시연 주민 001", "kafka/topic-0/00.log"),
        ("시연 주민 001", "logs/health.log"),
    ]


def _line(number: str, items: Mapping[str, str], *, repeat: bool = False) -> str:
    return json.dumps({"ocrNbr": number, "items": items, "repeat": repeat}) + "\n"


def test_the_rooms_record_tells_incidents_from_answers(tmp_path: Path) -> None:
    file = tmp_path / "119.jsonl"
    assert record.told(file) == {}
    first = {"incidentId": "i1", "revision": "1"}
    file.write_text(
        _line("o", first)
        + _line("o", first, repeat=True)
        + _line("o", {"incidentId": "i1", "revision": "2"})
        + _line("n1", {"incidentId": "i2", "answer": "1", "건강 이상 1": "확인 불가"})
        + _line("n1", {"incidentId": "i2", "answer": "2", "건강 이상 1": "보람동"})
    )
    assert record.told(file) == {"i1": Counter({1: 1, 2: 1})}
    assert answers(file, "n1")["건강 이상 1"] == "보람동"
    assert answers(file, "o") == {}


def test_an_observation_says_what_was_measured_and_its_copy_is_in_another_unit() -> None:
    sent = observation("t", "n", PULSE)
    assert sent["valueQuantity"] == {
        "value": 72.0,
        "unit": "/min",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }
    assert datetime.fromisoformat(sent["effectiveDateTime"]) == TAKEN
    wrong = in_fahrenheit(sent)
    assert wrong["valueQuantity"]["code"] == "[degF]"
    assert sent["valueQuantity"]["code"] == "/min"
