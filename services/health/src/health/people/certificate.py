"""Certificates of forgetting: what the department signs, and how anybody checks it.

The statement is the RFC 8785 JSON of the certificate's members but `signature` and `key_id`, under
their names in person.proto; `withdrawn_at` is UTC with microseconds, as
2026-11-25T01:02:03.000004Z. The signature is ES256 as in RFC 7518: R and S, 32 bytes each.
"""

import base64
import hashlib
from pathlib import Path

import rfc8785
from city.health.v1 import person_pb2 as pb
from city_backbone.errors import SettingsError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

_ES256 = ec.ECDSA(hashes.SHA256())
_NUMBER_BYTES = 32


class Signer:
    """Of the department's key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._key_id = key_id(key.public_key())

    def sign(self, draft: pb.ForgettingCertificate) -> pb.ForgettingCertificate:
        r, s = decode_dss_signature(self._key.sign(statement(draft), _ES256))
        raw = r.to_bytes(_NUMBER_BYTES, "big") + s.to_bytes(_NUMBER_BYTES, "big")
        signed = pb.ForgettingCertificate()
        signed.CopyFrom(draft)
        signed.key_id = self._key_id
        signed.signature = base64.b64encode(raw).decode()
        return signed


def verify(certificate: pb.ForgettingCertificate, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the owner of `key` signed just that."""
    try:
        raw = base64.b64decode(certificate.signature, validate=True)
    except ValueError:
        return False
    if len(raw) != 2 * _NUMBER_BYTES or certificate.key_id != key_id(key):
        return False
    r, s = (int.from_bytes(raw[part : part + _NUMBER_BYTES], "big") for part in (0, _NUMBER_BYTES))
    try:
        key.verify(encode_dss_signature(r, s), statement(certificate), _ES256)
    except InvalidSignature:
        return False
    return True


def statement(certificate: pb.ForgettingCertificate) -> bytes:
    """What is signed."""
    withdrawn_at = certificate.withdrawn_at.ToDatetime()
    return rfc8785.dumps(
        {
            "certificate_id": certificate.certificate_id,
            "person_id": certificate.person_id,
            "withdrawn_at": withdrawn_at.isoformat(timespec="microseconds") + "Z",
            "key_fingerprint": certificate.key_fingerprint,
            "forgotten": dict(certificate.forgotten),
        }
    )


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the key's SPKI, lower-case hex."""
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def signer(key_file: Path) -> Signer:
    """Raises SettingsError when the file holds no P-256 private key in PEM."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _unfit(key_file, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _unfit(key_file, "it holds another kind of key")
    return Signer(key)


def _unfit(key_file: Path, problem: str) -> SettingsError:
    return SettingsError(
        f"PEOPLE__SIGNING_KEY_FILE: expected a P-256 private key, PEM, in {key_file}: {problem}"
    )
