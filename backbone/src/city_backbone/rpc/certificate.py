"""The process's own certificate, taken anew when its file is replaced."""

from dataclasses import dataclass

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from city_backbone.errors import SettingsError
from city_backbone.settings import TlsSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one handshake needs, PEM; `expires_at` in seconds since 1970."""

    key: bytes
    chain: bytes
    authorities: bytes
    expires_at: float


class Identity:
    """The certificate of `tls` as its files are now; see docs/decisions/0019.

    Half-written or wrong files change nothing: what was loaded last stays in use.
    """

    def __init__(self, tls: TlsSettings) -> None:
        """Raises SettingsError for files that cannot be used."""
        self._tls = tls
        self._stamp = self._written()
        try:
            self._current = _load(tls)
        except (OSError, ValueError) as error:
            raise SettingsError(f"TLS: {error}") from error

    def current(self) -> Certificate:
        """Cheap enough for every handshake and call: a file's time is asked."""
        written = self._written()
        if written and written != self._stamp:
            self._stamp = written
            try:
                self._current = _load(self._tls)
            except (OSError, ValueError) as error:
                log.warning("new certificate not usable", error=repr(error))
        return self._current

    def _written(self) -> tuple[int, ...]:
        """When each file was written; empty while one is missing."""
        files = (self._tls.key_file, self._tls.cert_file, self._tls.ca_file)
        try:
            return tuple(file.stat().st_mtime_ns for file in files)
        except OSError:
            return ()


def _load(tls: TlsSettings) -> Certificate:
    key, chain = tls.key_file.read_bytes(), tls.cert_file.read_bytes()
    leaf = x509.load_pem_x509_certificate(chain)
    if load_pem_private_key(key, None).public_key() != leaf.public_key():
        raise ValueError(f"{tls.cert_file}: expected the certificate of {tls.key_file}")
    authorities = tls.ca_file.read_bytes()
    x509.load_pem_x509_certificates(authorities)
    return Certificate(key, chain, authorities, leaf.not_valid_after_utc.timestamp())
