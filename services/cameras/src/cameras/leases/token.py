"""Stream tokens: short-lived JWTs (RFC 7519) signed with ES256 by the department's key."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
from city_backbone.errors import PermissionDenied, SettingsError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cameras.leases.lease import Lease

ALGORITHM = "ES256"
ISSUER = "cameras"
AUDIENCE = "stream"
_CLAIMS = ["iss", "sub", "aud", "iat", "exp", "jti", "lease_id", "camera_id", "incident_id"]
_MAX_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Token:
    """One look at one camera by one viewer; times aware UTC, whole seconds."""

    token_id: str
    lease_id: UUID
    camera_id: str
    viewer: str
    expires_at: datetime


class Signer:
    """Issues tokens and knows its own again."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, lifetime: timedelta) -> None:
        self._key = key
        self._public = key.public_key()
        self._lifetime = lifetime
        spki = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key_id = hashlib.sha256(spki).hexdigest()

    def issue(self, lease: Lease, viewer: str, now: datetime) -> tuple[str, Token]:
        """For a lease in force: valid no longer than the lease."""
        expires_at = now + self._lifetime
        if lease.due_at is not None:
            expires_at = min(expires_at, lease.due_at)
        token = Token(
            token_id=str(uuid4()),
            lease_id=lease.lease_id,
            camera_id=lease.camera_id,
            viewer=viewer,
            expires_at=expires_at.replace(microsecond=0),
        )
        claims = {
            "iss": ISSUER,
            "sub": viewer,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int(token.expires_at.timestamp()),
            "jti": token.token_id,
            "lease_id": str(lease.lease_id),
            "camera_id": lease.camera_id,
            "incident_id": str(lease.incident_id),
        }
        text = jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self.key_id})
        return text, token

    def verify(self, text: str) -> Token:
        """Ours, and for a stream; whether it has expired is for the caller to ask.

        Raises PermissionDenied with TOKEN_MALFORMED, TOKEN_FORGED or TOKEN_AUDIENCE.
        """
        claims = self._claims(text)
        try:
            return Token(
                token_id=str(claims["jti"]),
                lease_id=UUID(claims["lease_id"]),
                camera_id=str(claims["camera_id"]),
                viewer=str(claims["sub"]),
                expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
            )
        except (TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            raise _denied("TOKEN_MALFORMED", "its claims are not those of a token") from error

    def _claims(self, text: str) -> dict[str, Any]:
        if len(text) > _MAX_CHARACTERS:
            raise _denied("TOKEN_MALFORMED", f"expected at most {_MAX_CHARACTERS} characters")
        try:
            # Expiry is judged by the clock that judges the lease too.
            return jwt.decode(
                text,
                self._public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
            raise _denied("TOKEN_FORGED", "not signed by this department") from error
        except jwt.InvalidAudienceError as error:
            raise _denied("TOKEN_AUDIENCE", f"expected the audience {AUDIENCE}") from error
        except jwt.PyJWTError as error:
            raise _denied("TOKEN_MALFORMED", "not a token of this department") from error


def signer(key_file: Path, lifetime: timedelta) -> Signer:
    """Raises SettingsError when the file holds no P-256 private key in PEM."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _unfit(key_file, str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _unfit(key_file, "it holds another kind of key")
    return Signer(key, lifetime)


def _denied(reason: str, message: str) -> PermissionDenied:
    return PermissionDenied(reason, f"token: {message}")


def _unfit(key_file: Path, problem: str) -> SettingsError:
    return SettingsError(
        f"LEASES__SIGNING_KEY_FILE: expected a P-256 private key, PEM, in {key_file}: {problem}"
    )
