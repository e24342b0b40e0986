"""What opens with the keys there are, and whether a certificate holds: a checker's own reading.

Written from the contracts (the keyring's and the seals' labels, person.proto), not with the
department's code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from city.health.v1.person_pb2 import ForgettingCertificate
from city_backbone.crypto import Box, derived
from city_backbone.errors import Unreadable
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from meshctl.demo.health_plan import Content
from meshctl.errors import MeshctlError

_WRAPPING = "city.health.keyring.v1/wrap"
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_NUMBER_BYTES = 32


def keyring(folder: Path, department_key: bytes) -> Mapping[str, bytes]:
    """By person, the keys that can still be read."""
    box = Box(derived(department_key, _WRAPPING))
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.key")):
        try:
            found[path.stem] = box.open(path.read_bytes(), _bytes(path.stem))
        except (Unreadable, FileNotFoundError):
            continue
        except PermissionError:
            raise MeshctlError(f"{path}: a container's own file, which root can read") from None
    return found


def opened(person_id: str, key: bytes, sealed: bytes, field: str = "measurement") -> Any:
    """The content. Raises Unreadable."""
    return json.loads(Box(key).open(sealed, f"city.health/1/{person_id}/{field}".encode()))


def content(person_id: str, key: bytes | None, sealed: bytes) -> Content | None:
    """Of a measurement; None when it does not open."""
    if key is None:
        return None
    try:
        found = opened(person_id, key, sealed)
    except Unreadable:
        return None
    taken = datetime.fromisoformat(found.pop("taken_at")) - _EPOCH
    return Content(
        taken_micros=taken // timedelta(microseconds=1),
        **{name: found[name] for name in Content._fields if name != "taken_micros"},
    )


def readable(person_id: str, keys: Iterable[bytes], sealed: Iterable[bytes]) -> int:
    """How many of these open with any of the keys, as anything that is sealed of a person."""
    fields = ("measurement", "profile", "follow-up-basis")

    def opens(one: bytes) -> bool:
        for key in keys:
            for field in fields:
                try:
                    opened(person_id, key, one, field)
                except Unreadable:
                    continue
                return True
        return False

    return sum(map(opens, sealed))


def holds(certificate: ForgettingCertificate, department: x509.Certificate) -> bool:
    """Whether the department signed just that: ES256 over the RFC 8785 JSON, see person.proto."""
    key = department.public_key()
    raw = base64.b64decode(certificate.signature)
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(raw) != 2 * _NUMBER_BYTES:
        return False
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    r, s = (int.from_bytes(raw[at : at + _NUMBER_BYTES], "big") for at in (0, _NUMBER_BYTES))
    signature = utils.encode_dss_signature(r, s)
    try:
        key.verify(signature, _statement(certificate), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return certificate.key_id == hashlib.sha256(spki).hexdigest()


def _statement(certificate: ForgettingCertificate) -> bytes:
    """All of it is ASCII and whole numbers, so sorted and compact JSON is RFC 8785's."""
    at = certificate.withdrawn_at.ToDatetime().isoformat(timespec="microseconds")
    members = {
        "certificate_id": certificate.certificate_id,
        "person_id": certificate.person_id,
        "withdrawn_at": f"{at}Z",
        "key_fingerprint": certificate.key_fingerprint,
        "forgotten": dict(certificate.forgotten),
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _bytes(person_id: str) -> bytes:
    return bytes.fromhex(person_id.replace("-", ""))
