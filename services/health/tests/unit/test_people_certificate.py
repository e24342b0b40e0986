"""Certificates of forgetting stand for what they say and for nothing else."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from city.health.v1 import person_pb2 as pb
from city_backbone.errors import SettingsError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from health.messages import timestamp
from health.people.certificate import Signer, signer, statement, verify
from hypothesis import given
from hypothesis import strategies as st

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key()


def draft(**changes: Any) -> pb.ForgettingCertificate:
    fields = {
        "certificate_id": str(uuid4()),
        "person_id": str(uuid4()),
        "withdrawn_at": timestamp(datetime(2026, 11, 25, 1, 2, 3, 4, UTC)),
        "key_fingerprint": "ab" * 32,
        "forgotten": {"profile": 1, "measurements": 12},
    }
    return pb.ForgettingCertificate(**{**fields, **changes})


def pem(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded


def test_it_verifies_with_the_public_key() -> None:
    signed = Signer(KEY).sign(draft())
    assert verify(signed, PUBLIC)
    assert not verify(signed, ec.generate_private_key(ec.SECP256R1()).public_key())
    spki = PUBLIC.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert signed.key_id == hashlib.sha256(spki).hexdigest()


def test_what_is_signed_is_the_canonical_json() -> None:
    given = draft(certificate_id="c", person_id="p", key_fingerprint="f", key_id="k", signature="s")
    assert statement(given).decode() == (
        '{"certificate_id":"c","forgotten":{"measurements":12,"profile":1},"key_fingerprint":"f",'
        '"person_id":"p","withdrawn_at":"2026-11-25T01:02:03.000004Z"}'
    )
    assert json.loads(statement(given))["forgotten"] == {"profile": 1, "measurements": 12}


def test_any_library_of_es256_agrees() -> None:
    signed = Signer(KEY).sign(draft())
    es256 = jwt.get_algorithm_by_name("ES256")
    assert es256.verify(statement(signed), PUBLIC, base64.b64decode(signed.signature))


CHANGES: dict[str, Any] = {
    "certificate_id": str(uuid4()),
    "person_id": str(uuid4()),
    "withdrawn_at": timestamp(datetime(2026, 11, 25, 1, 2, 3, 5, UTC)),
    "key_fingerprint": "cd" * 32,
    "key_id": "00" * 32,
    "signature": "",
}


@pytest.mark.parametrize("field", CHANGES)
def test_changed_it_does_not_verify(field: str) -> None:
    signed = Signer(KEY).sign(draft())
    changed = pb.ForgettingCertificate()
    changed.CopyFrom(signed)
    changed.ClearField(field)  # type: ignore[arg-type]
    changed.MergeFrom(pb.ForgettingCertificate(**{field: CHANGES[field]}))
    assert changed != signed
    assert not verify(changed, PUBLIC)


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 2**53 - 1), max_size=3))
def test_other_counts_do_not_verify(forgotten: dict[str, int]) -> None:
    signed = Signer(KEY).sign(draft(forgotten={"profile": 1, "measurements": 12, "sessions": 2}))
    signed.ClearField("forgotten")
    signed.forgotten.update(forgotten)
    same = forgotten == {"profile": 1, "measurements": 12, "sessions": 2}
    assert verify(signed, PUBLIC) == same


@pytest.mark.parametrize("signature", ["", "?", "x" * 86, base64.b64encode(bytes(64)).decode()])
def test_no_signature_does_not_verify(signature: str) -> None:
    signed = Signer(KEY).sign(draft())
    signed.signature = signature
    assert not verify(signed, PUBLIC)


def test_the_key_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(KEY))
    assert verify(signer(path).sign(draft()), PUBLIC)


def test_another_kind_of_key_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    for content in (
        b"none",
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP384R1())),
    ):
        path.write_bytes(content)
        with pytest.raises(SettingsError, match="PEOPLE__SIGNING_KEY_FILE"):
            signer(path)
    with pytest.raises(SettingsError, match="PEOPLE__SIGNING_KEY_FILE"):
        signer(tmp_path / "none.pem")
