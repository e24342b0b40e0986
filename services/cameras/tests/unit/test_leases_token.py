"""Stream tokens: what opens a stream, and everything made to look like it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cameras.leases.lease import Ground, Lease, Status
from cameras.leases.token import AUDIENCE, ISSUER, Signer, signer
from city_backbone.errors import PermissionDenied, SettingsError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
OURS = Signer(KEY, timedelta(seconds=60))
LEASE = Lease(
    lease_id=UUID(int=1),
    camera_id="park-0001-1",
    incident_id=UUID(int=2),
    ground=Ground.RESCUE,
    requester="kim",
    requested_by="operator",
    requested_at=NOW,
    duration=timedelta(minutes=30),
    status=Status.ACTIVE,
    starts_at=NOW,
    ends_at=NOW + timedelta(minutes=30),
)


def claims(**changes: Any) -> dict[str, Any]:
    text, _ = OURS.issue(LEASE, "kim", NOW)
    ours: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return {name: value for name, value in {**ours, **changes}.items() if value is not None}


def segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def by_hand(header: dict[str, str], body: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """What no library would sign."""
    signed = f"{segment(json.dumps(header).encode())}.{segment(json.dumps(body).encode())}"
    return f"{signed}.{segment(sign(signed.encode()))}"


def public_pem() -> bytes:
    return KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_names_lease_camera_incident_and_viewer() -> None:
    text, token = OURS.issue(LEASE, "kim", NOW)
    assert OURS.verify(text) == token
    assert (token.lease_id, token.camera_id, token.viewer) == (UUID(int=1), "park-0001-1", "kim")
    assert token.expires_at == NOW + timedelta(seconds=60)
    spki = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert jwt.get_unverified_header(text) == {
        "alg": "ES256",
        "typ": "JWT",
        "kid": hashlib.sha256(spki).hexdigest(),
    }
    body = claims()
    assert {name: body[name] for name in ("iss", "sub", "aud", "lease_id", "incident_id")} == {
        "iss": "cameras",
        "sub": "kim",
        "aud": "stream",
        "lease_id": str(UUID(int=1)),
        "incident_id": str(UUID(int=2)),
    }
    assert body["exp"] - body["iat"] == 60


def test_two_tokens_differ() -> None:
    assert OURS.issue(LEASE, "kim", NOW)[1].token_id != OURS.issue(LEASE, "kim", NOW)[1].token_id


def test_never_outlives_its_lease() -> None:
    late = NOW + timedelta(minutes=29, seconds=30)
    assert OURS.issue(LEASE, "kim", late)[1].expires_at == LEASE.ends_at


def test_never_outlives_the_time_to_approve() -> None:
    by = NOW + timedelta(seconds=20)
    provisional = replace(LEASE, status=Status.PROVISIONAL, approve_by=by)
    assert OURS.issue(provisional, "kim", NOW)[1].expires_at == by


def flipped(text: str) -> str:
    head, body, signature = text.split(".")
    return f"{head}.{body[:-2]}{'A' if body[-2] != 'A' else 'B'}{body[-1]}.{signature}"


OTHER = ec.generate_private_key(ec.SECP256R1())
FAKES: list[tuple[str, Callable[[], str], str]] = [
    ("nothing", lambda: "", "TOKEN_MALFORMED"),
    ("no token", lambda: "가.b.c", "TOKEN_MALFORMED"),
    ("too long", lambda: "a" * 5000, "TOKEN_MALFORMED"),
    ("altered", lambda: flipped(OURS.issue(LEASE, "kim", NOW)[0]), "TOKEN_FORGED"),
    ("another's key", lambda: jwt.encode(claims(), OTHER, "ES256"), "TOKEN_FORGED"),
    (
        "algorithm none",
        lambda: by_hand({"alg": "none", "typ": "JWT"}, claims(), lambda _: b""),
        "TOKEN_FORGED",
    ),
    (
        "algorithm None by the library",
        lambda: jwt.encode(claims(), "", algorithm="none"),
        "TOKEN_FORGED",
    ),
    (
        "the public key as an HMAC secret",
        lambda: by_hand(
            {"alg": "HS256", "typ": "JWT"},
            claims(),
            lambda signed: hmac.digest(public_pem(), signed, "sha256"),
        ),
        "TOKEN_FORGED",
    ),
    (
        "another curve",
        lambda: jwt.encode(claims(), ec.generate_private_key(ec.SECP384R1()), "ES384"),
        "TOKEN_FORGED",
    ),
    (
        "said to be ES256, signed with HMAC",
        lambda: by_hand(
            {"alg": "ES256", "typ": "JWT"},
            claims(),
            lambda signed: hmac.digest(public_pem(), signed, "sha256"),
        ),
        "TOKEN_FORGED",
    ),
    ("another audience", lambda: jwt.encode(claims(aud="mail"), KEY, "ES256"), "TOKEN_AUDIENCE"),
    ("another issuer", lambda: jwt.encode(claims(iss="x"), KEY, "ES256"), "TOKEN_MALFORMED"),
    *(
        (f"without {name}", lambda name=name: jwt.encode(claims(**{name: None}), KEY, "ES256"), "")
        for name in ("iss", "sub", "aud", "iat", "exp", "jti", "lease_id", "camera_id")
    ),
    (
        "a lease that is no id",
        lambda: jwt.encode(claims(lease_id="x"), KEY, "ES256"),
        "TOKEN_MALFORMED",
    ),
    (
        "a lease that is no text",
        lambda: jwt.encode(claims(lease_id=7), KEY, "ES256"),
        "TOKEN_MALFORMED",
    ),
    (
        "an end no clock shows",
        lambda: jwt.encode(claims(exp=10**18), KEY, "ES256"),
        "TOKEN_MALFORMED",
    ),
]


@pytest.mark.parametrize(
    ("make", "reason"), [case[1:] for case in FAKES], ids=[case[0] for case in FAKES]
)
def test_what_only_looks_like_a_token(make: Callable[[], str], reason: str) -> None:
    with pytest.raises(PermissionDenied) as raised:
        OURS.verify(make())
    assert raised.value.reason.startswith(reason or "TOKEN_")


def test_the_fakes_differ_from_a_true_one_only_in_what_they_say() -> None:
    assert OURS.verify(jwt.encode(claims(iss=ISSUER, aud=AUDIENCE), KEY, "ES256"))


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_the_key_of_the_settings_signs(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(KEY))
    text, token = signer(file, timedelta(seconds=60)).issue(LEASE, "kim", NOW)
    assert OURS.verify(text) == token


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ],
    ids=["empty", "no key", "another curve", "RSA"],
)
def test_another_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="LEASES__SIGNING_KEY_FILE"):
        signer(file, timedelta(seconds=60))


def test_no_key_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LEASES__SIGNING_KEY_FILE"):
        signer(tmp_path / "none.pem", timedelta(seconds=60))
